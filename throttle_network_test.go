//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// checked makes n logins with wrong passwords, each for another account and from another
// address, and returns how many passwords were checked. The others must be rate limited.
func checked(t *testing.T, m *auth.Manager, addr string, n int) (looked int) {
	t.Helper()
	for i := range n {
		err := login(clientAt(t, fmt.Sprintf(addr, i)), m, fmt.Sprintf("person%d@example.com", i), "Winter2030!")
		if errors.Is(err, auth.ErrInvalidCredentials) {
			looked++
			continue
		}
		retryAfter(t, err)
	}
	return looked
}

// LG-10: a subscriber has 256 or 65,536 networks of IPv6, and a botnet many addresses of one
// operator. Together they have four times what one has, and four times that for a /48.
func TestWiderNetworksHaveABudgetOfTheirOwn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAddress: store.Limit{Burst: 2, Every: time.Hour}}})
		u := h.Register()
		home := clientAt(t, "2001:db8:1:5::1")
		if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(24 * time.Hour)
		for _, try := range []struct {
			network, addr string
			want          int
		}{
			{"a /24", "203.0.113.%d", 8},
			{"a /56", "2001:db8:1:%x::1", 8},
			{"the /48 around it", "2001:db8:1:%x00::1", 24}, // 8 are used up, and so is the first /56
		} {
			if got := checked(t, h.Manager, try.addr, 100); got != try.want {
				t.Errorf("%s: %d passwords were checked, want %d", try.network, got, try.want)
			}
		}
		if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("the owner, from a known network in the same /56: %v", err)
		}
		if err := login(clientAt(t, "198.51.100.1"), h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("the owner, from another network: %v", err)
		}
		h.Clock.Advance(time.Hour)
		if got := checked(t, h.Manager, "203.0.113.1%02d", 60); got != 4 {
			t.Errorf("an hour later %d passwords were checked, want 4", got)
		}
	})
}

// LG-10: registrations are counted in the same way.
func TestRegistrationsOfAWiderNetworkShareABudget(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{RegisterByAddress: store.Limit{Burst: 1, Every: time.Hour}}})
		made := 0
		for i := range 30 {
			err := register(clientAt(t, fmt.Sprintf("2001:db8:1:%x::1", i)), h.Manager, fmt.Sprintf("new%d@example.com", i))
			if err == nil {
				made++
				continue
			}
			retryAfter(t, err)
		}
		if made != 4 {
			t.Errorf("%d accounts were made from one /56, want 4", made)
		}
		if e := last(t, h, auth.EventRateLimited); e.Reason != "register_network" {
			t.Errorf("the reason is %s", e.Reason)
		}
	})
}

// LG-8: an address that is out of budget goes on, and its neighbours notice nothing.
func TestAnAddressOutOfBudgetUsesUpNothingOfItsNeighbours(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAddress: store.Limit{Burst: 5, Every: time.Hour}}})
		u := h.Register()
		looked := 0
		for i := range 500 {
			err := login(clientAt(t, "203.0.113.9"), h.Manager, fmt.Sprintf("person%d@example.com", i), "Winter2030!")
			if errors.Is(err, auth.ErrInvalidCredentials) {
				looked++
			}
		}
		if looked != 5 {
			t.Errorf("%d were checked, want 5", looked)
		}
		for i := range 3 {
			if err := login(clientAt(t, fmt.Sprintf("203.0.113.%d", 10+i)), h.Manager, u.Email, authtest.Password); err != nil {
				t.Errorf("a neighbour: %v", err)
			}
		}
	})
}

// LG-8: an owner at a known network is charged to no budget that a stranger can use up.
func TestALoginFromAKnownNetworkIsChargedToNoBudgetOfStrangers(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		u := h.Register()
		home := clientAt(t, "192.0.2.7")
		if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		wide := 0
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind != "Hit" {
				return nil
			}
			switch key := c.keys[0]; {
			case strings.HasPrefix(key, "a.192.0.2.0/24/"):
				wide++
			case !strings.HasPrefix(key, "a.192.0.2.7/") && !strings.HasSuffix(key, "/password.192.0.2.7"):
				t.Errorf("%s is charged", key)
			}
			return nil
		}, nil)
		for range 9 { // the tenth of the account was that of h.Register
			if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatal(err)
			}
		}
		if wide != 0 {
			t.Errorf("of 9 logins %d are charged to the /24", wide)
		}
		for range 3 { // beyond what one account has in the preferred lane
			if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatal(err)
			}
		}
		if wide != 6 { // charged, and given back but for the hash
			t.Errorf("of 3 logins more there are %d charges and refunds of the /24, want 6", wide)
		}
	})
}

// DO-2: the codes that an office hashes to turn its factors on are not logins. Twenty of them left the office none.
func TestAnOfficeTurnsSixtySecondFactorsOnAndStillLogsIn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		office := clientAt(t, "192.0.2.7")
		enrolment := func(n int) (auth.Identity, auth.TwoFactorEnrollment) {
			email := fmt.Sprintf("person%d@example.com", n)
			if err := register(office, h.Manager, email); err != nil {
				t.Fatalf("person %d registers: %v", n, err)
			}
			failLogins(office, t, h.Manager, email, 1)
			r, err := h.Manager.Login(office, email, authtest.Password)
			if err != nil {
				t.Fatalf("person %d logs in: %v", n, err)
			}
			id, err := h.VerifyAccessToken(office, r.AccessToken.Token)
			if err != nil {
				t.Fatal(err)
			}
			e, err := h.EnableTwoFactor(office, id, "")
			if err != nil {
				t.Fatalf("person %d begins: %v", n, err)
			}
			return id, e
		}
		for n := range 60 {
			id, e := enrolment(n)
			if err := h.ConfirmTwoFactor(office, id, codeAt(e, h.Clock.Now())); err != nil {
				t.Fatalf("person %d confirms: %v", n, err)
			}
			if r, err := h.Manager.Login(office, fmt.Sprintf("person%d@example.com", n), authtest.Password); err != nil || !r.TwoFactorRequired() {
				t.Fatalf("person %d logs in with a second factor: %+v, %v", n, r, err)
			}
			h.Clock.Advance(6 * time.Second)
		}
	})
}

// DO-2: sixty times the ten hashes of backup codes at once, and one time more every 7 seconds.
func TestANetworkHashesSixtySetsOfBackupCodesAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		office := clientAt(t, "192.0.2.7")
		var pending []func() error
		for range 62 {
			id := h.Register().Identity()
			e := enrol(t, h, id)
			pending = append(pending, func() error { return h.ConfirmTwoFactor(office, id, codeAt(e, h.Clock.Now())) })
		}
		for n, confirm := range pending[:60] {
			if err := confirm(); err != nil {
				t.Fatalf("confirmation %d: %v", n, err)
			}
		}
		if after := retryAfter(t, pending[60]()); after > 7*time.Second {
			t.Errorf("one more waits %v", after)
		}
		if err := login(office, h.Manager, "user62@example.com", authtest.Password); err != nil {
			t.Errorf("a login beside it: %v", err)
		}
		h.Clock.Advance(7 * time.Second)
		if err := pending[60](); err != nil {
			t.Errorf("7 seconds later: %v", err)
		}
		retryAfter(t, pending[61]())
		if e := last(t, h, auth.EventRateLimited); e.Reason != "setup" {
			t.Errorf("the event has the reason %q", e.Reason)
		}
	})
}

// LG-8, DO-2: strangers in the network around cannot use up what a session needs to set up its
// second factor. The account bounds it instead, from however many networks.
func TestBackupCodesAreChargedToTheAccountAndNotToTheNetworksAround(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		u := h.Register()
		home := clientAt(t, "2001:db8:1:5::1")
		around := map[string]int{}
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Hit" && strings.HasSuffix(c.keys[0], "/setup") {
				around[c.keys[0]]++
			}
			return nil
		}, nil)
		id := u.Identity()
		e, err := h.EnableTwoFactor(home, id, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.ConfirmTwoFactor(home, id, codeAt(e, h.Clock.Now())); err != nil {
			t.Fatal(err)
		}
		codes := e.BackupCodes
		for i := range 10 {
			ctx := clientAt(t, fmt.Sprintf("2001:db8:%x:5::1", i))
			if codes, err = h.ReplaceBackupCodes(ctx, id, authtest.Password, codes[0]); err != nil {
				t.Fatalf("set %d: %v", i, err)
			}
		}
		_, err = h.ReplaceBackupCodes(clientAt(t, "198.51.100.1"), id, authtest.Password, codes[0])
		if after := retryAfter(t, err); after > 10*time.Minute {
			t.Errorf("one set more waits %v", after)
		}
		tap.tap(nil, nil)
		if around["a.2001:db8:1:5::/setup"] == 0 {
			t.Errorf("the network of the client is not charged: %v", around)
		}
		for key := range around {
			if strings.Contains(key, "/48/") || strings.Contains(key, "/56/") || strings.Contains(key, "/24/") {
				t.Errorf("%s is charged", key)
			}
		}
	})
}
