package password_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/password"
)

// The published sample of Firebase's scrypt utility.
const (
	firebaseKey  = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	firebaseHash = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
	firebaseUser = "$firebase-scrypt$42xEC+ixf3L2lw==$" + firebaseHash
)

func newComparer(t testing.TB) *password.Comparer {
	t.Helper()
	c, err := password.NewComparer(cheap)
	if err != nil {
		t.Fatal(err)
	}
	f, err := password.NewFirebase(firebaseKey, "Bw==", 8, 14)
	if err != nil {
		t.Fatal(err)
	}
	return c.WithFirebase(f)
}

// ofHex is bytes in hexadecimal as base64.
func ofHex(t testing.TB, digits string) string {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

// A foreignAnswer is a hash of another system, its password, and the form in which it is stored.
type foreignAnswer struct{ source, text, password, stored string }

func foreignAnswers(t testing.TB) []foreignAnswer {
	rfc7914 := ofHex(t, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")
	sha256of1 := "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
	sha512of1 := "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce"
	return []foreignAnswer{
		{"the reference of Argon2", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "password", ""},
		{"the reference of Argon2, two lanes", "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E", "password", ""},
		{"crypt_blowfish", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", ""},
		{"crypt_blowfish, 2b", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*", ""},
		{"crypt_blowfish, 2y", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U", ""},
		{"Django's prefix of bcrypt", "bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
		{"RFC 7914", "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$" + rfc7914, "pleaseletmein", ""},
		{"passlib's scrypt", "$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ", "password", ""},
		{"Django's scrypt", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==", "lètmein",
			"$scrypt$ln=14,r=8,p=1$c2Vhc2FsdA$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw"},
		{"RFC 6070", "$pbkdf2$4096$c2FsdA$" + ofHex(t, "4b007901b765489abead49d926f721d065a429c1"), "password",
			"$pbkdf2-sha1$i=4096$c2FsdA$" + ofHex(t, "4b007901b765489abead49d926f721d065a429c1")},
		{"RFC 7914, 11", "$pbkdf2-sha256$i=1,l=32$c2FsdA$" + ofHex(t, sha256of1), "passwd", "$pbkdf2-sha256$i=1$c2FsdA$" + ofHex(t, sha256of1)},
		{"RFC 7914, 11, two blocks", "$pbkdf2-sha256$i=1,l=64$c2FsdA$" + ofHex(t, sha256of1+"49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"), "passwd",
			"$pbkdf2-sha256$i=1$c2FsdA$" + ofHex(t, sha256of1)},
		{"passlib's PBKDF2", "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M", "password",
			"$pbkdf2-sha256$i=6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M"},
		{"the SHA-512 vector", "$pbkdf2-sha512$1$c2FsdA$" + ofHex(t, sha512of1), "password", "$pbkdf2-sha512$i=1$c2FsdA$" + ofHex(t, sha512of1)},
		{"Django's PBKDF2", "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=", "lètmein",
			"$pbkdf2-sha256$i=10000$c2Vhc2FsdA$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY"},
		{"Django's PBKDF2 with SHA-1", "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I=", "not a password",
			"$pbkdf2-sha1$i=10000$d3o1QjZXa2FzUm9G$atJmJ1o+XfJxKq1+Nu1f1i57Z5I"},
		{"Firebase", firebaseUser, "user1password", strings.ReplaceAll(firebaseUser, "=", "")},
	}
}

// PW-13
func TestPublishedHashesOfOtherSystemsMatch(t *testing.T) {
	c := newComparer(t)
	for _, a := range foreignAnswers(t) {
		want := a.stored
		if want == "" {
			want = a.text
		}
		stored, err := c.Import(a.text)
		if err != nil || stored != want {
			t.Errorf("%s: %q, %v, want %q", a.source, stored, err, want)
			continue
		}
		if again, err := c.Import(stored); err != nil || again != stored {
			t.Errorf("%s: again %q, %v", a.source, again, err)
		}
		if ok, stale, err := c.Verify(stored, a.password); !ok || !stale || err != nil {
			t.Errorf("%s: %v, %v, %v", a.source, ok, stale, err)
		}
		if memory, _ := password.Work(c, stored); memory < 4<<20 || a.source == "Firebase" {
			if ok, stale, err := c.Verify(stored, a.password+"x"); ok || stale || err != nil {
				t.Errorf("%s, another password: %v, %v, %v", a.source, ok, stale, err)
			}
		}
		if stored != a.text {
			if ok, _, err := c.Verify(a.text, a.password); ok || !errors.Is(err, password.ErrMalformed) {
				t.Errorf("%s: %v, %v for a form that is never stored", a.source, ok, err)
			}
		}
	}
	for text, want := range map[string]string{ // in the alphabets of passlib and of URLs
		"$pbkdf2-sha512$310000$c8p78n7pUMln0jzvd4aK4Q$JNRBzwAo0ek5qKn50cFzzvE9RXV88h1wJn5KGiHrD0YKtZaR/nCb2CJPOsKaPK0hjf.9yHxzQGZziziccp6Yng": "$pbkdf2-sha512$i=310000$c8p78n7pUMln0jzvd4aK4Q$JNRBzwAo0ek5qKn50cFzzvE9RXV88h1wJn5KGiHrD0YKtZaR/nCb2CJPOsKaPK0hjf+9yHxzQGZziziccp6Yng",
		strings.NewReplacer("+", "-", "/", "_").Replace(firebaseUser):                                                                         strings.ReplaceAll(firebaseUser, "=", ""),
	} {
		if stored, err := c.Import(text); err != nil || stored != want {
			t.Errorf("%s: %q, %v", text, stored, err)
		}
	}
	keycloak, err := c.Import("$argon2id$v=19$m=7168,t=5,p=1$LRScGShC7shkdoU5B1UgUQ==$xKjWvB9+0sSP6wTqI1JoEI7w+iA0x9VDhPgmrOHRG80=")
	if err != nil {
		t.Fatal(err)
	}
	if ok, stale, err := c.Verify(keycloak, "secret"); !ok || !stale || err != nil {
		t.Errorf("Keycloak's Argon2id: %v, %v, %v", ok, stale, err)
	}
	ours := mustHash(t, cheap, "pass phrase")
	for _, text := range []string{ours, "argon2" + ours, ours + "="} {
		if stored, err := c.Import(text); err != nil || stored != ours {
			t.Errorf("Argon2id, %s: %q, %v", text, stored, err)
		}
	}
}

// PW-2, F-X1: bcrypt ignores what follows 72 bytes, as this published hash says in its password.
func TestBcryptRefusesWhatItWouldCut(t *testing.T) {
	c := newComparer(t)
	const (
		long   = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored"
		stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
	)
	for pw, want := range map[string]bool{long[:72]: true, long[:73]: false, long: false, long[:71]: false} {
		if ok, _, err := c.Verify(stored, pw); ok != want || err != nil {
			t.Errorf("%d bytes: %v, %v", len(pw), ok, err)
		}
	}
	if ok, _, err := c.Verify("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U\x00U*U"); ok || err != nil {
		t.Errorf("a NUL, which begins the password again: %v, %v", ok, err)
	}
}

// hostile are texts that are refused, each family with costs that would exhaust memory or time.
var hostile = map[string]struct {
	text string
	err  error
}{
	"Argon2id, memory":           {"$argon2id$v=19$m=262145,t=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2id, 4 TiB":            {"$argon2id$v=19$m=4294967295,t=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2id, beyond 64 bits":   {"$argon2id$v=19$m=99999999999999999999999999,t=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2i, memory":            {"$argon2i$v=19$m=262145,t=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2i, beyond 32 bits":    {"$argon2i$v=19$m=4294967304,t=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2i, passes":            {"$argon2i$v=19$m=64,t=11,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2i, lanes":             {"$argon2i$v=19$m=256,t=1,p=17$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2i, lanes of 9 bits":   {"$argon2i$v=19$m=4096,t=1,p=257$" + salt22 + "$" + tag43, password.ErrCosts},
	"Argon2i, no pass":           {"$argon2i$v=19$m=64,t=0,p=1$" + salt22 + "$" + tag43, password.ErrMalformed},
	"Argon2i, no lane":           {"$argon2i$v=19$m=64,t=1,p=0$" + salt22 + "$" + tag43, password.ErrMalformed},
	"Argon2i, too little memory": {"$argon2i$v=19$m=7,t=1,p=1$" + salt22 + "$" + tag43, password.ErrMalformed},
	"Argon2i, version 16":        {"$argon2i$v=16$m=64,t=1,p=1$" + salt22 + "$" + tag43, password.ErrUnknown},
	"Argon2i, no tag":            {"$argon2i$v=19$m=64,t=1,p=1$" + salt22 + "$", password.ErrMalformed},
	"Argon2d":                    {"$argon2d$v=19$m=64,t=1,p=1$" + salt22 + "$" + tag43, password.ErrUnknown},
	"bcrypt, cost 15":            {"$2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrCosts},
	"bcrypt, cost 31":            {"$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrCosts},
	"bcrypt, cost 3":             {"$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrMalformed},
	"bcrypt, cost 0":             {"$2b$00$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrMalformed},
	"bcrypt, cost with a sign":   {"$2b$+5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrMalformed},
	"bcrypt, cut":                {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe", password.ErrMalformed},
	"bcrypt, stray bits":         {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeX", password.ErrMalformed},
	"bcrypt, another alphabet":   {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO+W", password.ErrMalformed},
	"bcrypt, 2x":                 {"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrUnknown},
	"bcrypt, 2":                  {"$2$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrUnknown},
	"bcrypt of SHA-256":          {"bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", password.ErrUnknown},
	"scrypt, memory":             {"$scrypt$ln=17,r=8,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"scrypt, N":                  {"$scrypt$ln=63,r=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"scrypt, N of 2^64":          {"$scrypt$ln=64,r=1,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"scrypt, r":                  {"$scrypt$ln=1,r=262144,p=8$" + salt22 + "$" + tag43, password.ErrCosts},
	"scrypt, p":                  {"$scrypt$ln=14,r=8,p=9$" + salt22 + "$" + tag43, password.ErrCosts},
	"scrypt, r beyond 64 bits":   {"$scrypt$ln=1,r=99999999999999999999999999,p=1$" + salt22 + "$" + tag43, password.ErrCosts},
	"scrypt, no r":               {"$scrypt$ln=14,r=0,p=1$" + salt22 + "$" + tag43, password.ErrMalformed},
	"scrypt, no N":               {"$scrypt$ln=0,r=8,p=1$" + salt22 + "$" + tag43, password.ErrMalformed},
	"scrypt, no salt":            {"$scrypt$ln=14,r=8,p=1$$" + tag43, password.ErrMalformed},
	"Django's scrypt, N":         {"scrypt$1073741824$seasalt$8$1$" + tag43, password.ErrCosts},
	"Django's scrypt, huge N":    {"scrypt$99999999999999999999999999$seasalt$8$1$" + tag43, password.ErrCosts},
	"Django's scrypt, odd N":     {"scrypt$16383$seasalt$8$1$" + tag43, password.ErrMalformed},
	"Django's scrypt, N is 1":    {"scrypt$1$seasalt$8$1$" + tag43, password.ErrMalformed},
	"Django's scrypt, no N":      {"scrypt$0$seasalt$8$1$" + tag43, password.ErrMalformed},
	"PBKDF2, rounds":             {"$pbkdf2-sha256$2000001$" + salt22 + "$" + tag43, password.ErrCosts},
	"PBKDF2, rounds of 2^64":     {"$pbkdf2-sha512$i=18446744073709551617$" + salt22 + "$" + tag43, password.ErrCosts},
	"PBKDF2, no round":           {"$pbkdf2-sha256$0$" + salt22 + "$" + tag43, password.ErrMalformed},
	"PBKDF2, negative":           {"$pbkdf2-sha256$-1$" + salt22 + "$" + tag43, password.ErrMalformed},
	"PBKDF2, another length":     {"$pbkdf2-sha256$i=1,l=64$" + salt22 + "$" + tag43, password.ErrMalformed},
	"PBKDF2, a key of megabytes": {"$pbkdf2-sha256$1$" + salt22 + "$" + strings.Repeat("A", 1<<20), password.ErrMalformed},
	"PBKDF2 of MD5":              {"$pbkdf2-md5$1$" + salt22 + "$" + tag43, password.ErrUnknown},
	"Django's PBKDF2, rounds":    {"pbkdf2_sha256$2000001$seasalt$" + tag43, password.ErrCosts},
	"Django's PBKDF2, no salt":   {"pbkdf2_sha256$1$$" + tag43, password.ErrMalformed},
	"Firebase, a short hash":     {"$firebase-scrypt$42xEC+ixf3L2lw==$" + firebaseHash[:40], password.ErrMalformed},
	"Firebase, a long salt":      {"$firebase-scrypt$" + strings.Repeat("A", 88) + "$" + firebaseHash, password.ErrMalformed},
	"phpass":                     {"$P$B12345678S8f8GZAwJGWbFqQbNBB4X.", password.ErrUnknown},
	"SHA-512 crypt":              {"$6$rounds=999999999$saltstring$x", password.ErrUnknown},
	"MD5":                        {"5f4dcc3b5aa765d61d8327deb882cf99", password.ErrUnknown},
	"Django's unusable one":      {"!kQWhkp4mgGz4p0bCPWHDzHyBGsa0hZrtNCgfcMxh", password.ErrUnknown},
	"nothing":                    {"", password.ErrUnknown},
	"a password":                 {"correct horse battery staple", password.ErrMalformed},
	"a megabyte":                 {strings.Repeat("$", 1<<20), password.ErrMalformed},
	"a trailing line":            {"$pbkdf2-sha256$1$" + salt22 + "$" + tag43 + "\n", password.ErrMalformed},
}

// PW-9, PW-13, F-X1, F-X2: what is refused has cost nothing. The work of the least of these, were
// it done, is 1 MiB and more, or a second and more.
func TestAHostileHashOfAnotherSystemIsRefusedBeforeAnyWork(t *testing.T) {
	c := newComparer(t)
	for name, h := range hostile {
		var err error
		if n := allocated(func() { _, err = c.Import(h.text) }); n > 64<<10 {
			t.Errorf("%s: Import allocated %d bytes", name, n)
		}
		if !errors.Is(err, h.err) || !errors.Is(err, password.ErrMalformed) || h.err == password.ErrMalformed && err != h.err {
			t.Errorf("%s: %v, want %v", name, err, h.err)
		}
		var ok bool
		if n := allocated(func() { ok, _, err = c.Verify(h.text, "password") }); n > 128<<10 || ok || !errors.Is(err, password.ErrMalformed) {
			t.Errorf("%s: Verify = %v, %v, and allocated %d bytes", name, ok, err, n)
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// PW-13: the caller lets few of these run at once.
func TestALargeHashIsOneThatTakesMoreMemoryThanOurs(t *testing.T) {
	c, err := password.NewComparer(password.Default, password.Params{Memory: 32 << 10, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := password.NewFirebase(firebaseKey, "Bw==", 8, 14)
	c = c.WithFirebase(f)
	for text, large := range map[string]bool{
		"$argon2id$v=19$m=32768,t=1,p=1$" + salt22 + "$" + tag43:       false,
		"$argon2id$v=19$m=32769,t=1,p=1$" + salt22 + "$" + tag43:       true,
		"$argon2i$v=19$m=262144,t=1,p=1$" + salt22 + "$" + tag43:       true,
		"$scrypt$ln=15,r=8,p=8$" + salt22 + "$" + tag43:                false,
		"$scrypt$ln=16,r=8,p=1$" + salt22 + "$" + tag43:                true,
		"$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": false,
		"$pbkdf2-sha256$i=2000000$" + salt22 + "$" + tag43:             false,
		strings.ReplaceAll(firebaseUser, "=", ""):                      false,
		"$argon2id$v=19$m=262145,t=1,p=1$" + salt22 + "$" + tag43:      false, // no work is done
		"": false,
	} {
		if got := c.Large(text); got != large {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestAHashOfFirebaseNeedsTheKeyOfItsProject(t *testing.T) {
	c, err := password.NewComparer(cheap)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Import(firebaseUser); !errors.Is(err, password.ErrNoKey) {
		t.Errorf("import without a key: %v", err)
	}
	if ok, _, err := c.Verify(strings.ReplaceAll(firebaseUser, "=", ""), "user1password"); ok || !errors.Is(err, password.ErrNoKey) {
		t.Errorf("a login without a key: %v, %v", ok, err)
	}
	other, err := password.NewFirebase(firebaseKey[:84]+"AA==", "Bw==", 8, 14)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := c.WithFirebase(other).Verify(strings.ReplaceAll(firebaseUser, "=", ""), "user1password"); ok || err != nil {
		t.Errorf("the key of another project: %v, %v", ok, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", c.WithFirebase(other), other, *other); strings.Contains(text, "143 27") || strings.Contains(text, "0x8f, 0x1b") {
		t.Errorf("the key is printed: %s", text)
	}
	for _, tc := range []struct {
		key, separator string
		rounds, cost   int
		want           error
	}{
		{"", "Bw==", 8, 14, password.ErrSignerKey}, {"jxspr8Ki", "Bw==", 8, 14, password.ErrSignerKey}, {firebaseKey + "!", "Bw==", 8, 14, password.ErrSignerKey},
		{firebaseKey, "!", 8, 14, password.ErrSeparator},
		{firebaseKey, "", 0, 14, password.ErrRounds}, {firebaseKey, "", 9, 14, password.ErrRounds},
		{firebaseKey, "", 8, 0, password.ErrMemoryCost}, {firebaseKey, "", 8, 15, password.ErrMemoryCost},
		{firebaseKey, "", 1, 1, nil},
	} {
		if _, err := password.NewFirebase(tc.key, tc.separator, tc.rounds, tc.cost); !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

// PW-9: whatever a text is, what is stored of it is one form, within the bounds, and is read
// back as itself.
func FuzzImport(f *testing.F) {
	for _, a := range foreignAnswers(f) {
		f.Add(a.text)
	}
	for _, h := range hostile {
		if len(h.text) < 1024 {
			f.Add(h.text)
		}
	}
	c := newComparer(f)
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, text string) {
		stored, err := c.Import(text)
		if saw(err == nil); err != nil {
			if stored != "" || !errors.Is(err, password.ErrMalformed) {
				t.Fatalf("%q, %v", stored, err)
			}
			return
		}
		if again, err := c.Import(stored); err != nil || again != stored {
			t.Fatalf("%q becomes %q, %v", stored, again, err)
		}
		if memory, work := password.Work(c, stored); memory > 256<<20 || work > 10*256<<20 {
			t.Fatalf("%q takes %d bytes, and work of %d", stored, memory, work)
		}
	})
}
