// Package printable checks whether text is safe to show, and makes text safe to store and
// print.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line reports whether s can be shown on one line without deceiving its reader. S must be 1
// to most code points of valid UTF-8, without space at either end. Control, format, private
// and line-breaking characters are refused. One of them is U+202E, which reverses the
// direction of writing. U+FFFD, which stands for invalid text, is refused too.
func Line(s string, most int) bool {
	if s == "" || len(s) > utf8.UTFMax*most || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most || strings.TrimSpace(s) != s {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) {
			return false
		}
	}
	return true
}

// Clip returns s as text that is safe to store and to print: valid UTF-8 of at most n bytes.
// Each character that is not printable, and each byte of invalid text, becomes '?'. Longer
// text is cut off between two characters. Clip looks at no more than 4n bytes of s, and the
// result does not keep the memory of a longer s.
func Clip(s string, n int) string {
	if len(s) <= n && clean(s) {
		return s
	}
	b := make([]byte, 0, n)
	for _, r := range s {
		if !shown(r) {
			r = '?'
		}
		if len(b)+utf8.RuneLen(r) > n {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}

// Bound returns the beginning of s that [Clip] of n bytes looks at. The result does not keep
// the memory of a longer s.
func Bound(s string, n int) string {
	if len(s) <= 4*n {
		return s
	}
	return strings.Clone(s[:4*n])
}

func clean(s string) bool {
	for _, r := range s {
		if !shown(r) {
			return false
		}
	}
	return true
}

// shown reports whether r stays as it is. U+FFFD stands for invalid text.
func shown(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
