package auth

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"testing"

	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/slots"
	"github.com/datixlab/auth/store/memstore"
)

// busyManager has a user, and one hashing slot with no queue, which is taken until
// free is called: a call that hashes gets ErrOverloaded.
func busyManager(t *testing.T) (m *Manager, email string, free func()) {
	t.Helper()
	m, err := New(memstore.New(), Config{
		Secrets:      []Secret{"a root secret for this test alone, 0123456789"},
		PasswordHash: HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
		HashSlots: 1, HashQueue: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	if _, err := m.Register(t.Context(), Registration{Email: "ann@example.com", Password: "correct horse battery", FullName: "Ann"}); err != nil {
		t.Fatal(err)
	}
	taken, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- m.hashSlots.Do(context.Background(), slots.Caller{}, func() {
			close(taken)
			<-release
		})
	}()
	<-taken
	return m, "ann@example.com", func() {
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestAnAttemptThatWasShedCostsNothing(t *testing.T) {
	m, email, free := busyManager(t)
	for i := range 50 {
		if _, err := m.Login(t.Context(), email, "correct horse battery"); !errors.Is(err, ErrOverloaded) {
			t.Fatalf("login %d without a free slot: %v, want ErrOverloaded", i, err)
		}
	}
	free()
	for i := range 5 {
		if _, err := m.Login(t.Context(), email, "wrong, and long enough"); !errors.Is(err, ErrInvalidCredentials) {
			t.Fatalf("wrong password %d: %v, want ErrInvalidCredentials", i, err)
		}
	}
	if _, err := m.Login(t.Context(), email, "correct horse battery"); !errors.Is(err, ErrRateLimited) {
		t.Errorf("after five wrong passwords: %v, want ErrRateLimited", err)
	}
}

// LG-5: a store that fails gives nobody a guess. What was compared and is wrong stays charged,
// although the answer is that the store failed.
func TestAWrongProofStaysChargedIfTheStoreFails(t *testing.T) {
	m, email, free := busyManager(t)
	free()
	failing := func(found func(context.Context)) (err error) {
		budgets := []budget{m.accountAddressBudget(emailDigest(email), "192.0.2.1")}
		for range m.cfg.Limits.LoginByAccountAddress.Burst + 1 {
			err = m.throttled(t.Context(), "", budgets, func(ctx context.Context) (bool, error) {
				found(ctx)
				return false, unavailable(errors.New("disk full"))
			})
		}
		return err
	}
	if err := failing(func(context.Context) {}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("where nothing is wrong: %v, want ErrUnavailable", err)
	}
	if err := failing(noteWrong); !errors.Is(err, ErrRateLimited) {
		t.Errorf("after wrong ones: %v, want ErrRateLimited", err)
	}
	factor := totpRecord{Active: activeFactor{ID: "e", Sealed: m.sealFactor("u", "e", make([]byte, otp.SecretLen)), LastStep: math.MaxUint64}}
	for name, compare := range map[string]func(context.Context) (bool, error){
		"password": func(ctx context.Context) (bool, error) {
			return m.verifyPassword(ctx, "", "wrong, and long enough", true)
		},
		"code": func(ctx context.Context) (bool, error) {
			return m.spendCode(ctx, "u", &account{Enrolment: "e"}, &factor, "123456", &codeCheck{})
		},
	} {
		_ = m.settle(t.Context(), nil, func(ctx context.Context) (bool, error) {
			if _, err := compare(ctx); !foundWrong(ctx) {
				t.Errorf("a wrong %s is not noted: %v", name, err)
			}
			return false, nil
		})
	}
}

// LG-4, DO-2: a call that hashes here is shed, so one that is not shed has not hashed.
func TestWhileLimitedTheRightPasswordIsNotHashed(t *testing.T) {
	m, email, free := busyManager(t)
	for _, b := range m.loginBudgets(t.Context(), emailDigest(email), false) {
		if _, err := m.charge(t.Context(), "", []budget{b, b, b, b, b}); err != nil {
			t.Fatal(err)
		}
	}
	for _, pw := range []Secret{"correct horse battery", "wrong, and long enough"} {
		if _, err := m.Login(t.Context(), email, pw); !errors.Is(err, ErrRateLimited) {
			t.Errorf("while limited: %v, want ErrRateLimited", err)
		}
	}
	free()
}

// LG-9, Advisory 4 (CVE-2026-45364): the spellings of one network share a budget, two
// networks never do.
func TestClientPrefixIsTheNetworkAndNotItsSpelling(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":                      "192.0.2.7",
		"::ffff:192.0.2.7":               "192.0.2.7",
		"::ffff:c000:207":                "192.0.2.7",
		"192.0.2.8":                      "192.0.2.8",
		"2001:db8:1:2:3:4:5:6":           "2001:db8:1:2::",
		"2001:db8:1:2::":                 "2001:db8:1:2::",
		"2001:db8:1:2:ffff:ffff:ffff:ff": "2001:db8:1:2::",
		"2001:0db8:0001:0002::1":         "2001:db8:1:2::",
		"2001:db8:1:3::1":                "2001:db8:1:3::",
		"fe80::1%eth0":                   "fe80::",
		"fe80::2%eth1":                   "fe80::",
		"::1":                            "::",
	} {
		ctx := WithClient(context.Background(), Client{Addr: netip.MustParseAddr(addr)})
		if got := clientPrefix(ctx); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := clientPrefix(context.Background()); got != "unknown" {
		t.Errorf("no address: %s", got)
	}
}
