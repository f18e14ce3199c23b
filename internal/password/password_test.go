package password_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/datixlab/auth/internal/password"
)

// cheap is the least that Argon2 takes.
var cheap = password.Params{Memory: 8, Time: 1, Threads: 1}

func mustHash(t testing.TB, p password.Params, pw string) string {
	t.Helper()
	encoded, err := password.Hash(p, pw)
	if err != nil {
		t.Fatalf("Hash: %v", err)
	}
	return encoded
}

func matches(t testing.TB, encoded, pw string) bool {
	t.Helper()
	ok, _, err := password.Verify(cheap, encoded, pw)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return ok
}

func phc(m, t, p int, salt, tag []byte) string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", m, t, p,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(tag))
}

func TestKnownAnswersMatch(t *testing.T) {
	for _, tc := range []struct {
		m, t int
		tag  string
	}{
		{65536, 2, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"},
		{64, 1, "655ad15eac652dc59f7170a7332bf49b8469be1fdb9c28bb"},
	} {
		tag, err := hex.DecodeString(tc.tag)
		if err != nil {
			t.Fatal(err)
		}
		encoded := phc(tc.m, tc.t, 1, []byte("somesalt"), tag)
		if !matches(t, encoded, "password") {
			t.Errorf("m=%d: the right password does not match", tc.m)
		}
		if tc.m < 1024 && matches(t, encoded, "Password") {
			t.Errorf("m=%d: a wrong password matches", tc.m)
		}
	}
}

// PW-8
func TestHashIsSaltedArgon2idInPHCForm(t *testing.T) {
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	one, two := mustHash(t, password.Default, "pass phrase"), mustHash(t, password.Default, "pass phrase")
	if !form.MatchString(one) {
		t.Errorf("not the PHC form: %s", one)
	}
	if one == two {
		t.Error("two hashes of one password are the same")
	}
	if ok, stale, err := password.Verify(password.Default, one, "pass phrase"); !ok || stale || err != nil {
		t.Errorf("Verify = %v, %v, %v; want true, false, nil", ok, stale, err)
	}
}

// PW-2, PW-3, F-X1, Advisory 17 (CVE-2025-22228).
func TestEveryByteCounts(t *testing.T) {
	long := strings.Repeat("a", 72)
	for _, tc := range [][2]string{
		{long + "X", long + "Y"},
		{strings.Repeat("é", 500) + "X", strings.Repeat("é", 500)},
		{" pass phrase ", "pass phrase"},
		{" pass phrase ", " pass phrase"},
		{"pass phrase", "Pass phrase"},
		{"pass\x00phrase", "pass"},
		{"pass phrase\n", "pass phrase"},
		{"pass phrase", ""},
	} {
		encoded := mustHash(t, cheap, tc[0])
		if !matches(t, encoded, tc[0]) {
			t.Errorf("%q does not match itself", tc[0])
		}
		if matches(t, encoded, tc[1]) {
			t.Errorf("%q matches %q", tc[1], tc[0])
		}
	}
}

// PW-4
func TestPasswordsAreNFCAndNotNFKC(t *testing.T) {
	composed, decomposed := "caf\u00e9 au lait", "cafe\u0301 au lait"
	if !matches(t, mustHash(t, cheap, decomposed), composed) {
		t.Error("hashed decomposed: composed does not match")
	}
	if !matches(t, mustHash(t, cheap, composed), decomposed) {
		t.Error("hashed composed: decomposed does not match")
	}
	if matches(t, mustHash(t, cheap, "\ufb01rewood"), "firewood") {
		t.Error("a ligature matches its letters")
	}
}

// PW-5
func TestWhatIsNotTextIsRefused(t *testing.T) {
	encoded := mustHash(t, cheap, "pass phrase")
	for _, pw := range []string{"\xff aaaaaaaa", "\xf0aaaaaaaa", "\xed\xa0\x80aaaaaaaa", "\ufffdaaaaaaaa", "aaaaaaaa\xc3"} {
		if _, err := password.Hash(cheap, pw); !errors.Is(err, password.ErrText) {
			t.Errorf("Hash(%q): %v, want ErrText", pw, err)
		}
		if ok, _, err := password.Verify(cheap, encoded, pw); ok || !errors.Is(err, password.ErrText) {
			t.Errorf("Verify(%q) = %v, %v; want ErrText", pw, ok, err)
		}
		if r := (password.Policy{}).Check(pw); r != password.Invalid {
			t.Errorf("Check(%q) = %q, want invalid", pw, r)
		}
	}
}

// PW-10
func TestOtherCostsThanTheCurrentOnesAreStale(t *testing.T) {
	const pw = "pass phrase"
	current := password.Params{Memory: 64, Time: 2, Threads: 2}
	salt := []byte("sixteen byte sal")
	tag := func(salt []byte, n uint32) []byte {
		return argon2.IDKey([]byte(pw), salt, current.Time, current.Memory, current.Threads, n)
	}
	for _, tc := range []struct {
		name, encoded string
		stale         bool
	}{
		{"the same costs", mustHash(t, current, pw), false},
		{"less memory", mustHash(t, password.Params{Memory: 32, Time: 2, Threads: 2}, pw), true},
		{"fewer passes", mustHash(t, password.Params{Memory: 64, Time: 1, Threads: 2}, pw), true},
		{"fewer lanes", mustHash(t, password.Params{Memory: 64, Time: 2, Threads: 1}, pw), true},
		{"more memory", mustHash(t, password.Params{Memory: 128, Time: 2, Threads: 2}, pw), true},
		{"a short salt", phc(64, 2, 2, salt[:8], tag(salt[:8], 32)), true},
		{"a short tag", phc(64, 2, 2, salt, tag(salt, 16)), true},
		{"a long tag", phc(64, 2, 2, salt, tag(salt, 64)), false},
	} {
		ok, stale, err := password.Verify(current, tc.encoded, pw)
		if !ok || stale != tc.stale || err != nil {
			t.Errorf("%s: Verify = %v, %v, %v; want true, %v, nil", tc.name, ok, stale, err, tc.stale)
		}
		if ok, stale, err := password.Verify(current, tc.encoded, pw+"x"); ok || stale || err != nil {
			t.Errorf("%s: a wrong password: Verify = %v, %v, %v; want false, false, nil", tc.name, ok, stale, err)
		}
	}
}

// PW-8.
func TestParametersAreBounded(t *testing.T) {
	for _, tc := range []struct {
		params       password.Params
		valid, owasp bool
	}{
		{password.Params{}, false, false},
		{password.Default, true, true},
		{cheap, true, false},
		{password.Params{Memory: 47104, Time: 1, Threads: 1}, true, true},
		{password.Params{Memory: 47103, Time: 1, Threads: 1}, true, false},
		{password.Params{Memory: 19455, Time: 2, Threads: 1}, true, false},
		{password.Params{Memory: 12288, Time: 3, Threads: 1}, true, true},
		{password.Params{Memory: 9216, Time: 4, Threads: 4}, true, true},
		{password.Params{Memory: 7168, Time: 5, Threads: 1}, true, true},
		{password.Params{Memory: 7167, Time: 10, Threads: 1}, true, false},
		{password.Params{Memory: 65536, Time: 3, Threads: 4}, true, true},
		{password.Params{Memory: 262144, Time: 10, Threads: 16}, true, true},
		{password.Params{Memory: 262145, Time: 2, Threads: 1}, false, false},
		{password.Params{Memory: math.MaxUint32, Time: 2, Threads: 1}, false, false},
		{password.Params{Memory: 19456, Time: 11, Threads: 1}, false, false},
		{password.Params{Memory: 19456, Time: 0, Threads: 1}, false, false},
		{password.Params{Memory: 19456, Time: 2, Threads: 17}, false, false},
		{password.Params{Memory: 19456, Time: 2, Threads: 0}, false, false},
		{password.Params{Memory: 31, Time: 1, Threads: 4}, false, false},
	} {
		if got := tc.params.Validate() == nil; got != tc.valid {
			t.Errorf("%+v: valid %v, want %v", tc.params, got, tc.valid)
		}
		if got := tc.params.MeetsOWASP(); got != tc.owasp {
			t.Errorf("%+v: MeetsOWASP %v, want %v", tc.params, got, tc.owasp)
		}
		if tc.valid {
			continue
		}
		if _, err := password.Hash(tc.params, "pass phrase"); !errors.Is(err, password.ErrParams) {
			t.Errorf("%+v: Hash: %v, want ErrParams", tc.params, err)
		}
	}
}

func TestErrorsContainNoSecret(t *testing.T) {
	const secret = "hunter2hunter2"
	var errs []error
	_, err := password.Hash(cheap, secret+"\xff")
	errs = append(errs, err)
	_, err = password.Hash(password.Params{}, secret)
	errs = append(errs, err)
	_, _, err = password.Verify(cheap, "$argon2id$"+secret, secret)
	errs = append(errs, err)
	for _, err := range errs {
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "password: ") {
			t.Errorf("error is %v", err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustHash(b, password.Default, "correct horse battery staple")
	}
}

// BenchmarkBareArgon2 is the floor under BenchmarkHash.
func BenchmarkBareArgon2(b *testing.B) {
	b.ReportAllocs()
	d, salt := password.Default, make([]byte, 16)
	for b.Loop() {
		argon2.IDKey([]byte("correct horse battery staple"), salt, d.Time, d.Memory, d.Threads, 32)
	}
}

func TestATagIsArgon2idOfWhatItIsGiven(t *testing.T) {
	p, key, salt := password.Params{Memory: 64, Time: 2, Threads: 2}, []byte("key"), []byte("sixteen bytes ok")
	for _, n := range []int{16, 32, 64} {
		tag, err := password.Tag(p, key, salt, n)
		if want := argon2.IDKey(key, salt, 2, 64, 2, uint32(n)); err != nil || !bytes.Equal(tag, want) {
			t.Errorf("%d bytes: %x, %v, want %x", n, tag, err, want)
		}
	}
}

// F-X2: nothing that a record says makes a tag panic or take memory without bound.
func TestATagOutOfRangeIsRefusedBeforeAnyWork(t *testing.T) {
	good := password.Params{Memory: 64, Time: 1, Threads: 1}
	for name, c := range map[string]struct {
		p    password.Params
		salt int
		n    int
	}{
		"no memory":         {password.Params{Memory: 0, Time: 1, Threads: 1}, 16, 16},
		"too little memory": {password.Params{Memory: 15, Time: 1, Threads: 2}, 16, 16},
		"too much memory":   {password.Params{Memory: 256<<10 + 1, Time: 1, Threads: 1}, 16, 16},
		"terabytes":         {password.Params{Memory: 1<<32 - 1, Time: 1, Threads: 1}, 16, 16},
		"no time":           {password.Params{Memory: 64, Time: 0, Threads: 1}, 16, 16},
		"too much time":     {password.Params{Memory: 64, Time: 11, Threads: 1}, 16, 16},
		"no threads":        {password.Params{Memory: 64, Time: 1, Threads: 0}, 16, 16},
		"too many threads":  {password.Params{Memory: 1024, Time: 1, Threads: 17}, 16, 16},
		"a short salt":      {good, 7, 16},
		"a long salt":       {good, 65, 16},
		"a short tag":       {good, 16, 15},
		"a long tag":        {good, 16, 65},
		"a tag of less":     {good, 16, -1},
	} {
		if tag, err := password.Tag(c.p, []byte("key"), make([]byte, c.salt), c.n); err != password.ErrParams || tag != nil {
			t.Errorf("%s: %x, %v, want ErrParams", name, tag, err)
		}
	}
}

// LG-2: the memory of one Argon2id shows that it was computed.
func TestAComparerDoesTheSameWorkForEveryHash(t *testing.T) {
	const mib = 1 << 20
	cost := func(n uint32) password.Params { return password.Params{Memory: n << 10, Time: 1, Threads: 1} }
	c, err := password.NewComparer(cost(2), cost(4), cost(2), cost(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		encoded   string
		mib       uint64
		ok, stale bool
		err       error
	}{
		"the current costs":      {mustHash(t, cost(2), "pass phrase"), 2 + 4 + 1, true, false, nil},
		"higher costs of before": {mustHash(t, cost(4), "pass phrase"), 2 + 4 + 1, true, true, nil},
		"lower costs of before":  {mustHash(t, cost(1), "pass phrase"), 2 + 4 + 1, true, true, nil},
		"other costs":            {mustHash(t, cost(3), "pass phrase"), 2 + 4 + 1 + 3, true, true, nil},
		"another password":       {mustHash(t, cost(4), "Pass phrase"), 2 + 4 + 1, false, false, nil},
		"no hash":                {"", 2 + 4 + 1, false, false, password.ErrMalformed},
		"none of ours":           {"$2a$10$N9qo8uLOickgx2ZMRZoMye", 2 + 4 + 1, false, false, password.ErrMalformed},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ok, stale, err := c.Verify(tc.encoded, "pass phrase")
		runtime.ReadMemStats(&after)
		if ok != tc.ok || stale != tc.stale || !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, %v, %v", name, ok, stale, err)
		}
		if n := (after.TotalAlloc - before.TotalAlloc) / mib; n != tc.mib {
			t.Errorf("%s: %d MiB are hashed, want %d", name, n, tc.mib)
		}
	}
	if _, _, err := c.Verify("", "\xff"); !errors.Is(err, password.ErrText) {
		t.Errorf("what is not text: %v, want ErrText", err)
	}
	if _, err := password.NewComparer(cheap, password.Params{}); !errors.Is(err, password.ErrParams) {
		t.Errorf("costs out of range: %v, want ErrParams", err)
	}
}
