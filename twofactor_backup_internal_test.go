package auth

import (
	"slices"
	"testing"
)

// BC-1. Chance exceeds the bound once in 10^9 runs.
func TestBackupCodesAreUnbiasedAndDifferWithinASet(t *testing.T) {
	for _, length := range []int{minBackupDigits, 20, maxBackupDigits} {
		counts, zeros := make([][10]int, length), 0
		for range 10_000 {
			codes := newBackupCodes(length)
			seen := map[string]bool{}
			for _, code := range codes {
				if len(code) != length || !isBackupCode(Secret(code)) || seen[code] {
					t.Fatalf("the set %q", codes)
				}
				seen[code] = true
				for i := range code {
					counts[i][code[i]-'0']++
				}
				if code[0] == '0' {
					zeros++
				}
			}
			if again, ok := splitBackupCodes(codes.joined()); !ok || len(codes) != 10 || !slices.Equal(again, codes) {
				t.Fatalf("%d codes, sealed and opened %q", len(codes), again)
			}
		}
		for i := range counts {
			if x := chiSquare(counts[i][:]); x > 65 {
				t.Errorf("chi-square of digit %d of %d is %.0f: %v", i, length, x, counts[i])
			}
		}
		if zeros == 0 {
			t.Errorf("no code of %d begins with 0", length)
		}
	}
}

func TestWhatIsNoSetOfBackupCodesIsRefused(t *testing.T) {
	for _, n := range []int{0, 1, 10, 70, 79, 81, 99, 321, 330} {
		if l, ok := splitBackupCodes(make([]byte, n)); ok || l != nil {
			t.Errorf("%d bytes are %d codes", n, len(l))
		}
	}
}

// BC-2: who has the store but not the root secret has nothing to try codes against.
func TestTheTagOfABackupCodeNeedsThePepperAndTheSalt(t *testing.T) {
	set := backupSet{Salt: []byte("sixteen bytes ok"), Memory: 8, Time: 1, Threads: 1}
	salted, dearer, longer := set, set, set
	salted.Salt, dearer.Memory, longer.Time = []byte("another sixteen!"), 16, 2
	tag := set.tag([]byte("pepper"), "01234567")
	if again := set.tag([]byte("pepper"), "01234567"); again != tag || len(tag) != backupTagLen {
		t.Fatalf("%x, then %x", tag, again)
	}
	for name, other := range map[string]string{
		"pepper":    set.tag([]byte("another pepper"), "01234567"),
		"no pepper": set.tag(nil, "01234567"),
		"salt":      salted.tag([]byte("pepper"), "01234567"),
		"memory":    dearer.tag([]byte("pepper"), "01234567"),
		"time":      longer.tag([]byte("pepper"), "01234567"),
		"code":      set.tag([]byte("pepper"), "01234568"),
	} {
		if other == tag {
			t.Errorf("another %s, the same tag", name)
		}
	}
}

// A spent code is kept as the empty tag, which nothing may match.
func TestNoCodeMatchesASpentTag(t *testing.T) {
	m := &Manager{peppers: map[string]func() []byte{"p": func() []byte { return []byte("pepper") }}}
	set := backupSet{Pepper: "p", Salt: []byte("sixteen bytes ok"), Memory: 8, Time: 1, Threads: 1, Tags: make([]string, backupCodes)}
	proof := codeCheck{salt: set.Salt, tag: []byte(set.tag([]byte("pepper"), "01234567"))}
	if ok, err := m.spendBackupCode(t.Context(), &set, "01234567", &proof); ok || err != nil {
		t.Errorf("a code of a set that is spent: %v, %v", ok, err)
	}
}

// chiSquare is how far counts are from all being equal.
func chiSquare(counts []int) (x float64) {
	total := 0
	for _, n := range counts {
		total += n
	}
	want := float64(total) / float64(len(counts))
	for _, n := range counts {
		x += (float64(n) - want) * (float64(n) - want) / want
	}
	return x
}
