package printable

import (
	"strings"
	"unicode"
)

// HasLink reports whether a program that shows s may make a link of a part of it: an address of
// the web or of mail, a host name, or a telephone number. It says so of a few texts that no
// program links, such as "Dr.Ada". White space in a text is a border of what is linked.
func HasLink(s string) bool {
	if strings.ContainsAny(s, ":/@\\＠：／") {
		return true
	}
	digits := 0
	for _, r := range s {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits >= minPhoneDigits {
		return true
	}
	for word := range strings.FieldsFuncSeq(s, unicode.IsSpace) {
		if isHostLike(word) {
			return true
		}
	}
	return false
}

// minPhoneDigits is how many digits a telephone number has that programs make a link of.
const minPhoneDigits = 5

// isHostLike reports whether a dot of the word stands between two characters and before a label
// that may be a top-level domain: two letters or more, or "xn--".
func isHostLike(word string) bool {
	labels := strings.FieldsFunc(word, isDot)
	for _, label := range labels[min(1, len(labels)):] {
		letters := 0
		for _, r := range label {
			if !unicode.IsLetter(r) && !unicode.IsMark(r) {
				break
			}
			letters++
		}
		if letters >= 2 || strings.HasPrefix(label, "xn-") {
			return true
		}
	}
	return false
}

// isDot reports whether IDNA reads r as a dot between labels (UTS 46), or a browser does.
func isDot(r rune) bool {
	switch r {
	case '.', '\u3002', '\uff0e', '\uff61', '\u2024':
		return true
	}
	return false
}
