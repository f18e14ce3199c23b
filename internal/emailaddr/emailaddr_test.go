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

// Routes, comments, lists, other hosts and options have forms that are no address at all.
func TestWhatIsNotOneAddressIsNone(t *testing.T) {
	for _, in := range []string{
		"a@b.c@evil.example", "a@evil.example,@b.c", "@evil.example:a@b.c", "<@evil.example:a@b.c>", "<a@b.c>", "a@b.c>", "a@b.c, d@e.f", "a@b.c;d@e.f",
		"a(b)@c.d", "a@b.c(d)", "(b)a@b.c", `"a@evil.example"@b.c`, `"a b"@c.d`, `a\@b@c.d`, `a\b@c.d`, "a:b@c.d", ":include:/etc/passwd@c.d", "mailto:a@b.c",
		"a@b.c.", ".a@b.c", "a.@b.c", "a..b@c.d", "../a@b.c", "a/../b@c.d", "a@-b.c", "a@b-.c", "a@b.-c", "a@-oQ.c", "a@b!c.d", "a@b%c.d", "a@b.c|d", "a@$b.c",
		"a@[IPv6:::1]", "a@[127.0.0.1]", "a@b.c\r\nBcc: d@e.f", "a@b.c\x00", "a @b.c", " a@b.c", "a@b.c ", "a@\tb.c", "a@=?utf-8?q?b?=.c",
	} {
		if got, ok := emailaddr.Canonical(in); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestWhatAMailProgramReadsOtherwiseIsNamed(t *testing.T) {
	for address, want := range map[string]string{
		"-f@b.c":                 "a '-' at the beginning",
		"-oQ/var/x@b.c":          "a '-' at the beginning",
		"/var/mail/root@b.c":     "a '/' at the beginning",
		"+folder@b.c":            "a '+' at the beginning",
		"|id@b.c":                "a '|'",
		"a|id@b.c":               "a '|'",
		"`id`@b.c":               "a '`'",
		"${run{id}}@b.c":         "a '$'",
		"a$home@b.c":             "a '$'",
		"evil.example!mal@b.c":   "a '!'",
		"mal%evil.example@b.c":   "a '%'",
		"mal%evil.example!x@b.c": "a '%'",
		"=?utf-8?q?mallory=40evil.example=3e=20?=x@company.com": "'=?'",
		"x=?utf-8?b?eA==?=@b.c":                                 "'=?'",
	} {
		canonical, ok := emailaddr.Canonical(address)
		if got := emailaddr.Misread(address); got != want || !ok {
			t.Errorf("%s: %q, want %q; an address: %v", address, got, want, ok)
		}
		if got := emailaddr.Misread(canonical); got != want {
			t.Errorf("%s in lower case: %q, want %q", address, got, want)
		}
	}
	for _, address := range []string{
		"", "@", "ada@example.com", "ada+tag@example.com", "o'brien@example.com", "r&d@example.com", "a/b@example.com", "a-b@example.com", "ada-@example.com",
		"a=b@example.com", "a?b@example.com", "a?=b@example.com", "{a}@example.com", "~a@example.com", "#a@example.com", "*@example.com", "a^b@example.com", "_@example.com",
	} {
		if got := emailaddr.Misread(address); got != "" {
			t.Errorf("%s: %q", address, got)
		}
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"Ada@Example.COM", "a@b.c", "\u212aevin@example.com", "İ@x.y", `"a b"@c.d`, "Bob <a@b.c>", "a@[127.0.0.1]", "a@b..c", "a@b.c\n", "\xff@b.c", "", "-f@b.c", "a%b@c.d", "=?x@b.c"} {
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
		if what := emailaddr.Misread(c); what != emailaddr.Misread(s) || what != "" && !strings.Contains(c, strings.Split(what, "'")[1]) {
			t.Fatalf("%q has %s, and %q has %s", s, emailaddr.Misread(s), c, what)
		} else if what == "" && (strings.ContainsAny(c, "!%|`$") || strings.Contains(c, "=?") || strings.IndexAny(c, "-+/") == 0) {
			t.Fatalf("nothing is found in %q", c)
		}
		if a, err := mail.ParseAddress(c); err != nil || a.Address != c || a.Name != "" {
			t.Fatalf("%q is no addr-spec of RFC 5322: %v", c, err)
		}
		if !emailaddr.Same(s, c) {
			t.Fatalf("%q and %q are not the same", s, c)
		}
	})
}
