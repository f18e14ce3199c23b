package emailaddr_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/fuzztest"
)

// LG-13
func TestCanonicalEmailFoldsASCIILettersAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		"Ada@Example.COM":                      "ada@example.com",
		"a@b.example":                          "a@b.example",
		"A.B+tag@sub.Example.org":              "a.b+tag@sub.example.org",
		"!#$%&'*+-/=?^_`{|}~Z@example.org":     "!#$%&'*+-/=?^_`{|}~z@example.org",
		"x@xn--bcher-kva.example":              "x@xn--bcher-kva.example",
		strings.Repeat("A", 64) + "@b.example": strings.Repeat("a", 64) + "@b.example",
	} {
		if got, ok := emailaddr.Canonical(in); !ok || got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "a", "@b.c", "a@", "a@b", "a@b.", "a@.b.c", "a b@c.d", "a@b@c.d", "\u212aevin@b.c", "İ@b.c", "a@\u212a.c", `"a"@b.c`, "a@[1.2.3.4]", "a@127.0.0.1", "a@1.2", "a@b.1", "a@b.c.007",
		strings.Repeat("a", 65) + "@b.c", "a@" + strings.Repeat("b", 64) + ".c", strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 95) + "c"} {
		if got, ok := emailaddr.Canonical(in); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"Ada@Example.COM", "a@b.c", "\u212aevin@example.com", "İ@x.y", `"a b"@c.d`, "Bob <a@b.c>", "a@[127.0.0.1]", "a@b..c", "a@b.c\n", "\xff@b.c", ""} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := emailaddr.Canonical(s)
		if saw(ok); !ok {
			if c != "" {
				t.Fatalf("%q is refused and is %q", s, c)
			}
			return
		}
		if again, ok := emailaddr.Canonical(c); !ok || again != c {
			t.Fatalf("%q: %q is not its own canonical form", s, c)
		}
		if len(c) != len(s) || len(c) > 254 || !strings.EqualFold(c, s) {
			t.Fatalf("%q became %q", s, c)
		}
		for i := range len(c) {
			if c[i] <= ' ' || c[i] > '~' || 'A' <= c[i] && c[i] <= 'Z' {
				t.Fatalf("%q has the byte %#x", c, c[i])
			}
		}
		if a, err := mail.ParseAddress(c); err != nil || a.Address != c || a.Name != "" {
			t.Fatalf("%q is no addr-spec of RFC 5322: %v", c, err)
		}
		if !emailaddr.Same(s, c) {
			t.Fatalf("%q and %q are not the same", s, c)
		}
	})
}
