package record

import "strings"

// An Arena is the memory of one read. The texts of its records are parts of one string,
// and short lists are parts of one array, so they cost no allocation each. A value that
// keeps one of them keeps all of the Arena, and nothing else of the call.
//
// The zero Arena is empty and ready for use. It serves one read, and must not be copied
// after its first use.
type Arena struct {
	deadline deadline // of the read
	texts    strings.Builder
	lists    [4]string
	used     int // of lists
}

// Text returns b as a string of the Arena. Earlier strings stay as they are: a Builder
// only appends.
func (a *Arena) Text(b []byte) string {
	at := a.texts.Len()
	a.texts.Write(b)
	return a.texts.String()[at:]
}

// Join returns all parts as one string of the Arena.
func (a *Arena) Join(parts ...string) string {
	at := a.texts.Len()
	for _, p := range parts {
		a.texts.WriteString(p)
	}
	return a.texts.String()[at:]
}

// Grow allocates memory for n more bytes of text, so that they cost one allocation at most.
func (a *Arena) Grow(n int) { a.texts.Grow(n) }

// Size returns how many bytes of text the Arena has.
func (a *Arena) Size() int { return a.texts.Len() }

// list returns n empty strings.
func (a *Arena) list(n int) []string {
	if n > len(a.lists)-a.used {
		return make([]string, n)
	}
	a.used += n
	return a.lists[a.used-n : a.used : a.used]
}
