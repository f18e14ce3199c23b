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
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most || strings.TrimSpace(s) != s {
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
// Each character that is not printable becomes '?'. Longer text is cut off between two
// characters.
func Clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
