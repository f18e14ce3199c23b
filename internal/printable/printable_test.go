package printable_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/printable"
)

// AK-9, LO-3
func TestDisplayableTextIsOneLineWithoutHiddenCharacters(t *testing.T) {
	for _, s := range []string{"a", "Ada Lovelace", "Ünïcödé", "日本語", "👍", "<script>", "a  b", strings.Repeat("é", 100),
		"阿卜杜拉·买买提", "محـمد", "Xin\u00b7Li", "山田・太郎", "한", "\U0001FAE9", "\u0301a"} {
		if !printable.Line(s, 100) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", " ", " a", "a ", "a\n", "a\tb", "a\r\nb", "a\x00b", "a\x1b[31m", "\u202eb", "a\u200bb", "a\u2028b", "a\u2029b", "\ufeffa", "\u00a0a", "a\u00adb", "\ue000", "\xff", "\ufffd", "\U000e0041x", strings.Repeat("é", 101)} {
		if printable.Line(s, 100) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzClipped(f *testing.F) {
	for _, s := range []string{"", "curl/8", "a\nb", strings.Repeat("é", 150), "\xff\xfe", "日本語", "\u202e", strings.Repeat("a", 199) + "é"} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		c := printable.Clip(s, 200)
		saw(c == s)
		if len(c) > 200 || !utf8.ValidString(c) || strings.ContainsAny(c, "\n\r\x1b\x00\u202e\u2028") {
			t.Fatalf("%q became %q", s, c)
		}
		if bound := printable.Bound(s, 20); len(bound) > 80 || printable.Clip(bound, 20) != printable.Clip(s, 20) {
			t.Fatalf("the bound of %q is %q", s, bound)
		}
	})
}

// Nobody pays for what is cut off: a header has up to a megabyte.
func TestClippingLooksAtWhatItKeepsAndNoMore(t *testing.T) {
	for _, unit := range []string{"a", "é", "\xff", "\x00", "\U000e0041"} {
		long := strings.Repeat(unit, 1<<20)
		if n := testing.AllocsPerRun(10, func() { printable.Clip(printable.Bound(long, 200), 200) }); n > 3 {
			t.Errorf("%q: %v allocations", unit, n)
		}
		if n := len(printable.Bound(long, 200)); n != 800 {
			t.Errorf("%q: %d bytes are looked at", unit, n)
		}
		if c := printable.Clip(long, 200); len(c) < 199 || c[0] != long[0] && c[0] != '?' {
			t.Errorf("%q became %q", unit, c)
		}
	}
}

// AK-9: a name is written as its script, and its emoji, are written.
func TestJoinersStandWhereAScriptOrAnEmojiNeedsThem(t *testing.T) {
	for _, s := range []string{
		"علی\u200cرضا", "محمد\u200cرضا", "می\u200cنا", "ه\u200d. الف. سایه", // Persian
		"ශ්\u200dරී ලංකා", "ක්\u200dෂ", "क्\u200dष", "लक्ष्\u200dमी", "ക്\u200dഷ", "நா", "র\u200d্যাচেল", "রা\u0981", "ಕ್\u200cರ", "ර්\u200dය", // Sinhala, Devanagari, Malayalam, Bengali, Kannada
		"សុខ\u200bភា", "ဇော်\u200bဇော်", "ᠮᠣᠩᠭᠣᠯ\u180b", // Khmer, Burmese, Mongolian
		"👨\u200d👩\u200d👧\u200d👦", "👩🏽\u200d🚀", "🏳\ufe0f\u200d🌈", "❤\ufe0f\u200d🔥", "🙂\u200d↔\ufe0f", "🧑🏾\u200d❤\ufe0f\u200d💋\u200d🧑🏻", "🐻\u200d❄\ufe0f", "🇩🇪", "1\ufe0f\u20e3", "👍🏿", "☺\ufe0e",
		"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "Ada 👩\u200d💻", // Scotland
		"葛\U000e0100城", "邉\U000e0101", "神\ufe00", "\u1000\ufe00", "0\ufe00", "ℬ\ufe00", "ℹ\ufe0f", "©\ufe0e", "a\u034f", "\u034fa", "a\u034fb\u034f", "a\u3164b", "\u115f\u1161", "각", "\u1112\u1161\u11ab", // variants of Kanji, jamo
	} {
		if !printable.Line(s, 100) {
			t.Errorf("%+q is refused", s)
		}
		if tidy := printable.Tidy(s); !printable.Line(tidy, 100) {
			t.Errorf("%+q is refused", tidy)
		}
	}
	for _, s := range []string{
		"a\u200cb", "pay\u200dpal", "a\u200b", "a\u200bb", "日\u200b本", "علی\u200cAli", "ء\u200c", "1\u200d2", "👩\u200d", "\u200d👩", "👩\u200da", "a\u200d👩", "👩\u200d\u200d👩", "क्\u200d\u200dष", "क्\u200c\u200dष", "\u200c", "\u200d",
		"\ufe0f", "a\ufe0f\ufe0f", " \ufe0f", "a \ufe0fb", "a\U000e0100\U000e0101", "A\U000e0101d\U000e0102a", "a\ufe00", "ß\ufe0f", "я\ufe01", "א\ufe0e", "日\ufe00\ufe01", "1\U000e0101", "👍\U000e0101", // hidden data in selectors
		"a\u034f\u034fb", "a\u17b4\u17b5\u17b4b", "a\u3164\uffa0\u3164b", "a\u115f\u1160b", "a \u3164b", "a\ufe0f\u034fb", "a\u034f\ufe0fb", // and in fillers
		"🏴\U000e0067\U000e0062", "\U000e0067\U000e0062\U000e0073\U000e007f", "🏴\U000e007f", "🏴" + strings.Repeat("\U000e0061", 7) + "\U000e007f", "🏴\U000e0020\U000e0021\U000e0022\U000e007f", "a\U000e0001b", // and in tags
		"a\u202eb", "a\u202db", "a\u2066b", "a\u2069b", "a\u200fb", "a\u2060b", "a\ufeffb", "a\ufff9b", "a\u2065b", "a\uffffb", "a\ufdd0b", "a\U000e0002b", "a\rb", "a\u0085b",
		"\u3164", "\u2800", "\u115f\u1160", "\uffa0 \u3164", "\u034f", "\u180b", "\u2800 \u2800", // nothing that can be seen
	} {
		if printable.Line(s, 100) {
			t.Errorf("%+q is accepted", s)
		}
	}
}

func TestTidyTextHasOneFormAndNoSpaceAtItsEnds(t *testing.T) {
	for in, want := range map[string]string{
		"Ada": "Ada", " Ada\t\r\n": "Ada", "\u00a0Ada\u3000Lovelace\u200b": "Ada Lovelace", "\ufeffZoe\u0308": "Zoë", "\u2068Ada\u2069": "Ada", "a  b": "a  b", "A\u202fB": "A B",
		"\u1112\u1161\u11ab": "한", " \u200d\u00a0": "", "": "", "①ﬁ": "①ﬁ", "\u202eada": "\u202eada", "a\nb": "a\nb", " \xff": " \xff",
		"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
	} {
		if got := printable.Tidy(in); got != want {
			t.Errorf("%+q became %+q, want %+q", in, got, want)
		}
	}
}

// A text that is too long for a name is refused for that. Its form NFC would cost as much as
// many requests.
func TestOfAHugeTextNothingIsBroughtIntoItsForm(t *testing.T) {
	for _, s := range []string{strings.Repeat("e\u0301", 4<<10), " " + strings.Repeat("\u0301", 4<<10+1)} {
		if got := printable.Tidy(s); got != s {
			t.Errorf("%.9q… became %.9q…", s, got)
		}
	}
	if got := printable.Tidy(strings.Repeat(" ", 1<<16) + "e\u0301"); got != "é" {
		t.Errorf("behind many spaces: %q", got)
	}
}

// texts are seeds for what a name may be.
var texts = []string{
	"", "Ada Lovelace", "日本語", " a", "a ", "a\nb", "\u202eb", "a\u200bb", "\ufeffa", "\u00a0a", "\ue000", "\xff", "\ufffd", "\U000e0041x", strings.Repeat("é", 100), strings.Repeat("é", 101),
	"علی\u200cرضا", "ශ්\u200dරී", "র\u200d্যা", "👩🏽\u200d🚀", "🏳\ufe0f\u200d🌈", "1\ufe0f\u20e3", "🏴\U000e0067\U000e0062\U000e0073\U000e007f", "a\ufe0f\ufe0f", "\u3164", "សុខ\u200bភា", "e\u0301\u3000x", "l·l", "\u1100\u1161\u11a8", "a" + strings.Repeat("\u0301", 64),
}

// FuzzDisplayable holds the rule for text against itself, said once more as a pattern, and
// against the FreeformClass of RFC 8264: what that takes is taken.
func FuzzDisplayable(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	never := regexp.MustCompile(`[\p{Cc}\p{Zl}\p{Zp}\p{Co}\p{Cs}\x{fffd}\x{ad}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}]`) // bytes that are no UTF-8 read as U+FFFD
	hidden := regexp.MustCompile(`[\p{Cf}\p{Mn}\x{115f}\x{1160}\x{3164}\x{ffa0}\x{2800}]`)
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		ok := printable.Line(s, 100)
		saw(ok)
		size := utf8.RuneCountInString(s)
		switch {
		case ok && (never.MatchString(s) || s != printable.Trim(s) || size > 100 || s == ""):
			t.Fatalf("%+q is accepted", s)
		case !ok && s != "" && size <= 100 && s == printable.Trim(s) && !never.MatchString(s) && !hidden.MatchString(s):
			for _, r := range s {
				if unicode.Is(unicode.Noncharacter_Code_Point, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
					return
				}
			}
			t.Fatalf("%+q is refused", s)
		}
		if p, err := precis.OpaqueString.String(s); err == nil && !ok {
			if tidy := printable.Tidy(p); tidy != "" && utf8.RuneCountInString(tidy) <= 100 && !strings.ContainsAny(tidy, "\u2800\ufffd") && !printable.Line(tidy, 100) {
				t.Fatalf("PRECIS takes %+q", tidy)
			}
		}
	})
}

// FuzzTidy: a tidy text is its own tidy form, and what could be shown still can.
func FuzzTidy(f *testing.F) {
	for _, s := range texts {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		tidy := printable.Tidy(s)
		if saw(tidy == s); printable.Tidy(tidy) != tidy {
			t.Fatalf("%+q: %+q becomes %+q", s, tidy, printable.Tidy(tidy))
		}
		if printable.Line(s, 4096) && !printable.Line(tidy, 4096) {
			t.Fatalf("%+q can be shown, and %+q cannot", s, tidy)
		}
		if p, err := precis.OpaqueString.String(s); err == nil && utf8.ValidString(s) && printable.Trim(p) != tidy {
			t.Fatalf("PRECIS has %+q for %+q, not %+q", p, s, tidy)
		}
	})
}
