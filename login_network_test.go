package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// LG-8: strangers use up what is theirs, and not what the owner's address has.
func TestStrangersDoNotLockOutAnOwnerAtAKnownAddress(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		home := clientAt(t, "192.0.2.7")
		if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		for hour := range 6 {
			exhaustAccountBudget(t, h.Manager, u.Email)
			if hour == 0 { // the one attempt a day of a network that has not failed
				failLogins(clientAt(t, "198.51.100.9"), t, h.Manager, u.Email, 1)
			}
			if err := login(clientAt(t, "198.51.100.9"), h.Manager, u.Email, authtest.Password); !errors.Is(err, auth.ErrRateLimited) {
				t.Fatalf("hour %d: from an address that is not known: %v, want ErrRateLimited: the account's budget is used up", hour, err)
			}
			if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatalf("hour %d: the owner from home: %v", hour, err)
			}
			h.Clock.Advance(time.Hour)
		}
	})
}

// The address that an account is known to come from follows it to a new email.
func TestAKnownAddressStaysKnownWhenTheEmailChanges(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	home, email := clientAt(t, "192.0.2.7"), "moved@example.com"
	if _, err := h.UpdateProfile(home, u.Identity(), auth.ProfileChange{Email: &email}); err != nil {
		t.Fatal(err)
	}
	exhaustAccountBudget(t, h.Manager, email)
	if err := login(home, h.Manager, email, authtest.Password); err != nil {
		t.Error(err)
	}
}

// The ninth address makes the first a stranger's again.
func TestOnlyTheLastEightAddressesAreKnown(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9"} {
		if err := login(clientAt(t, addr), h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
	}
	exhaustAccountBudget(t, h.Manager, u.Email)
	failLogins(clientAt(t, "192.0.2.1"), t, h.Manager, u.Email, 1) // the one attempt a day of a network that has not failed
	if err := login(clientAt(t, "192.0.2.1"), h.Manager, u.Email, authtest.Password); !errors.Is(err, auth.ErrRateLimited) {
		t.Errorf("from the address before the last eight: %v", err)
	}
	if err := login(clientAt(t, "192.0.2.9"), h.Manager, u.Email, authtest.Password); err != nil {
		t.Errorf("from the last: %v", err)
	}
}

// LG-15. Whoever had an address before its owner, or the password of an account, has nothing of
// its networks afterwards.
func TestNetworksOfAFormerHolderAreUnknownToTheNextOwner(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		var before []context.Context
		for i := range 8 {
			before = append(before, clientAt(t, fmt.Sprintf("203.0.113.%d", i+1)))
		}
		home, owners := clientAt(t, "192.0.2.7"), map[string]string{}
		for name, handOver := range map[string]func(former auth.Identity) error{
			"change of address": func(id auth.Identity) error {
				other := id.User.ID + "@example.com"
				_, err := h.UpdateProfile(home, id, auth.ProfileChange{Email: &other})
				return err
			},
			"deletion":     func(id auth.Identity) error { return h.DeleteUser(t.Context(), id.User.ID) },
			"new password": func(id auth.Identity) error { return h.SetPassword(t.Context(), id.User.ID, otherPassword) },
		} {
			former := h.Register()
			for _, ctx := range before {
				if err := login(ctx, h.Manager, former.Email, authtest.Password); err != nil {
					t.Fatal(err)
				}
			}
			if err := handOver(former.Identity()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			pw := otherPassword
			if name != "new password" {
				pw = authtest.Password
				if _, err := signUp(h.Manager, former.Email); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if err := login(home, h.Manager, former.Email, pw); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := login(before[0], h.Manager, former.Email, pw); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			owner, err := h.UserByEmail(t.Context(), former.Email)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			owners[owner.ID] = name
			compared := 0
			for _, ctx := range before[1:] {
				for range 5 {
					if err := login(ctx, h.Manager, former.Email, "wrong horse battery staple"); errors.Is(err, auth.ErrInvalidCredentials) {
						compared++
					}
				}
			}
			if compared > 20+1 { // one a day of the /24
				t.Errorf("%s: %d wrong passwords were compared from networks of a former holder, want 21 at most", name, compared)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for _, e := range h.Events.All() {
			if e.Type == auth.EventLoginNewNetwork {
				told[owners[e.UserID]]++
			}
		}
		if told["change of address"] != 1 || told["deletion"] != 1 || told["new password"] != 7+1 {
			t.Errorf("logins from new networks that were told: %v", told)
		}
	})
}
