package auth

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/record"
)

// BC-1. Chance exceeds the bound once in 10^9 runs.
func TestBackupCodesAreUnbiasedAndDifferWithinASet(t *testing.T) {
	sets := 10_000
	if testing.Short() {
		sets = 500
	}
	for _, length := range []int{minBackupDigits, 20, maxBackupDigits} {
		counts, zeros := make([][10]int, length), 0
		for range sets {
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
	tagOf := func(b backupSet, pepper []byte, code Secret) string {
		t.Helper()
		tag, err := b.tag(pepper, code)
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	tag := tagOf(set, []byte("pepper"), "01234567")
	if again := tagOf(set, []byte("pepper"), "01234567"); again != tag || len(tag) != backupTagLen {
		t.Fatalf("%x, then %x", tag, again)
	}
	for name, other := range map[string]string{
		"pepper":    tagOf(set, []byte("another pepper"), "01234567"),
		"no pepper": tagOf(set, nil, "01234567"),
		"salt":      tagOf(salted, []byte("pepper"), "01234567"),
		"memory":    tagOf(dearer, []byte("pepper"), "01234567"),
		"time":      tagOf(longer, []byte("pepper"), "01234567"),
		"code":      tagOf(set, []byte("pepper"), "01234568"),
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
	tag, err := set.tag([]byte("pepper"), "01234567")
	if err != nil {
		t.Fatal(err)
	}
	proof := codeCheck{salt: set.Salt, tag: []byte(tag)}
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

// F-X2: what is in a record decides no costs that Config would refuse. One that was forged
// costs nothing, and nothing is decided.
func TestBackupCodesWithForgedCostsAreUnavailableAndCostNothing(t *testing.T) {
	m, users, uids, _ := twoUsersWithFactor(t, time.Now)
	for name, forge := range map[string]func(*backupSet){
		"more memory than is allowed": func(b *backupSet) { b.Memory = 256<<10 + 1 },
		"terabytes":                   func(b *backupSet) { b.Memory = 1<<32 - 1 },
		"memory that wraps":           func(b *backupSet) { b.Memory += 1 << 32 },
		"too little memory":           func(b *backupSet) { b.Memory, b.Threads = 8, 2 },
		"no memory":                   func(b *backupSet) { b.Memory = 0 },
		"no time":                     func(b *backupSet) { b.Time = 0 },
		"too much time":               func(b *backupSet) { b.Time = 11 },
		"time that wraps":             func(b *backupSet) { b.Time += 1 << 32 },
		"no threads":                  func(b *backupSet) { b.Threads = 0 },
		"threads that wrap":           func(b *backupSet) { b.Threads += 256 },
		"300 threads":                 func(b *backupSet) { b.Threads, b.Memory = 300, 8*300 },
		"no salt":                     func(b *backupSet) { b.Salt = nil },
		"a long salt":                 func(b *backupSet) { b.Salt = make([]byte, 65) },
	} {
		var good backupSet
		editTOTP(t, m, uids[0], func(r *totpRecord) {
			good = r.Active.Backup
			forge(&r.Active.Backup)
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := secondStepOf(t, m, users[0], "01234567"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, record.ErrDamaged) {
			t.Errorf("%s: %v, want ErrUnavailable for a damaged record", name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%s: it took %d bytes", name, n)
		}
		editTOTP(t, m, uids[0], func(r *totpRecord) { r.Active.Backup = good })
		if err := m.UnlockUser(t.Context(), users[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := secondStepOf(t, m, users[0], "01234567"); !errors.Is(err, ErrInvalidCode) {
		t.Errorf("with its own costs: %v, want ErrInvalidCode", err)
	}
}
