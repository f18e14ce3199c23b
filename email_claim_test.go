package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// moveTo changes the caller's address.
func moveTo(m *auth.Manager, id auth.Identity, email string) error {
	_, err := m.UpdateProfile(context.Background(), id, auth.ProfileChange{Email: &email})
	return err
}

// moveWith is moveTo with a password and a code.
func moveWith(ctx context.Context, m *auth.Manager, id auth.Identity, email string, pw, code auth.Secret) error {
	_, err := m.UpdateProfile(ctx, id, auth.ProfileChange{Email: &email, CurrentPassword: pw, Code: code})
	return err
}

// PR-3, ST-4
func TestAChangeOfAddressCutOffAnywhereLeavesBothOwnedOrFree(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		ids := map[int]string{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				id := member(t, h.Manager, emailOf("old", round))
				ids[round] = id.User.ID
				return func(m *auth.Manager) error { return moveTo(m, id, emailOf("new", round)) }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				before, after := emailOf("old", round), emailOf("new", round)
				u, userErr := h.User(context.Background(), ids[round])
				switch {
				case userErr != nil:
					t.Fatalf("round %d: %v", round, userErr)
				case err == nil && u.Email != after:
					t.Errorf("round %d: changed, but still %s", round, u.Email)
				case err != nil && !errors.Is(err, auth.ErrUnavailable):
					t.Errorf("round %d: %v", round, err)
				}
				tap.checkOwners(t, h.Manager)
				checkOwnedOrFree(t, h.Manager, before)
				checkOwnedOrFree(t, h.Manager, after)
				tap.checkOwners(t, h.Manager)
			})
	})
}

// What a store would not acknowledge is done again until it does: on Redis it may be on
// a master that is about to be lost.
func TestADeletionIsAcknowledgedOnlyAfterAnAcknowledgedCommit(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	alice := h.Register()
	tap.tap(nil, func(_ context.Context, c storeCall) error {
		if c.kind == "Commit" {
			return errOutage
		}
		return nil
	})
	for range 6 {
		if err := h.DeleteUser(t.Context(), alice.ID); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("no Commit was acknowledged, and the deletion is: %v", err)
		}
	}
	tap.tap(nil, nil)
	if err := h.DeleteUser(t.Context(), alice.ID); err != nil {
		t.Errorf("with a store that answers: %v", err)
	}
}

func TestADeletionCutOffAnywhereLeavesTheAddressOwnedOrFree(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ids := map[int]auth.Identity{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				ids[round] = member(t, h.Manager, emailOf("ada", round))
				return func(m *auth.Manager) error { return m.DeleteUser(context.Background(), ids[round].User.ID) }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("round %d: %v", round, err)
				}
				tap.checkOwners(t, h.Manager)
				checkOwnedOrFree(t, h.Manager, emailOf("ada", round))
				if err := h.DeleteUser(context.Background(), ids[round].User.ID); err != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("round %d: delete again: %v", round, err)
				}
				if _, err := h.User(context.Background(), ids[round].User.ID); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("round %d: deleted again, but there: %v", round, err)
				}
				checkOwnedOrFree(t, h.Manager, emailOf("ada", round))
				tap.checkOwners(t, h.Manager)
			})
	})
}

// RC-2
func TestOfARegistrationAndAChangeToOneAddressExactlyOneWins(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		other := twinOn(t, h, tap, auth.Config{Limits: unlimited()})
		for round := range 10 {
			id := member(t, h.Manager, emailOf("old", round))
			goal := emailOf("goal", round)
			errs := atOnce(t, 4, func(i int) error {
				if i == 0 {
					return moveTo(h.Manager, id, goal)
				}
				_, err := signUp(other.Manager, goal)
				return err
			})
			if countIs(errs, nil) != 1 || countIs(errs, auth.ErrEmailTaken) != 3 {
				t.Errorf("round %d: %v, want one success, and ErrEmailTaken", round, errs)
			}
		}
		tap.checkOwners(t, h.Manager)
	})
}

// RC-3, Advisory 20 (CVE-2026-32700).
func TestOfTwoChangesToOneAddressExactlyOneWins(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{Limits: unlimited()}).Manager}
		for round := range 10 {
			ids := []auth.Identity{member(t, h.Manager, emailOf("ada", round)), member(t, h.Manager, emailOf("bob", round))}
			goal := emailOf("goal", round)
			errs := atOnce(t, 2, func(i int) error { return moveTo(managers[i], ids[i], goal) })
			if countIs(errs, nil) != 1 || countIs(errs, auth.ErrEmailTaken) != 1 {
				t.Errorf("round %d: %v, want one success, and ErrEmailTaken", round, errs)
			}
			checkOwnedOrFree(t, h.Manager, emailOf("ada", round))
			checkOwnedOrFree(t, h.Manager, emailOf("bob", round))
		}
		tap.checkOwners(t, h.Manager)
	})
}

// RC-3
func TestASwapOfAddressesIsRefusedAndBothStayOwned(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{Limits: unlimited()}).Manager}
		for round := range 10 {
			emails := []string{emailOf("ada", round), emailOf("bob", round)}
			ids := []auth.Identity{member(t, h.Manager, emails[0]), member(t, h.Manager, emails[1])}
			errs := atOnce(t, 2, func(i int) error { return moveTo(managers[i], ids[i], emails[1-i]) })
			if countIs(errs, auth.ErrEmailTaken) != 2 {
				t.Errorf("round %d: %v, want ErrEmailTaken", round, errs)
			}
		}
		tap.checkOwners(t, h.Manager)
	})
}

// RC-3, Advisory 20 (CVE-2026-32700).
func TestAnAddressChangedTwiceAtOnceIsOneOfTheTwo(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{Limits: unlimited()}).Manager}
		for round := range 10 {
			id := member(t, h.Manager, emailOf("old", round))
			goals := []string{emailOf("one", round), emailOf("two", round)}
			errs := atOnce(t, 2, func(i int) error { return moveTo(managers[i], id, goals[i]) })
			if countIs(errs, nil)+countIs(errs, auth.ErrEmailTaken) != 2 {
				t.Errorf("round %d: %v, want success or ErrEmailTaken", round, errs)
			}
			tap.checkOwners(t, h.Manager)
			h.Clock.Advance(time.Minute)
			for _, email := range append(goals, emailOf("old", round)) {
				checkOwnedOrFree(t, h.Manager, email)
			}
		}
		tap.checkOwners(t, h.Manager)
	})
}

func TestTheSameChangeMadeTwiceAtOnceSucceedsTwice(t *testing.T) {
	t.Parallel()
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	for round := range 20 {
		id := member(t, h.Manager, emailOf("old", round))
		errs := atOnce(t, 2, func(int) error { return moveTo(h.Manager, id, emailOf("new", round)) })
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if _, err := signUp(h.Manager, emailOf("old", round)); err != nil {
			t.Errorf("the address given up: %v", err)
		}
	}
	tap.checkOwners(t, h.Manager)
}

// A change of address that is held up in any of its steps for so long that another
// takes the new address over.
func TestAChangeOfAddressThatIsTooSlowFails(t *testing.T) {
	lost := 0
	for step := range 9 {
		tap := newTapStore(memstore.New())
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		id := member(t, h.Manager, "old@example.com")
		n := 0
		held, release := stall(t, tap, func(c storeCall) bool { n++; return n == step+1 })
		slow := make(chan error, 1)
		go func() { // of a client, so that it is charged
			slow <- moveWith(clientAt(t, "192.0.2.1"), h.Manager, id, "new@example.com", "", "")
		}()
		held()
		h.Clock.Advance(31 * time.Second)
		fast, taken := signUp(h.Manager, "new@example.com")
		release()
		err := <-slow
		switch {
		case taken == nil && errors.Is(err, auth.ErrEmailTaken):
			lost++
		case err == nil && errors.Is(taken, auth.ErrEmailTaken): // it was through already
		default:
			t.Errorf("step %d: the change %v, the registration %v", step, err, taken)
		}
		if r, err := h.Login(context.Background(), "new@example.com", authtest.Password); err != nil || (taken == nil && r.User.ID != fast.ID) {
			t.Errorf("step %d: %v as %s", step, err, r.User.ID)
		}
		tap.checkOwners(t, h.Manager)
	}
	if lost < 5 {
		t.Errorf("only %d of the steps lost the address", lost)
	}
}

// A change stalls; another takes the address over and stalls in the middle of that;
// the user asks for the same change again. The first change must not believe that
// the intention it finds is its own.
func TestAStalledChangeDoesNotFinishByTheIntentOfALaterOne(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	id := member(t, h.Manager, "old@example.com")
	hold := func(match func(storeCall) bool, act func() error) (release func(), result chan error) {
		held, release := stall(t, tap, match)
		result = make(chan error, 1)
		go func() { result <- act() }()
		held()
		return release, result
	}
	commitOf := func(suffix string, nth int) func(storeCall) bool {
		n := 0
		return func(c storeCall) bool {
			if c.kind == "Commit" && c.names(suffix) {
				n++
				return n == nth
			}
			return false
		}
	}
	process := twin(t, h, auth.Config{Limits: unlimited()}) // in one process the second would wait
	change := func(m *auth.Manager) func() error {
		return func() error { return moveTo(m, id, "new@example.com") }
	}
	releaseFirst, first := hold(commitOf("/acct", 2), change(h.Manager)) // before it is written into the account
	h.Clock.Advance(31 * time.Second)
	releaseOther, other := hold(commitOf("/claim", 1), func() error { _, err := signUp(h.Manager, "new@example.com"); return err })
	releaseSecond, second := hold(commitOf("/claim", 1), change(process.Manager))
	tap.tap(nil, nil)
	releaseOther()
	otherErr := <-other
	releaseFirst()
	firstErr := <-first
	releaseSecond()
	secondErr := <-second
	won := 0
	for _, err := range []error{firstErr, secondErr, otherErr} {
		if err == nil {
			won++
		} else if !errors.Is(err, auth.ErrEmailTaken) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("first %v, second %v, other %v", firstErr, secondErr, otherErr)
	}
	tap.checkOwners(t, h.Manager)
}

// A change and the way back, made while the change is held up in any of its steps:
// tidying up after the first must not take the claim of the second.
func TestLoginWorksWhileAnAddressIsChangedAndChangedBack(t *testing.T) {
	for step := 0; ; step++ {
		tap := newTapStore(memstore.New())
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		id := member(t, h.Manager, "old@example.com")
		n, reached := 0, make(chan struct{})
		on := make(chan struct{})
		tap.tap(func(context.Context, storeCall) error {
			if n++; n == step+1 {
				close(reached)
				<-on
			}
			return nil
		}, nil)
		first := make(chan error, 1)
		go func() { first <- moveTo(h.Manager, id, "new@example.com") }()
		select {
		case <-reached:
		case err := <-first:
			if err != nil || step < 8 {
				t.Errorf("%v after %d steps", err, step)
			}
			return
		}
		process := twin(t, h, auth.Config{Limits: unlimited()}) // in one process it would wait
		back := moveTo(process.Manager, id, "old@example.com")
		close(on)
		for _, err := range []error{back, <-first} {
			if err != nil && !errors.Is(err, auth.ErrEmailTaken) {
				t.Errorf("step %d: %v", step, err)
			}
		}
		tap.tap(nil, nil)
		tap.checkOwners(t, h.Manager)
	}
}

// Another spelling of the address one has needs no claim; during a change to a
// different one it must not bring the old address back.
func TestANewSpellingDuringAChangeDoesNotBringBackTheOldAddress(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		id := member(t, h.Manager, "old@example.com")
		n := 0
		held, release := stall(t, tap, func(c storeCall) bool { n++; return n == 2 })
		respelled := make(chan error, 1)
		go func() { respelled <- moveTo(h.Manager, id, "OLD@example.com") }()
		held()
		process := twin(t, h, auth.Config{}) // in one process it would wait
		if err := moveTo(process.Manager, id, "new@example.com"); err != nil {
			t.Fatal(err)
		}
		if _, err := signUp(h.Manager, "old@example.com"); err != nil {
			t.Fatal(err)
		}
		release()
		if err := <-respelled; !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("the new spelling: %v", err)
		}
		tap.checkOwners(t, h.Manager)
	})
}

// The same on a clock that stands still, where two announcements of one address by one
// user have all in common but that they are two.
func TestAStalledChangeDoesNotFinishOnALaterOnesAnnouncementOfTheSameInstant(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, auth.Config{Limits: unlimited()}))
		id := member(t, h.Manager, "old@example.com")
		hold := func(match func(storeCall) bool, act func() error) (release func(), result chan error) {
			held, release := stall(t, tap, match)
			result = make(chan error, 1)
			go func() { result <- act() }()
			held()
			tap.tap(nil, nil)
			return release, result
		}
		nth := func(kind, suffix string, n int) func(storeCall) bool {
			return func(c storeCall) bool {
				if c.kind == kind && c.names(suffix) {
					n--
				}
				return c.kind == kind && c.names(suffix) && n == 0
			}
		}
		change := func() error { return moveTo(h.Manager, id, "new@example.com") }
		releaseFirst, first := hold(nth("Commit", "/acct", 2), change) // it has announced and claimed
		if err := moveTo(h.Manager, id, "other@example.com"); err != nil {
			t.Fatal(err)
		}
		releaseNewcomer, newcomer := hold(nth("Commit", "/acct", 1), func() error { _, err := signUp(h.Manager, "new@example.com"); return err }) // it has the claim now
		releaseAgain, again := hold(nth("Get", "/claim", 1), change)                                                                              // it has announced
		releaseFirst()
		if err := <-first; !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("the stalled change: %v, want ErrEmailTaken", err)
		}
		releaseNewcomer()
		if err := <-newcomer; err != nil {
			t.Errorf("the newcomer, who has the claim: %v", err)
		}
		releaseAgain()
		if err := <-again; !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("the later change: %v, want ErrEmailTaken", err)
		}
		tap.checkOwners(t, h.Manager)
	})
}
