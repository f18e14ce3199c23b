// Package printable checks whether text is safe to show, and makes text safe to store and
// print.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Trim returns s without white space at its ends. It also removes the invisible characters
// that are copied with a text: joiners, marks of the direction of writing, the byte order mark
// and the like. The two that override the direction stay, since no text needs them.
func Trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(copied, r) })
}

// copied are the invisible characters that Trim removes.
var copied = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00AD, 0x00AD, 1}, {0x061C, 0x061C, 1}, {0x200B, 0x200F, 1}, {0x202A, 0x202C, 1}, {0x2060, 0x2069, 1}, {0xFEFF, 0xFEFF, 1},
	},
	LatinOffset: 1,
}

// maxTidied is how many bytes Tidy brings into its form.
const maxTidied = 8 << 10

// Tidy returns s as it is stored and shown: in Unicode form NFC, with U+0020 for every kind of
// space, and trimmed by [Trim]. It is what the profile OpaqueString of RFC 8265 does, and
// the trimming. Tidy of a tidy text is the text. Text that is not UTF-8 stays as it is. So does
// text of more than maxTidied bytes, not counting white space at its ends. No name is that
// long, and its form NFC costs many times what reading it does.
func Tidy(s string) string {
	if !utf8.ValidString(s) || len(Trim(s)) > maxTidied {
		return s
	}
	return Trim(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, norm.NFC.String(s)))
}

// Line reports whether s can be shown on one line without deceiving its reader. S must be 1
// to most code points of valid UTF-8, and trimmed by [Trim]. One of them must be visible.
//
// Line takes all that the FreeformClass of RFC 8264 takes, and what that class lacks: emoji
// sequences, variation sequences, and characters that are newer than the tables. Control,
// format, private and line-breaking characters are refused. One of them is U+202E, which
// reverses the direction of writing. Joiners are taken where a script or an emoji needs them:
// see joins. A filler is taken behind a visible character, or first, and a selector behind a
// character of a kind that has variants: anything else would be text that nobody sees. U+FFFD,
// which stands for invalid text, is refused too.
func Line(s string, most int) bool {
	if s == "" || len(s) > utf8.UTFMax*most || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most || Trim(s) != s {
		return false
	}
	text, seen := []rune(s), false
	for i, r := range text {
		if !shownAt(text, i) {
			return false
		}
		seen = seen || visible(r)
	}
	return seen
}

// shownAt reports whether the character at i may stand there.
func shownAt(text []rune, i int) bool {
	switch r := text[i]; {
	case r == utf8.RuneError, unicode.Is(unicode.Noncharacter_Code_Point, r):
		return false
	case unicode.Is(unicode.Variation_Selector, r):
		return i > 0 && varies(text[i-1], r)
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return !unicode.Is(unicode.Cn, r) && (i == 0 || visible(text[i-1]))
	case r == zwj || r == zwnj || r == zwsp:
		return joins(text, i)
	case unicode.Is(tags, r):
		return inFlag(text, i)
	default:
		return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
	}
}

// varies reports whether a variation selector may have an effect on the character before it.
// Unicode's StandardizedVariants.txt and emoji-variation-sequences.txt have symbols, digits and
// letters of a few scripts. The selectors from U+E0100 on are for Han characters (UTS 37).
func varies(before, selector rune) bool {
	switch {
	case selector >= 0xE0100:
		return unicode.Is(unicode.Han, before)
	case unicode.IsLetter(before):
		return unicode.In(before, variant...)
	}
	return visible(before)
}

// variant are the scripts whose letters have variants. Common has those of mathematics.
var variant = []*unicode.RangeTable{
	unicode.Han, unicode.Common, unicode.Mongolian, unicode.Myanmar, unicode.Phags_Pa, unicode.Manichaean, unicode.Egyptian_Hieroglyphs,
}

// visible reports whether r shows something: it is no space, no selector and no filler, as
// U+3164 and U+2800 are.
func visible(r rune) bool {
	switch {
	case r == ' ', r == '\u2800', unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		return false
	}
	return unicode.IsPrint(r) || unicode.Is(unicode.Cn, r)
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
