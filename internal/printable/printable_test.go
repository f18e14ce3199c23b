package printable_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/printable"
)

// AK-9, LO-3
func TestDisplayableTextIsOneLineWithoutHiddenCharacters(t *testing.T) {
	for _, s := range []string{"a", "Ada Lovelace", "Ünïcödé", "日本語", "👍", "<script>", "a  b", strings.Repeat("é", 100)} {
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
	f.Fuzz(func(t *testing.T, s string) {
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

// FuzzDisplayable holds the rule for text against itself, said once more as a pattern.
func FuzzDisplayable(f *testing.F) {
	for _, s := range []string{"", "Ada Lovelace", "日本語", " a", "a ", "a\nb", "\u202eb", "a\u200bb", "\ufeffa", "\u00a0a", "\ue000", "\xff", "\ufffd", "\U000e0041x", strings.Repeat("é", 100), strings.Repeat("é", 101)} {
		f.Add(s)
	}
	rule := regexp.MustCompile(`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\x{fffd}]{1,100}$`) // bytes that are no UTF-8 read as U+FFFD
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, s string) {
		ok := printable.Line(s, 100)
		if saw(ok); ok != (rule.MatchString(s) && strings.TrimSpace(s) == s) {
			t.Fatalf("printable.Line(%q) = %v", s, ok)
		}
	})
}
