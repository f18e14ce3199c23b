package emailaddr_test

import (
	"net/mail"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/idna"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/printable"
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
	for _, in := range []string{"", "a", "@b.c", "a@", "a@b.", "a@.b.c", "a b@c.d", "a@b@c.d", "\u212aevin@b.c", "İ@b.c", "a@\u212a.c", `"a"@b.c`, "a@[1.2.3.4]", "a@127.0.0.1", "a@1.2", "a@b.1", "a@b.c.007",
		"a@" + strings.Repeat("b", 64) + ".c", strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 95) + "c"} {
		if got, ok := emailaddr.Canonical(in); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// LG-13: of Unicode's tricks with letters, each is refused or another address.
func TestALookalikeOfAnAddressIsNeverThatAddress(t *testing.T) {
	for _, real := range []string{"kevin@example.com", "ada@paypal.com", "ada@istanbul.tr", "ada@office.com", "ada@strasse.de", "ada@b1.c"} {
		for _, trick := range [][2]string{
			{"k", "\u212a"}, {"s", "ſ"}, {"i", "İ"}, {"i", "ı"}, {"i", "I\u0307"}, {"a", "а"}, {"a", "ａ"}, {"ffi", "ﬃ"}, {"ss", "ß"}, {"ss", "ẞ"}, {"o", "ⓞ"},
			{"e", "ℯ"}, {"1", "①"}, {"1", "１"}, {"1", "١"}, {"p", "p\u200d"}, {"p", "p\u00ad"}, {"p", "p\u200b"}, {"a", "a\u0301"}, {"a", "\u202ea"}, {".", "\u2024"}, {"com", "com\u0000"},
		} {
			local, domain, _ := strings.Cut(real, "@")
			for _, s := range []string{strings.Replace(local, trick[0], trick[1], 1) + "@" + domain, local + "@" + strings.Replace(domain, trick[0], trick[1], 1)} {
				if got, ok := emailaddr.Canonical(s); s != real && (got == real || ok && strings.Contains(local, trick[0]) && !strings.Contains(domain, trick[0])) {
					t.Errorf("%+q is %q", s, got)
				}
			}
		}
	}
}

// The pattern is the one of the HTML standard, "valid e-mail address". It is in every browser.
var html = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+\\/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$")

func TestWhatABrowserTakesIsAnAddress(t *testing.T) {
	for _, s := range []string{
		"a@b", "root@localhost", "tanaka.@docomo.ne.jp", ".tanaka@docomo.ne.jp", "ta..naka@docomo.ne.jp", "...@b.c", "+4917012345678@mms.example", "+@b.c", "a+b+c@d.e",
		strings.Repeat("a", 65) + "@b.c", strings.Repeat("a", 250) + "@b.c", "a@xn--abc.c", "a@a--b.c", "1@2.c", "a@" + strings.Repeat("b", 63), "o'brien@x.y", "{_~}@x.y", "a@b.museum",
	} {
		if !html.MatchString(s) {
			t.Errorf("a browser refuses %q", s)
		}
		if got, ok := emailaddr.Canonical(s); !ok || got != s || emailaddr.Misread(s) != "" {
			t.Errorf("%q: %q, %v, %s", s, got, ok, emailaddr.Misread(s))
		}
	}
}

func TestWhiteSpaceAndCopiedMarksAroundAnAddressAreDropped(t *testing.T) {
	for _, around := range []string{" ", "\t", "\r\n", "\v", "\u00a0", "\u3000", "\u2009", "\u202f", "\u2028", "\u200b", "\u200e", "\u200f", "\ufeff", "\u2060", "\u00ad", "\u202a", "\u202c", "\u2068", "\u2069", " \u200b\t\u00a0 ", strings.Repeat(" ", 1<<16)} {
		for _, s := range []string{around + "Ada@example.com", "Ada@example.com" + around, around + "Ada@example.com" + around} {
			if got, ok := emailaddr.Clean(s); !ok || got != "Ada@example.com" {
				t.Errorf("%.40q: %q, %v", s, got, ok)
			}
		}
		for _, s := range []string{"Ada" + around + "@example.com", "Ada@" + around + "example.com", "A" + around + "da@example.com", "Ada@example" + around + ".com"} {
			if got, ok := emailaddr.Clean(s); ok {
				t.Errorf("%.40q: %q", s, got)
			}
		}
	}
}

// LG-13: the U-label and the A-label of a domain are one address (RFC 5890, 2.3.2.1).
func TestAnInternationalDomainIsItsALabel(t *testing.T) {
	for in, want := range map[string]string{
		"Ada@bücher.example":             "Ada@xn--bcher-kva.example",
		"Ada@BÜCHER.Example":             "Ada@xn--bcher-kva.example",
		"Ada@bu\u0308cher.example":       "Ada@xn--bcher-kva.example",
		"Ada@xn--bcher-kva.example":      "Ada@xn--bcher-kva.example",
		"ada@straße.de":                  "ada@xn--strae-oqa.de",
		"ada@例え。テスト":                     "ada@xn--r8jz45g.xn--zckzah",
		"ada＠example.com":                "ada@example.com",
		"ada@नेपाल.भारत":                 "ada@xn--l2bey1c2b.xn--h2brj9c",
		"ada@президент.рф":               "ada@xn--d1abbgf6aiiy.xn--p1ai",
		"ada@موقع.وزارة-الاتصالات.مصر":   "ada@xn--4gbrim.xn----ymcbaaajlc6dj7bxne2c.xn--wgbh1c",
		"ada@نامه\u200cای.com":           "ada@xn--mgba3gch31f060k.com",
		"ada@ශ්\u200dරී.com":             "ada@xn--10cl1a0b660p.com",
		"ada@col·lecció.cat":             "ada@xn--collecci-ioa91d.cat",
		"ada@a.b.ü":                      "ada@a.b.xn--tda",
		"ada@" + strings.Repeat("ü", 57): "ada@xn--" + idnaOf(strings.Repeat("ü", 57)),
		"ada@paypаl.com":                 "ada@xn--paypl-7ve.com",
	} {
		if got, ok := emailaddr.Clean(in); !ok || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"ada@i❤.ws", "ada@☕.example", "ada@1א.com", "ada@-ü.com", "ada@ü-.com", "ada@ab--ü.com", "ada@ü_x.com", "ada@ü..com", "ada@ü.com.", "ada@.ü.com", "ada@ü.1",
		"ada@k·l.cat", "ada@\u0301a.de", "ada@xn--bücher.de", "ada@xn--ü", "ada@pay\u200dpal.ü", "ada@ｇmail.com", "ada@ﬁsh.com", "ada@ü\ufffd.com", "ada@ü\xff.com", "ada@" + strings.Repeat("ü", 60) + ".de",
		"ada@" + strings.Repeat("ü.", 120) + "de", "ådа@example.com", "用户@例子.广告", "ａｄａ@example.com", "ada@ü ü.com", "ada@ü@ü.com", "＠ü.com",
	} {
		if got, ok := emailaddr.Clean(in); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// Every login reads an address before anything is charged.
func TestADomainThatIsTooLongIsRefusedAtOnce(t *testing.T) {
	for _, label := range []string{strings.Repeat("\u0301", 500), strings.Repeat("ü", 64), strings.Repeat("u\u0308", 64), strings.Repeat("a", 64) + ".ü"} {
		address := "ada@" + label + ".de"
		if got, ok := emailaddr.Clean(address); ok {
			t.Errorf("%q: %q", address, got)
		}
		if n := testing.AllocsPerRun(10, func() { emailaddr.Clean(address) }); n > 10 {
			t.Errorf("%.20q: %v allocations", address, n)
		}
	}
}

func idnaOf(label string) string {
	ascii, _ := idna.Punycode.ToASCII(label)
	return strings.TrimPrefix(ascii, "xn--")
}

// before is what an address was until international domains were taken: each of those has the
// key that it had.
var before = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\\.)+[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$")

func FuzzAnAddressFromBeforeKeepsItsKey(f *testing.F) {
	for _, s := range []string{"Ada@Example.COM", "a@b", "a@b.1", "x@xn--bcher-kva.example", "x@XN--BCHER-KVA.example", "x@xn--a.b.c", "-f@b.c", "a@b.c ", strings.Repeat("a", 65) + "@b.c"} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		local, domain, _ := strings.Cut(s, "@")
		was := before.MatchString(s) && len(local) <= 64 && len(s) <= 254 && strings.Trim(domain[strings.LastIndex(domain, ".")+1:], "0123456789") != ""
		if saw(was); !was {
			return
		}
		if c, ok := emailaddr.Canonical(s); !ok || c != strings.ToLower(s) {
			t.Fatalf("%q: %q, %v", s, c, ok)
		}
		if a, ok := emailaddr.Clean(s); !ok || a != s {
			t.Fatalf("%q is kept as %q, %v", s, a, ok)
		}
	})
}

// Routes, comments, lists, other hosts and options have forms that are no address at all.
func TestWhatIsNotOneAddressIsNone(t *testing.T) {
	for _, in := range []string{
		"a@b.c@evil.example", "a@evil.example,@b.c", "@evil.example:a@b.c", "<@evil.example:a@b.c>", "<a@b.c>", "a@b.c>", "a@b.c, d@e.f", "a@b.c;d@e.f",
		"a(b)@c.d", "a@b.c(d)", "(b)a@b.c", `"a@evil.example"@b.c`, `"a b"@c.d`, `a\@b@c.d`, `a\b@c.d`, "a:b@c.d", ":include:/etc/passwd@c.d", "mailto:a@b.c",
		"a@b.c.", "a@-b.c", "a@b-.c", "a@b.-c", "a@-oQ.c", "a@b!c.d", "a@b%c.d", "a@b.c|d", "a@$b.c", "a＠b＠c.d", "a＠b@c.d", "a@b@ü.d",
		"a@[IPv6:::1]", "a@[127.0.0.1]", "a@b.c\r\nBcc: d@e.f", "a@b.c\x00", "\x00a@b.c", "a @b.c", "a@\tb.c", "a@=?utf-8?q?b?=.c", "a@ü.c\r\nBcc: d@e.f", "a@b.c\u202ed",
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
		"../mail/root@b.c":       "a '/' at the beginning",
		"./mbox@b.c":             "a '/' at the beginning",
		"a@xn--BCHER-2pa.c":      "an 'xn--' that stands for another name", // BÜCHER
		"a@x.xn--bucher-xyd":     "an 'xn--' that stands for another name", // with the dots apart
		"a@xn--qi7cdauna.com":    "an 'xn--' that stands for another name", // ｇｏｏｇｌｅ
		"a@xn--google-eja.com":   "an 'xn--' that stands for another name", // with a soft hyphen
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
		"", "@", "ada@example.com", "ada+tag@example.com", "+49170@example.com", ".a@example.com", "a@xn--bcher-kva.de", "a@xn--i-7iq.ws", "a@xn--strae-oqa.de", "a@xn--abc.de", "o'brien@example.com", "r&d@example.com", "a/b@example.com", "a-b@example.com", "ada-@example.com",
		"a=b@example.com", "a?b@example.com", "a?=b@example.com", "{a}@example.com", "~a@example.com", "#a@example.com", "*@example.com", "a^b@example.com", "_@example.com",
	} {
		if got := emailaddr.Misread(address); got != "" {
			t.Errorf("%s: %q", address, got)
		}
	}
}

// FuzzCanonicalEmail: the canonical form is its own, and what a browser takes has one.
func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"Ada@Example.COM", "a@b.c", "\u212aevin@example.com", "İ@x.y", `"a b"@c.d`, "Bob <a@b.c>", "a@[127.0.0.1]", "a@b..c", "a@b.c\n", "\xff@b.c", "", "-f@b.c", "a%b@c.d", "=?x@b.c",
		"ada@BÜCHER.example", "ada@bu\u0308cher.example", "ada＠例え。テスト", "\u200bada@b.c\u00a0", "a..@b", "ada@نامه\u200cای.com", "a@i❤.ws", "a@İ.c", "a@I\u0307.c", "a@ẞ.c", "a@ü.xn--bcher-kva", "a@xn--BCHER-2pa.c"} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		c, ok := emailaddr.Canonical(s)
		address, clean := emailaddr.Clean(s)
		local, domain, _ := strings.Cut(s, "@")
		if taken := html.MatchString(s) && len(s) <= 254 && strings.Trim(domain[strings.LastIndex(domain, ".")+1:], "0123456789") != ""; taken && !ok {
			t.Fatalf("a browser takes %q", s)
		}
		if saw(ok); ok != clean || !ok {
			if ok != clean || c != "" || address != "" {
				t.Fatalf("%q is refused and is %q, %q", s, c, address)
			}
			return
		}
		for what, again := range map[string]string{"its canonical form": c, "its clean form": address} {
			if canonical, ok := emailaddr.Canonical(again); !ok || canonical != c {
				t.Fatalf("%q: %s %q is %q", s, what, again, canonical)
			}
			if a, ok := emailaddr.Clean(again); !ok || a != again {
				t.Fatalf("%q: %s %q is kept as %q", s, what, again, a)
			}
		}
		if !html.MatchString(address) || len(address) > 254 || c != strings.ToLower(address) {
			t.Fatalf("%q became %q, %q", s, address, c)
		}
		if html.MatchString(s) && address != s {
			t.Fatalf("%q became %q", s, address)
		}
		if kept, _, _ := strings.Cut(address, "@"); strings.Contains(s, "@") && kept != printable.Trim(local) && !strings.Contains(s, "＠") {
			t.Fatalf("%q became %q", s, address)
		}
		if what := emailaddr.Misread(c); what != emailaddr.Misread(address) || what != "" && !strings.Contains(c, strings.Split(what, "'")[1]) {
			t.Fatalf("%q has %s, and %q has %s", s, emailaddr.Misread(address), c, what)
		} else if what == "" && (strings.ContainsAny(c, "!%|`$") || strings.Contains(c, "=?") || strings.IndexAny(c, "-/") == 0) {
			t.Fatalf("nothing is found in %q", c)
		}
		// RFC 5322 has no dot at an end or beside another.
		dotted := strings.HasPrefix(c, ".") || strings.Contains(c, ".@") || strings.Contains(c, "..")
		if a, err := mail.ParseAddress(c); !dotted && (err != nil || a.Address != c || a.Name != "") {
			t.Fatalf("%q is no addr-spec of RFC 5322: %v", c, err)
		}
		if !emailaddr.Same(s, c) {
			t.Fatalf("%q and %q are not the same", s, c)
		}
	})
}
