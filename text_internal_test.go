package auth

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// AK-9, LO-3
func TestDisplayableTextIsOneHonestLine(t *testing.T) {
	for _, s := range []string{"a", "Ada Lovelace", "Ünïcödé", "日本語", "👍", "<script>", "a  b", strings.Repeat("é", 100)} {
		if !displayable(s, 100) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", " ", " a", "a ", "a\n", "a\tb", "a\r\nb", "a\x00b", "a\x1b[31m", "\u202eb", "a\u200bb", "a\u2028b", "a\u2029b", "\ufeffa", "\u00a0a", "a\u00adb", "\ue000", "\xff", "\ufffd", "\U000e0041x", strings.Repeat("é", 101)} {
		if displayable(s, 100) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzClipped(f *testing.F) {
	for _, s := range []string{"", "curl/8", "a\nb", strings.Repeat("é", 150), "\xff\xfe", "日本語", "\u202e", strings.Repeat("a", 199) + "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := clipped(s, 200)
		if len(c) > 200 || !utf8.ValidString(c) || strings.ContainsAny(c, "\n\r\x1b\x00\u202e\u2028") {
			t.Fatalf("%q became %q", s, c)
		}
	})
}
