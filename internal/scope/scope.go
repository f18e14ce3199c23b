// Package scope says what may be a scope of an API key.
package scope

// MaxLen is how many bytes a scope has at most.
const MaxLen = 64

// Valid reports whether s is a scope-token of RFC 6749 section 3.3, of at most MaxLen
// bytes: printable ASCII without space, '"' and '\', so that it needs no quoting in a
// header, and a space stands between two.
func Valid(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= MaxLen
}
