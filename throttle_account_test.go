package auth_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// LG-8: a botnet of 300 networks attacks one account for three days, from as many
// addresses of an IPv6 /48 besides. The owner travels, each day to networks where they never
// were.
func TestATravellerLogsInWhileABotnetAttacksTheAccount(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: one goroutine logs in for days")
	}
	t.Parallel()
	h := authtest.New(t)
	u := h.Register()
	rng := rand.New(rand.NewPCG(1, 1))
	const minutes = 3 * 24 * 60
	looked, in, tries, home := 0, 0, 0, 0
	for i := range minutes {
		for range 3 {
			addr := fmt.Sprintf("203.%d.%d.%d", rng.IntN(3), rng.IntN(100), rng.IntN(256))
			if rng.IntN(2) == 0 {
				addr = fmt.Sprintf("2001:db8:1:%x::1", rng.IntN(1<<16))
			}
			if err := login(clientAt(t, addr), h.Manager, u.Email, "wrong, and long enough"); errors.Is(err, auth.ErrInvalidCredentials) {
				looked++
			}
		}
		if i > 60 && i%30 == 0 {
			tries++
			if login(clientAt(t, fmt.Sprintf("198.51.%d.7", tries)), h.Manager, u.Email, authtest.Password) == nil {
				in++
			}
			if login(t.Context(), h.Manager, u.Email, authtest.Password) == nil { // where they registered
				home++
			}
		}
		h.Clock.Advance(time.Minute)
	}
	if in != tries || home != tries {
		t.Errorf("of %d logins %d were let in from new networks and %d from the known one", tries, in, home)
	}
	if most := 20 + 3*24*20 + 3*301; looked > most || looked < 1000 {
		t.Errorf("%d wrong passwords were checked, want at most %d", looked, most)
	}
	t.Logf("%d wrong passwords were checked, and the owner got in %d times of %d", looked, in, tries)
}

// LG-8: beyond the budget of an account a network that is not known has one attempt a day.
// A success gives it back.
func TestBeyondTheBudgetOfAnAccountANetworkHasOneAttemptADay(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAccount: store.Limit{Burst: 3, Every: 30 * 24 * time.Hour}}})
		u := h.Register()
		for i := range 3 {
			failLogins(clientAt(t, fmt.Sprintf("203.0.113.%d", i)), t, h.Manager, u.Email, 1)
		}
		for day := range 2 {
			failLogins(clientAt(t, "203.0.113.99"), t, h.Manager, u.Email, 1)
			if wait := retryAfter(t, login(clientAt(t, "203.0.113.100"), h.Manager, u.Email, authtest.Password)); wait != 24*time.Hour {
				t.Errorf("day %d: the /24 waits for %v, want a day", day, wait)
			}
			failLogins(clientAt(t, "2001:db8:1:2::1"), t, h.Manager, u.Email, 1)
			retryAfter(t, login(clientAt(t, "2001:db8:1:ffff::1"), h.Manager, u.Email, authtest.Password))
			h.Clock.Advance(24 * time.Hour)
		}
		for i := range 12 { // each pushes the one before out of the known ones in time, and has its attempt back
			if err := login(clientAt(t, fmt.Sprintf("198.51.100.%d", i)), h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatalf("right password %d: %v", i, err)
			}
		}
		if e := last(t, h, auth.EventRateLimited); e.Reason != "account" {
			t.Errorf("the reason is %s", e.Reason)
		}
	})
}

// LG-8: the attempts of a day are no more guesses for who has a whole /32 or /16. Other regions
// have theirs all the same.
func TestARegionHasFiftyOfTheAttemptsOfADay(t *testing.T) {
	for name, network := range map[string]func(i int) string{
		"a /32": func(i int) string { return fmt.Sprintf("2001:db8:%x::1", i) },
		"a /16": func(i int) string { return fmt.Sprintf("203.0.%d.1", i%256) },
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAccount: store.Limit{Burst: 1, Every: 300 * 24 * time.Hour}}})
				u := h.Register()
				failLogins(clientAt(t, "198.51.100.1"), t, h.Manager, u.Email, 1)
				for day, most := range []int{50, 48, 48} {
					looked := 0
					for i := range 256 {
						if errors.Is(login(clientAt(t, network(i)), h.Manager, u.Email, "wrong, and long enough"), auth.ErrInvalidCredentials) {
							looked++
						}
					}
					if looked != most {
						t.Errorf("day %d: %d wrong passwords were compared, want %d", day, looked, most)
					}
					if wait := retryAfter(t, login(clientAt(t, network(255)), h.Manager, u.Email, authtest.Password)); wait > 30*time.Minute {
						t.Errorf("a network that has its attempt waits for %v", wait)
					}
					h.Clock.Advance(24 * time.Hour)
				}
				if err := login(clientAt(t, "192.0.2.1"), h.Manager, u.Email, authtest.Password); err != nil {
					t.Errorf("the owner in another region: %v", err)
				}
			})
		})
	}
}

// LG-8: with a second factor the attempt comes back with the second step.
func TestTheAttemptOfADayComesBackWithTheSecondStep(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAccount: store.Limit{Burst: 1, Every: 30 * 24 * time.Hour}}})
		u := h.Register()
		u.EnableTwoFactor()
		failLogins(clientAt(t, "203.0.113.1"), t, h.Manager, u.Email, 1)
		for i := range 12 {
			ctx := clientAt(t, fmt.Sprintf("198.51.100.%d", i))
			r, err := h.Login(ctx, u.Email, authtest.Password)
			if err == nil {
				err = secondStep(ctx, h.Manager, r.TempToken, auth.Secret(u.Code()))
			}
			if err != nil {
				t.Fatalf("login %d: %v", i, err)
			}
			h.Clock.Advance(30 * time.Second)
		}
	})
}

// LG-6: the second step gives back what the first was charged, and no more. Otherwise one more
// attempt after a login of the owner would tell strangers of it.
func TestTheSecondStepGivesBackOnlyWhatTheFirstWasCharged(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAccount: store.Limit{Burst: 2, Every: 30 * 24 * time.Hour}}})
		u := h.Register()
		home := clientAt(t, "192.0.2.7")
		if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		u.EnableTwoFactor()
		far, near := clientAt(t, "203.0.113.1"), clientAt(t, "192.0.2.99")
		failLogins(far, t, h.Manager, u.Email, 3)  // two, and the one of the day
		failLogins(near, t, h.Manager, u.Email, 1) // that of the day
		for range 3 {
			for _, stranger := range []context.Context{far, near} {
				retryAfter(t, login(stranger, h.Manager, u.Email, "wrong, and long enough"))
			}
			r, err := h.Login(home, u.Email, authtest.Password)
			if err == nil {
				err = secondStep(home, h.Manager, r.TempToken, auth.Secret(u.Code()))
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Clock.Advance(30 * time.Second)
		}
	})
}

// LG-8: the caller of Register chose the password. So strangers do not lock a new customer out.
func TestTheNetworkOfTheRegistrationIsKnown(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		home := clientAt(t, "192.0.2.7")
		if err := register(home, h.Manager, "new@example.com"); err != nil {
			t.Fatal(err)
		}
		exhaustAccountBudget(t, h.Manager, "new@example.com")
		for i := range 3 {
			if err := login(home, h.Manager, "new@example.com", authtest.Password); err != nil {
				t.Errorf("login %d of the new customer: %v", i, err)
			}
		}
		failLogins(home, t, h.Manager, "new@example.com", 3) // nor has a day's only attempt been spent
	})
}

// LG-8: a registration that fails leaves no known network, and an account that is made for
// an address has none of an account before it.
func TestAFailedRegistrationLeavesNoKnownNetwork(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1})
	u := h.Register()
	known := func(email string) bool {
		exhaustAccountBudget(t, h.Manager, email)
		home := clientAt(t, "192.0.2.7")
		failLogins(home, t, h.Manager, email, 1) // that of the day
		return !errors.Is(login(home, h.Manager, email, "wrong, and long enough"), auth.ErrRateLimited)
	}
	release := h.OccupyHashing()
	if err := register(clientAt(t, "192.0.2.7"), h.Manager, "shed@example.com"); !errors.Is(err, auth.ErrOverloaded) {
		t.Fatal(err)
	}
	release()
	if known("shed@example.com") {
		t.Error("a registration that failed has made its network known")
	}

	if err := register(clientAt(t, "192.0.2.7"), h.Manager, "handed@example.com"); err != nil {
		t.Fatal(err)
	}
	id := sessionOf(t, h, "handed@example.com")
	if err := h.DeleteUser(t.Context(), id.User.ID); err != nil {
		t.Fatal(err)
	}
	made := auth.NewUser{Email: "handed@example.com", Password: authtest.Password, FullName: "Ada", OrganizationID: u.OrganizationID, Role: "member"}
	if _, err := h.CreateUser(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	if known("handed@example.com") {
		t.Error("a network of the account before is known to the new one")
	}
}

// LG-8: while strangers hold the budget of the account used up, a session of the owner
// changes the password from everywhere.
func TestASessionActsFromEverywhereWhileItsAccountIsAttacked(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		id := u.Identity()
		pw := auth.Secret(authtest.Password)
		for i := range 20 {
			exhaustAccountBudget(t, h.Manager, u.Email)
			next := auth.Secret(fmt.Sprintf("another long password %d", i))
			if err := h.ChangePassword(clientAt(t, fmt.Sprintf("198.51.%d.1", i)), id, pw, next); err != nil {
				t.Fatalf("change %d on the road: %v", i, err)
			}
			pw = next
		}
	})
}

// LG-8: whoever stole a session has its budget, from however many networks they come.
func TestAStolenSessionGuessesNoMoreThanItsOwnBudget(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		stolen := u.Identity()
		looked := 0
		for i := range 60 {
			err := h.ChangePassword(clientAt(t, fmt.Sprintf("198.51.%d.1", i)), stolen, "wrong, and long enough", otherPassword)
			if errors.Is(err, auth.ErrInvalidCredentials) {
				looked++
				continue
			}
			retryAfter(t, err)
		}
		if looked != 5 {
			t.Errorf("%d wrong passwords were checked, want 5", looked)
		}
		u.Login()
		if err := h.ChangePassword(t.Context(), u.Identity(), authtest.Password, otherPassword); err != nil {
			t.Errorf("another session of the owner: %v", err)
		}
		if e := last(t, h, auth.EventRateLimited); e.Reason != "session" {
			t.Errorf("the reason is %s", e.Reason)
		}
	})
}
