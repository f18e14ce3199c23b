package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// A process whose clock is a year ahead registers an address and dies half-way, or begins
// a session. For clocks that are right neither of them has just happened.
func TestWhatAClockAheadHasWrittenIsNotRecent(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		const jump = 365 * 24 * time.Hour
		h.Clock.Advance(jump)
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" && c.names("/acct") {
				return errOutage
			}
			return nil
		}, nil)
		if _, err := signUp(h.Manager, "half@example.com"); err == nil {
			t.Fatal("the registration is not cut off")
		}
		tap.tap(nil, nil)
		id := h.Register().Identity()
		e, err := h.EnableTwoFactor(t.Context(), id, "")
		if err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(-jump)
		if _, err := h.Manager.Register(clientAt(t, "198.51.100.9"), registration("half@example.com")); err != nil { // a network without a counter
			t.Errorf("the address of a registration that was cut off: %v", err)
		}
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
			t.Errorf("a second factor that was set up in a year: %v", err)
		}
		if _, err := h.EnableTwoFactor(t.Context(), id, ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
			t.Errorf("a login in a year counts as fresh: %v", err)
		}
	})
}
