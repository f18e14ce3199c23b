package otp_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	pquerna "github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/otp"
)

var rfcSecret = []byte("12345678901234567890") // RFC 4226, appendix D; RFC 6238, appendix B

// TF-4, F-O1, F-O4.
func TestTheVectorsOfRFC6238Match(t *testing.T) {
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471",
		1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if step, ok := otp.Match(rfcSecret, code, 0, time.Unix(at, 0)); !ok || step != uint64(at)/30 {
			t.Errorf("the code at %d: step %d, %v", at, step, ok)
		}
	}
}

// TF-4.
// Counter 0 is the first half minute of 1970, which no clock shows.
func TestTheVectorsOfRFC4226Match(t *testing.T) {
	for i, code := range []string{
		"287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489",
	} {
		counter := int64(i + 1)
		if step, ok := otp.Match(rfcSecret, code, 0, time.Unix(counter*30, 0)); !ok || step != uint64(counter) {
			t.Errorf("counter %d: step %d, %v", counter, step, ok)
		}
	}
}

// codeOf returns the code of a step, as the library that is built on has it.
func codeOf(t *testing.T, secret []byte, step uint64) string {
	t.Helper()
	code, err := hotp.GenerateCodeCustom(otp.Base32(secret), step, hotp.ValidateOpts{Digits: pquerna.DigitsSix, Algorithm: pquerna.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TF-4, F-O5: one step of drift and not a second more.
func TestACodeMatchesFromOneStepBeforeItsOwnToOneStepAfter(t *testing.T) {
	for _, step := range []uint64{41152263, 41152264, 66666666} {
		code, begin := codeOf(t, rfcSecret, step), int64(step)*30
		for at, want := range map[int64]bool{
			begin - 60: false, begin - 31: false, begin - 30: true, begin - 1: true, begin: true,
			begin + 29: true, begin + 30: true, begin + 59: true, begin + 60: false, begin + 90: false,
		} {
			if got, ok := otp.Match(rfcSecret, code, 0, time.Unix(at, 0)); ok != want || ok && got != step {
				t.Errorf("the code of step %d, %d s after its begin: step %d, %v", step, at-begin, got, ok)
			}
		}
	}
}

// TF-5, Advisory 13 (CVE-2022-25838, CVE-2015-7225, CVE-2021-43177): whatever the phase
// and the drift of the two uses, the second is accepted only if its code is of a later
// step.
func TestOfTwoCodesTheSecondIsAcceptedOnlyIfItIsOfALaterStep(t *testing.T) {
	const base = 1_900_000_020
	for phase := int64(0); phase < 30; phase += 7 {
		for drift := int64(-2); drift <= 2; drift++ {
			for pause := int64(0); pause <= 100; pause += 10 {
				for later := int64(-2); later <= 2; later++ {
					t0, t1 := base+phase, base+phase+pause
					first, second := uint64(t0/30+drift), uint64(t1/30+later)
					last, ok := otp.Match(rfcSecret, codeOf(t, rfcSecret, first), 0, time.Unix(t0, 0))
					if ok != (-1 <= drift && drift <= 1) {
						t.Fatalf("a drift of %d steps at phase %d: %v", drift, phase, ok)
					}
					if !ok {
						continue
					}
					step, ok := otp.Match(rfcSecret, codeOf(t, rfcSecret, second), last, time.Unix(t1, 0))
					if want := -1 <= later && later <= 1 && second > first; ok != want || ok && step != second {
						t.Fatalf("t0 %d drift %d, t1 %d drift %d: %v, want %v", t0, drift, t1, later, ok, want)
					}
				}
			}
		}
	}
}

// TF-6, F-O2: pquerna/otp would say yes to a code of the empty secret.
func TestASecretThatIsTooShortMatchesNothing(t *testing.T) {
	now := time.Unix(1234567890, 0)
	for n, want := range map[int]bool{0: false, 1: false, 5: false, 9: false, 10: true, 16: true, 20: true, 32: true, 64: true, 65: false} {
		secret := []byte(strings.Repeat("s", n))
		if _, ok := otp.Match(secret, codeOf(t, secret, 41152263), 0, now); ok != want {
			t.Errorf("a secret of %d bytes matched: %v", n, ok)
		}
	}
	if _, ok := otp.Match(rfcSecret, "", 0, now); ok {
		t.Error("the empty code matched")
	}
}

// TF-7, F-O6, Advisory 14 (CVE-2025-6014): the code is compared as it is; pquerna/otp
// alone would trim these.
func TestACodeIsSixASCIIDigitsAndNothingAround(t *testing.T) {
	now := time.Unix(1234567890, 0)
	for _, code := range []string{
		" 005924", "005924 ", "005924\n", "\u00a0005924", "005 924", "5924", "05924", "0005924", "00005924",
		"００５９２４", "00592\x004", "005924\x00", "+05924", "-05924", "0x5924", "٠٠٥٩٢٤",
	} {
		if _, ok := otp.Match(rfcSecret, code, 0, now); ok {
			t.Errorf("%q matched", code)
		}
	}
}

// TF-2, F-O9.
func TestTheURIIsExactlyWhatAuthenticatorsAgreeOn(t *testing.T) {
	for _, c := range []struct{ issuer, account, label, issuerParam string }{
		{"Acme", "ann@example.com", "Acme:ann%40example.com", "Acme"},
		{"Acme & Söhne", "ann@example.com", "Acme%20%26%20S%C3%B6hne:ann%40example.com", "Acme%20%26%20S%C3%B6hne"},
		{"a+b=c/d?e#f%g", "x+y/z?q#r%s=&t@example.com", "a%2Bb%3Dc%2Fd%3Fe%23f%25g:x%2By%2Fz%3Fq%23r%25s%3D%26t%40example.com", "a%2Bb%3Dc%2Fd%3Fe%23f%25g"},
	} {
		got := otp.URI(c.issuer, c.account, rfcSecret)
		want := "otpauth://totp/" + c.label + "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=" + c.issuerParam +
			"&algorithm=SHA1&digits=6&period=30"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		key, err := pquerna.NewKeyFromURL(got)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path != "/"+c.issuer+":"+c.account || u.Query().Get("issuer") != c.issuer ||
			key.Issuer() != c.issuer || key.AccountName() != c.account || key.Period() != 30 || key.Digits() != pquerna.DigitsSix {
			t.Errorf("%s reads back as %q, %q, %q", got, u.Path, key.Issuer(), key.AccountName())
		}
	}
}

// FuzzMatch: only the codes of three steps match.
func FuzzMatch(f *testing.F) {
	now := time.Unix(1111111109, 0)
	for _, s := range []string{"081804", "050471", "081805", "00000000", "", "08180", "0818040", "081804 ", "+81804", "٠٨١٨٠٤", "0x1804", "08180\n", "1e5000"} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		step, ok := otp.Match(rfcSecret, s, 0, now)
		saw(ok)
		of := uint64(now.Unix()) / 30
		want := false
		for _, near := range []uint64{of - 1, of, of + 1} {
			want = want || codeOf(t, rfcSecret, near) == s
		}
		if ok != want || ok && codeOf(t, rfcSecret, step) != s {
			t.Fatalf("%q matches step %d, %v", s, step, ok)
		}
		if ok && !otp.IsDigits(s) {
			t.Fatalf("%q has other characters than digits", s)
		}
	})
}

// FuzzTOTPURI: an authenticator reads from the QR code what was written into it, and
// nothing that an address or a name could add.
func FuzzTOTPURI(f *testing.F) {
	for _, seed := range [][2]string{
		{"auth", "ada"}, {"auth", "ada@example.com"}, {"Big Corp & Co", "a+b@example.com"}, {"é", "a%41@b.c"}, {"x?secret=AAAA", "y&secret=BBBB#z"}, {"a/b", "../c"}, {"a", "b:c"}, {"a\nb", "c\x00d"},
	} {
		f.Add(seed[0], seed[1], []byte("12345678901234567890"))
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, issuer, account string, secret []byte) {
		if issuer == "" || strings.Contains(issuer, ":") || !utf8.ValidString(issuer+account) || strings.TrimSpace(issuer) != issuer || strings.TrimSpace(account) != account {
			return // the caller lets none of these through
		}
		uri := otp.URI(issuer, account, secret)
		saw(strings.Contains(uri, ":"+account+"?"))
		key, err := pquerna.NewKeyFromURL(uri)
		if err != nil {
			t.Fatalf("%q: %v", uri, err)
		}
		if key.Type() != "totp" || key.Issuer() != issuer || key.AccountName() != account || key.Secret() != otp.Base32(secret) ||
			key.Period() != 30 || key.Digits() != pquerna.DigitsSix || key.Algorithm() != pquerna.AlgorithmSHA1 {
			t.Fatalf("%q says %q of %q, %q", uri, key.AccountName(), key.Issuer(), key.Secret())
		}
	})
}

func TestASecretInBase32IsReadHoweverItIsShown(t *testing.T) {
	const shown = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for text, want := range map[string]bool{
		shown: true, strings.ToLower(shown): true, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ": true,
		shown + "\n": false, shown[:31] + "1": false, shown[:31] + "0": false, shown + "\u00a0": false, shown[:31]: false, "": false,
		"GEZDGNBVGY3TQOJQ": true, "GEZDGNBVGY3TQ===": false, strings.Repeat("A", 103): true, strings.Repeat("A", 104): false, strings.Repeat("A", 1<<20): false,
		"GEZDGNBVGY3TQOJQGEZDGNBVGY======": true, "GEZDGNBVGY3TQOJQGEZDGNBVGZ": false, // bits that stand for nothing
		"ＧEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ": false, "otpauth://totp/a?secret=" + shown: false,
	} {
		secret, ok := otp.ParseBase32(text)
		if ok != want || ok && len(text) == len(shown) && string(secret) != string(rfcSecret) && !strings.Contains(text, "=") {
			t.Errorf("%.60q: %q, %v", text, secret, ok)
		}
	}
}
