package password_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/password"
)

// PW-1, PW-2
func TestLengthIsCountedInCodePointsOfNFC(t *testing.T) {
	for _, tc := range []struct {
		name   string
		policy password.Policy
		pw     string
		want   password.Reason
	}{
		{"empty", password.Policy{}, "", password.TooShort},
		{"7 letters", password.Policy{}, "kwzbvqx", password.TooShort},
		{"8 letters", password.Policy{}, "kwzbvqxj", password.OK},
		{"7 emoji", password.Policy{}, strings.Repeat("\U0001f600", 7), password.TooShort},
		{"8 emoji", password.Policy{}, strings.Repeat("\U0001f600", 8), password.OK},
		{"7 letters of two code points", password.Policy{}, strings.Repeat("e\u0301", 7), password.TooShort},
		{"8 letters of two code points", password.Policy{}, strings.Repeat("e\u0301", 8), password.OK},
		{"256 letters", password.Policy{}, strings.Repeat("kwzb", 64), password.OK},
		{"257 letters", password.Policy{}, strings.Repeat("kwzb", 64) + "k", password.TooLong},
		{"256 letters of two code points", password.Policy{}, strings.Repeat("e\u0301", 256), password.OK},
		{"256 emoji, 1024 bytes", password.Policy{}, strings.Repeat("\U0001f600", 256), password.OK},
		{"a floor of 8", password.Policy{Min: 1}, "kwzbvqx", password.TooShort},
		{"14 of 15", password.Policy{Min: 15}, "kwzbvqxjkwzbvq", password.TooShort},
		{"15 of 15", password.Policy{Min: 15}, "kwzbvqxjkwzbvqx", password.OK},
		{"65 of 64", password.Policy{Max: 64}, strings.Repeat("k", 65), password.TooLong},
		{"1024 bytes", password.Policy{Max: 5000}, strings.Repeat("k", 1024), password.OK},
		{"1025 bytes", password.Policy{Max: 5000}, strings.Repeat("k", 1025), password.TooLong},
	} {
		if got := tc.policy.Check(tc.pw); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// PW-2: it is refused before anything is charged, so reading it must cost little.
func TestAHugePasswordIsRefusedWithoutBeingNormalised(t *testing.T) {
	for _, unit := range []string{"e\u0301", "\u1112\u1161\u11ab", "\u0301"} {
		pw := strings.Repeat(unit, 20_000)
		if got := (password.Policy{}).Check(pw); got != password.TooLong {
			t.Errorf("%q: %q", unit, got)
		}
		if n := testing.AllocsPerRun(5, func() { password.Policy{}.Check(pw) }); n > 0 {
			t.Errorf("%q: %v allocations", unit, n)
		}
	}
	if got := (password.Policy{}).Check(strings.Repeat("\xff", 20_000)); got != password.Invalid {
		t.Errorf("no text: %q", got)
	}
}

// PW-3, PW-6
func TestOnlyWholeCommonPasswordsAreBlocked(t *testing.T) {
	for _, pw := range []string{
		"password", "PassWord", "password123", "PASSWORD123", "password1", "Password1!", "P@ssw0rd",
		"12345678", "1234567890", "qwertyuiop", "QWERTYUIOP", "aaaaaaaa", "abcdefgh", "jennifer", "computer",
	} {
		if got := (password.Policy{}).Check(pw); got != password.Blocked {
			t.Errorf("%q: %q, want blocked", pw, got)
		}
	}
	for _, pw := range []string{
		"SecurePass123!", "OldPass123!", "NewPass456!",
		"correct horse battery staple", "my password is long", " password123", "password123 ", "password\x00",
		"kwzbvqxj", "74926358", "!!!!!!!!", "~~~~~~~~", "        ", "\x01\x01\x01\x01\x01\x01\x01\x01",
		"пароль-пароль", "pa\u212assword",
	} {
		if got := (password.Policy{}).Check(pw); got != password.OK {
			t.Errorf("%q: %q, want it accepted", pw, got)
		}
	}
}

// PW-6
func TestContextWordsAreBlockedAsAWhole(t *testing.T) {
	context := []string{"", "Ren\u00e9e.Dubois@example.org", "Ren\u00e9e.Dubois", "Example Service", "Cafe\u0301 du Nord"}
	for pw, want := range map[string]password.Reason{
		"ren\u00e9e.dubois@example.org":     password.Blocked,
		"REN\u00c9E.DUBOIS":                 password.Blocked,
		"rene\u0301e.dubois":                password.Blocked,
		"example service":                   password.Blocked,
		"caf\u00e9 du nord":                 password.Blocked,
		"example services":                  password.OK,
		"ren\u00e9e.dubois and her bicycle": password.OK,
		"renee.dubois":                      password.OK,
	} {
		if got := (password.Policy{}).Check(pw, context...); got != want {
			t.Errorf("%q: %q, want %q", pw, got, want)
		}
	}
}

// PW-6. Every line is found by the search, and its neighbours are not.
func TestEveryLineOfTheBlocklistIsFound(t *testing.T) {
	data, err := os.ReadFile("blocklist.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) < 3000 {
		t.Fatalf("%d lines, want 3000 or more", len(lines))
	}
	set := make(map[string]bool, len(lines))
	for _, line := range lines {
		set[line] = true
	}
	if !slices.IsSorted(lines) || len(set) != len(lines) {
		t.Fatal("the lines are not sorted and different")
	}
	for _, line := range lines {
		for i := range len(line) {
			if c := line[i]; c < '!' || c > '~' || 'A' <= c && c <= 'Z' {
				t.Fatalf("%q: not lower-case printable ASCII", line)
			}
		}
		for _, pw := range []string{line, strings.ToUpper(line), line + "~", line + "!", line[:len(line)-1]} {
			want := password.OK
			if set[strings.ToLower(pw)] {
				want = password.Blocked
			} else if len(pw) < password.MinFloor {
				want = password.TooShort
			}
			if got := (password.Policy{}).Check(pw); got != want {
				t.Fatalf("%q: %q, want %q", pw, got, want)
			}
		}
	}
}

func TestCheckOfASCIIDoesNotAllocate(t *testing.T) {
	context := []string{"alice@example.org", "alice", "example"}
	n := testing.AllocsPerRun(100, func() { (password.Policy{}).Check("SecurePass123!", context...) })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPolicyAgreesWithHash(f *testing.F) {
	for _, pw := range []string{"", "SecurePass123!", "password123", "\xff", "\ufffd", "e\u0301e\u0301", strings.Repeat("\U0001d160", 100)} {
		f.Add(pw, "alice@example.org")
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, pw, word string) {
		reason := password.Policy{}.Check(pw, word)
		saw(reason != password.Invalid)
		_, err := password.Hash(cheap, pw)
		if (reason == password.Invalid) != (err != nil) {
			t.Fatalf("Check = %q, Hash: %v", reason, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	b.ReportAllocs()
	context := []string{"alice@example.org", "alice", "example"}
	for b.Loop() {
		if (password.Policy{}).Check("SecurePass123!", context...) != password.OK {
			b.Fatal("refused")
		}
	}
}
