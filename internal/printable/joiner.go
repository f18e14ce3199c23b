package printable

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	zwsp = '\u200b' // zero width space
	zwnj = '\u200c' // zero width non-joiner
	zwj  = '\u200d' // zero width joiner
)

// joins reports whether the joiner or zero width space at i has a meaning there:
//
//   - After a virama, as RFC 5892 says in A.1 and A.2. Also between a letter and a virama,
//     which is how Bengali and Kannada write a ra that keeps its form.
//   - After a letter of a cursive script. A zero width non-joiner needs such a letter after it
//     too. RFC 5892, A.1, also asks whether the letter before it connects. People type the
//     non-joiner at the end of a part of their name, whatever the letter is.
//   - Between two emoji: the zero width joiner makes one picture of them (UTS 51, ED-16).
//   - A zero width space between two words of a script that has no other space.
func joins(text []rune, i int) bool {
	if i == 0 || i == len(text)-1 {
		return false
	}
	before, after := text[i-1], text[i+1]
	letter, next := skip(text, i, -1, unicode.M), skip(text, i, 1, unicode.M)
	switch {
	case text[i] == zwsp:
		return unicode.In(before, spaceless...) && unicode.In(after, spaceless...)
	case isVirama(before) || isVirama(after) && unicode.IsLetter(before):
		return true
	case unicode.In(letter, cursive...):
		return text[i] == zwj || unicode.In(next, cursive...)
	}
	return text[i] == zwj && unicode.Is(pictographs, skip(text, i, -1, modifiers)) && unicode.Is(pictographs, after)
}

// skip returns the first character beside i that is not of the table, in the direction of step.
// It returns 0 if there is none.
func skip(text []rune, i, step int, table *unicode.RangeTable) rune {
	for i += step; 0 <= i && i < len(text); i += step {
		if !unicode.Is(table, text[i]) {
			return text[i]
		}
	}
	return 0
}

// isVirama reports whether r suppresses a vowel. The combining class of these marks is 9.
func isVirama(r rune) bool { return norm.NFC.PropertiesString(string(r)).CCC() == 9 }

// cursive are the scripts whose letters connect.
var cursive = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Mandaic, unicode.Nko, unicode.Mongolian, unicode.Phags_Pa, unicode.Adlam,
	unicode.Hanifi_Rohingya, unicode.Manichaean, unicode.Psalter_Pahlavi, unicode.Sogdian, unicode.Chorasmian, unicode.Old_Uyghur,
}

// spaceless are the scripts that are written without spaces. Their keyboards have a zero width
// space instead.
var spaceless = []*unicode.RangeTable{unicode.Khmer, unicode.Lao, unicode.Myanmar, unicode.Thai}

// inFlag reports whether the tag at i is part of the flag of a region, such as Scotland's. That
// is a black flag, 3 to 6 letters and digits as tags, and the end of tags (UTS 51, ED-14a).
func inFlag(text []rune, i int) bool {
	start, end := i, i
	for start > 0 && unicode.Is(regionTags, text[start-1]) {
		start--
	}
	for end < len(text) && unicode.Is(regionTags, text[end]) {
		end++
	}
	n := end - start
	return 3 <= n && n <= 6 && start > 0 && text[start-1] == blackFlag && end < len(text) && text[end] == endOfTags
}

const (
	blackFlag = '\U0001F3F4'
	endOfTags = '\U000E007F'
)

var (
	tags       = &unicode.RangeTable{R32: []unicode.Range32{{0xE0020, 0xE007F, 1}}}
	regionTags = &unicode.RangeTable{R32: []unicode.Range32{{0xE0030, 0xE0039, 1}, {0xE0061, 0xE007A, 1}}}

	// modifiers stand between an emoji and a joiner: its presentation, and the colour of skin.
	modifiers = &unicode.RangeTable{
		R16: []unicode.Range16{{0xFE0F, 0xFE0F, 1}},
		R32: []unicode.Range32{{0x1F3FB, 0x1F3FF, 1}},
	}
)

// pictographs are the characters with the property Extended_Pictographic of Unicode's
// emoji-data.txt. It includes what is reserved for emoji to come, and has not changed since
// Unicode 13.
var pictographs = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00A9, 0x00A9, 1}, {0x00AE, 0x00AE, 1}, {0x203C, 0x203C, 1}, {0x2049, 0x2049, 1}, {0x2122, 0x2122, 1},
		{0x2139, 0x2139, 1}, {0x2194, 0x2199, 1}, {0x21A9, 0x21AA, 1}, {0x231A, 0x231B, 1}, {0x2328, 0x2328, 1},
		{0x2388, 0x2388, 1}, {0x23CF, 0x23CF, 1}, {0x23E9, 0x23F3, 1}, {0x23F8, 0x23FA, 1}, {0x24C2, 0x24C2, 1},
		{0x25AA, 0x25AB, 1}, {0x25B6, 0x25B6, 1}, {0x25C0, 0x25C0, 1}, {0x25FB, 0x25FE, 1}, {0x2600, 0x2605, 1},
		{0x2607, 0x2612, 1}, {0x2614, 0x2685, 1}, {0x2690, 0x2705, 1}, {0x2708, 0x2712, 1}, {0x2714, 0x2714, 1},
		{0x2716, 0x2716, 1}, {0x271D, 0x271D, 1}, {0x2721, 0x2721, 1}, {0x2728, 0x2728, 1}, {0x2733, 0x2734, 1},
		{0x2744, 0x2744, 1}, {0x2747, 0x2747, 1}, {0x274C, 0x274C, 1}, {0x274E, 0x274E, 1}, {0x2753, 0x2755, 1},
		{0x2757, 0x2757, 1}, {0x2763, 0x2767, 1}, {0x2795, 0x2797, 1}, {0x27A1, 0x27A1, 1}, {0x27B0, 0x27B0, 1},
		{0x27BF, 0x27BF, 1}, {0x2934, 0x2935, 1}, {0x2B05, 0x2B07, 1}, {0x2B1B, 0x2B1C, 1}, {0x2B50, 0x2B50, 1},
		{0x2B55, 0x2B55, 1}, {0x3030, 0x3030, 1}, {0x303D, 0x303D, 1}, {0x3297, 0x3297, 1}, {0x3299, 0x3299, 1},
	},
	R32: []unicode.Range32{
		{0x1F000, 0x1F0FF, 1}, {0x1F10D, 0x1F10F, 1}, {0x1F12F, 0x1F12F, 1}, {0x1F16C, 0x1F171, 1}, {0x1F17E, 0x1F17F, 1},
		{0x1F18E, 0x1F18E, 1}, {0x1F191, 0x1F19A, 1}, {0x1F1AD, 0x1F1E5, 1}, {0x1F201, 0x1F20F, 1}, {0x1F21A, 0x1F21A, 1},
		{0x1F22F, 0x1F22F, 1}, {0x1F232, 0x1F23A, 1}, {0x1F23C, 0x1F23F, 1}, {0x1F249, 0x1F3FA, 1}, {0x1F400, 0x1F53D, 1},
		{0x1F546, 0x1F64F, 1}, {0x1F680, 0x1F6FF, 1}, {0x1F774, 0x1F77F, 1}, {0x1F7D5, 0x1F7FF, 1}, {0x1F80C, 0x1F80F, 1},
		{0x1F848, 0x1F84F, 1}, {0x1F85A, 0x1F85F, 1}, {0x1F888, 0x1F88F, 1}, {0x1F8AE, 0x1F8FF, 1}, {0x1F90C, 0x1F93A, 1},
		{0x1F93C, 0x1F945, 1}, {0x1F947, 0x1FAFF, 1}, {0x1FC00, 0x1FFFD, 1},
	},
	LatinOffset: 2,
}
