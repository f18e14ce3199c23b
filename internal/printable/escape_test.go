package printable_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/printable"
)

func FuzzEscaped(f *testing.F) {
	for _, s := range []string{"", "Ada Lovelace", `a "b" \c`, "محـمد", "👍", "a\nb", "\x1b[2J", "\u202egnp.exe", "a\u200bb", "\xff", "a\\\n\"", " a "} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		e := printable.Escape(s)
		saw(e == s)
		if printable.Line(s, len(s)) {
			if e != s {
				t.Fatalf("%q became %q", s, e)
			}
			return
		}
		if i := strings.IndexFunc(e, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("%q became %q", s, e)
		}
	})
}

func TestWhatATerminalObeysIsWrittenOut(t *testing.T) {
	for s, want := range map[string]string{
		"\x1b]0;x\a":            `\x1b]0;x\a`,
		"Ada\u202e ecalevoL":    `Ada\u202e ecalevoL`,
		"two\nlines \"quoted\"": `two\nlines "quoted"`,
		"\xff":                  `\xff`,
		"Zoë \\ Ça":             `Zoë \ Ça`,
	} {
		if got := printable.Escape(s); got != want {
			t.Errorf("Escape(%q) = %s, want %s", s, got, want)
		}
	}
}
