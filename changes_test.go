package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

func TestOneAccountCannotWriteWithoutEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		alice, bob := h.Register(), h.Register()
		var commits atomic.Int64
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" {
				commits.Add(1)
			}
			return nil
		}, nil)
		rename := func(id auth.Identity, n int) error {
			name := fmt.Sprintf("Ada %d", n)
			_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{FullName: &name})
			return err
		}
		id := alice.Identity()
		refused := 0
		for i, err := range atOnce(t, 100, func(i int) error { return rename(id, i) }) {
			switch {
			case errors.Is(err, auth.ErrRateLimited):
				refused++
			case err != nil:
				t.Errorf("change %d: %v", i, err)
			}
		}
		if refused != 100-60 || commits.Load() > 2*60 {
			t.Errorf("100 changes at once: %d were refused, %d Commits", refused, commits.Load())
		}
		if err := rename(bob.Identity(), 1); err != nil {
			t.Errorf("another user's change: %v", err)
		}
		if err := h.ChangePassword(t.Context(), id, authtest.Password, otherPassword); err != nil {
			t.Errorf("a change of the password after them: %v", err)
		}
		h.Clock.Advance(time.Second)
		if err := errors.Join(rename(id, 1), h.Logout(t.Context(), id)); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

func TestARefreshRightAfterAnotherWritesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		alice := h.Register()
		var commits atomic.Int64
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" {
				commits.Add(1)
			}
			return nil
		}, nil)
		refresh := func(token auth.Secret) auth.Secret {
			t.Helper()
			fresh, err := h.Refresh(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			return fresh.Token
		}
		first := auth.Secret(alice.Token())
		h.Clock.Advance(time.Millisecond)
		second := refresh(first) // right after the login, which a client may do
		if second == first {
			t.Error("the first refresh returned the old token")
		}
		for range 1000 {
			if again := refresh(second); again != second {
				t.Fatal("a refresh right after another made a token")
			}
		}
		if n := commits.Load(); n != 1 {
			t.Errorf("1001 refreshes made %d Commits, want 1", n)
		}
		h.Clock.Advance(5 * time.Second)
		if third := refresh(second); third == second || commits.Load() != 2 {
			t.Errorf("5 seconds later there is no new token, %d Commits", commits.Load())
		}
	})
}
