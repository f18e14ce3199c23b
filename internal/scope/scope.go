// Package scope defines what a scope of an API key may be.
package scope

// MaxLen is the greatest length of a scope, in bytes.
const MaxLen = 64

// Valid reports whether s is a scope-token of RFC 6749, section 3.3, of 1 to MaxLen
// bytes. It is printable ASCII without space, '"' and '\'. So it needs no quoting in a
// header, and a space can separate two.
func Valid(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= MaxLen
}
