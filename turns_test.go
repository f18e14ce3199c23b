package auth_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// besideAChange calls f while a change of the user's account is held up in the store.
func besideAChange(t *testing.T, f func(t *testing.T, h *authtest.Harness, id auth.Identity, r auth.LoginResult)) {
	synctest.Test(t, func(t *testing.T) {
		tap := newTapStore(memstore.New())
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		if _, err := signUp(h.Manager, "ada@example.com"); err != nil {
			t.Fatal(err)
		}
		r, err := h.Login(t.Context(), "ada@example.com", authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		id := identityOf(t, h.Manager, r.AccessToken.Token)
		h.Clock.Advance(time.Second)
		fresh, err := h.Refresh(t.Context(), r.AccessToken.Token)
		if err != nil {
			t.Fatal(err)
		}
		r.AccessToken = fresh
		held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" })
		var wg sync.WaitGroup
		name := "Ada King"
		wg.Go(func() { _, _ = h.UpdateProfile(t.Context(), id, auth.ProfileChange{FullName: &name}) })
		held()
		f(t, h, id, r)
		release()
		wg.Wait()
	})
}

// Else the thief of a token fills the queue of its account for nothing.
func TestARefreshAndACallThatWritesNothingTakeNoTurn(t *testing.T) {
	besideAChange(t, func(t *testing.T, h *authtest.Harness, id auth.Identity, r auth.LoginResult) {
		began := time.Now()
		for range 300 {
			if _, err := h.Refresh(t.Context(), r.AccessToken.Token); err != nil {
				t.Errorf("a refresh right after another: %v", err)
			}
		}
		h.Clock.Advance(time.Minute)
		if fresh, err := h.Refresh(t.Context(), r.AccessToken.Token); err != nil || fresh.Token == r.AccessToken.Token {
			t.Errorf("a refresh that writes: %v", err)
		}
		if err := h.RevokeAPIKey(t.Context(), id, "key_00000000000000000000000000000000"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("a key that there is not: %v", err)
		}
		if d := time.Since(began); d != 0 { // of the bubble
			t.Errorf("they waited for %v", d)
		}
	})
}

// Calls of your program do what they are for, however many changes of the account wait.
func TestNoFloodOfChangesKeepsYourProgramFromEndingAnAccount(t *testing.T) {
	besideAChange(t, func(t *testing.T, h *authtest.Harness, id auth.Identity, r auth.LoginResult) {
		key, _ := newKey(t, withoutTurn(t, h), id, auth.NewAPIKey{})
		var flood sync.WaitGroup
		for range 300 {
			flood.Go(func() { _, _, _ = h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "one of many"}) })
		}
		synctest.Wait() // one change is held, 256 wait, the rest is refused
		user := id.User.ID
		for i, call := range []func() error{
			func() error { return h.SetRole(t.Context(), user, "member") },
			func() error { return h.RevokeUserAPIKey(t.Context(), user, key.ID) },
			func() error { return h.RevokeSessions(t.Context(), user) },
			func() error { return h.ResetTwoFactor(t.Context(), user) },
			func() error { return h.SetPassword(t.Context(), user, otherPassword) },
			func() error { return h.DisableUser(t.Context(), user) },
			func() error { _, err := h.RevokeAll(t.Context(), auth.Revocation{}); return err },
			func() error { return h.DeleteUser(t.Context(), user) },
		} {
			if err := call(); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		}
		flood.Wait()
	})
}

// withoutTurn is the Manager of another process, which knows no turns of this one.
func withoutTurn(t *testing.T, h *authtest.Harness) *auth.Manager {
	return twin(t, h, auth.Config{Limits: unlimited()}).Manager
}
