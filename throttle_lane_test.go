package auth_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// A hashFlood is rounds in which the only hashing slot is taken, attackers fill the queue, and
// owners come after them.
type hashFlood struct {
	t        *testing.T
	h        *authtest.Harness
	attacker func() (ctx context.Context, email string)
	shed     atomic.Int64 // attempts of attackers that found no place
	limited  atomic.Int64
}

// round returns what owner returned after 80 attackers had come, and 80 more had come before
// a slot was free.
func (f *hashFlood) round(owner func() error) (err error) {
	var wg sync.WaitGroup
	attack := func() {
		for range 80 {
			ctx, email := f.attacker()
			wg.Go(func() {
				switch err := login(ctx, f.h.Manager, email, "Winter2030!"); {
				case errors.Is(err, auth.ErrOverloaded):
					f.shed.Add(1)
				case errors.Is(err, auth.ErrRateLimited):
					f.limited.Add(1)
				}
			})
		}
		synctest.Wait()
	}
	release := f.h.OccupyHashing()
	attack()
	wg.Go(func() { err = owner() })
	synctest.Wait()
	attack()
	release()
	wg.Wait()
	return err
}

// A floodOf returns attackers who name accounts that nobody has, from random addresses.
func floodOf(t *testing.T, addr func(rng *rand.Rand) string) func() (context.Context, string) {
	rng := rand.New(rand.NewPCG(1, 1))
	return func() (context.Context, string) {
		return clientAt(t, addr(rng)), fmt.Sprintf("person%d@example.com", rng.IntN(1_000_000))
	}
}

// fresh is the flood that no queue can tell from travellers and new customers.
const fresh = "networks that were never seen"

var floods = map[string]func(rng *rand.Rand) string{
	fresh:                      func(rng *rand.Rand) string { return fmt.Sprintf("203.%d.%d.9", rng.IntN(256), rng.IntN(256)) },
	"a /48":                    func(rng *rand.Rand) string { return fmt.Sprintf("2001:db8:1:%x::1", rng.IntN(1<<16)) },
	"300 addresses of IPv4":    func(rng *rand.Rand) string { return ofThe300(rng) },
	"300 addresses of two /24": func(rng *rand.Rand) string { return fmt.Sprintf("203.0.%d.%d", rng.IntN(2), rng.IntN(150)) },
	"300 addresses and the /48": func(rng *rand.Rand) string {
		if rng.IntN(2) == 0 {
			return fmt.Sprintf("2001:db8:1:%x::1", rng.IntN(1<<16))
		}
		return ofThe300(rng)
	},
}

// ofThe300 is one of 300 addresses, each of a /24 of its own.
func ofThe300(rng *rand.Rand) string {
	n := rng.IntN(300)
	return fmt.Sprintf("203.%d.%d.9", n/256, n%256)
}

// DO-1, LG-8: a flood of logins keeps all slots and places busy. Of 8 owners each logs in at home, a
// new customer registers, a traveller logs in where they never were, and a session elsewhere
// changes its password.
func TestAFloodOfLoginsKeepsNoOwnerOutOfTheHashingQueue(t *testing.T) {
	for name, addr := range floods {
		if testing.Short() && name != "a /48" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1})
				f := &hashFlood{t: t, h: h, attacker: floodOf(t, addr)}
				home := clientAt(t, "192.0.2.7")
				for range 10 { // the sources of the flood have had slots
					_ = f.round(func() error { return nil })
				}
				failed := map[string]int{}
				const rounds = 8
				for i := range rounds {
					u := h.Register()
					if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
						t.Fatal(err)
					}
					id, away := u.Identity(), clientAt(t, fmt.Sprintf("198.51.%d.1", i))
					for _, owner := range []struct {
						who string
						try func() error
					}{
						{"an owner at home", func() error { return login(home, h.Manager, u.Email, authtest.Password) }},
						{"a traveller", func() error { return login(away, h.Manager, u.Email, authtest.Password) }},
						{"a new customer", func() error {
							return register(clientAt(t, fmt.Sprintf("100.64.%d.1", i)), h.Manager, fmt.Sprintf("new%d@example.com", i))
						}},
						{"a session elsewhere", func() error { return h.ChangePassword(away, id, authtest.Password, otherPassword) }},
					} {
						if name == fresh && (owner.who == "a traveller" || owner.who == "a new customer") {
							continue
						}
						if f.round(owner.try) != nil {
							failed[owner.who]++
						}
					}
				}
				if len(failed) > 0 {
					t.Errorf("of %d each, these failed: %v", rounds, failed)
				}
				if f.shed.Load() < 500 {
					t.Errorf("only %d attempts of the flood found no place, and %d were rate limited: it was none", f.shed.Load(), f.limited.Load())
				}
			})
		})
	}
}

// DO-1: whoever attacks with accounts of their own, whose networks those accounts know, has ten
// places in the preferred lane for each, and then waits with everybody else.
func TestAnAccountHasALimitedShareOfThePreferredLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: 8})
		u := h.Register()
		own := clientAt(t, "203.0.113.9")
		if err := register(own, h.Manager, "attacker@example.com"); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if err := login(own, h.Manager, "attacker@example.com", authtest.Password); err != nil {
				t.Fatal(err)
			}
		}
		home := clientAt(t, "192.0.2.7")
		if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		release := h.OccupyHashing()
		var wg sync.WaitGroup
		enter := func(ctx context.Context, email string) {
			wg.Go(func() {
				if err := login(ctx, h.Manager, email, authtest.Password); err != nil {
					t.Errorf("%s: %v", email, err)
				}
			})
			synctest.Wait()
		}
		for range 4 {
			enter(own, "attacker@example.com")
		}
		enter(home, u.Email)
		if preferred, other := h.WaitingToHash(); preferred != 1 || other != 4 {
			t.Errorf("%d wait in the preferred lane and %d in the other, want the owner and the attacker", preferred, other)
		}
		release()
		wg.Wait()
	})
}
