package auth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// rightProof is a user who sends right passwords and codes only, and little is admitted at once.
type rightProof struct {
	*authtest.Harness
	tap      *tapStore
	plain, u *authtest.User
}

func newRightProof(t *testing.T, s store.Store) *rightProof {
	few := store.Limit{Burst: 2, Every: 24 * time.Hour}
	w := &rightProof{tap: newTapStore(s)}
	w.Harness = authtest.With(t, w.tap, auth.Config{Limits: auth.Limits{
		LoginByAddress: plenty, LoginByAccountAddress: few, LoginByAccount: plenty, CodeByAccount: few, RegisterByAddress: plenty,
	}})
	auth.AwaitBackground(w.Manager)
	w.plain, w.u = w.Register(), w.Register()
	w.u.EnableTwoFactor()
	w.Clock.Advance(time.Minute)
	return w
}

// freshIdentity is that of a new login, after which a new code is shown.
func (w *rightProof) freshIdentity(u *authtest.User) auth.Identity {
	u.Login()
	id := u.Identity()
	w.Clock.Advance(30 * time.Second)
	return id
}

// calls are the calls that ask for a password or a code. Each returns the call for which a fault
// is made, and does before what that needs.
func (w *rightProof) calls(t *testing.T) map[string]func() func(ctx context.Context) error {
	return map[string]func() func(ctx context.Context) error{
		"Login": func() func(ctx context.Context) error {
			return func(ctx context.Context) error { return login(ctx, w.Manager, w.plain.Email, authtest.Password) }
		},
		"Login, first step": func() func(ctx context.Context) error {
			return func(ctx context.Context) error { return login(ctx, w.Manager, w.u.Email, authtest.Password) }
		},
		"VerifyTwoFactor": func() func(ctx context.Context) error {
			temp := firstStep(t, w.Harness, w.u.Email)
			return func(ctx context.Context) error { return secondStep(ctx, w.Manager, temp, auth.Secret(w.u.Code())) }
		},
		"ChangePassword": func() func(ctx context.Context) error {
			id := w.freshIdentity(w.plain)
			return func(ctx context.Context) error {
				return w.ChangePassword(ctx, id, authtest.Password, authtest.Password)
			}
		},
		"UpdateProfile": func() func(ctx context.Context) error {
			id := w.freshIdentity(w.u)
			email := "moved@example.com"
			if id.User.Email == email {
				email = "back@example.com"
			}
			w.u.Email = id.User.Email
			return func(ctx context.Context) error {
				u, err := w.UpdateProfile(ctx, id, auth.ProfileChange{
					Email: &email, CurrentPassword: authtest.Password, Code: auth.Secret(w.u.Code()),
				})
				if err == nil {
					w.u.Email = u.Email
				}
				return err
			}
		},
	}
}

// LG-5: whenever the store fails or the client leaves, a right password or code is not counted as
// a wrong one, and a next attempt with it succeeds.
func TestARightProofThatTheStoreOrTheClientCutsOffIsGivenBack(t *testing.T) {
	everyFastStore(t, func(t *testing.T, s store.Store) {
		w := newRightProof(t, s)
		ctx := clientAt(t, "192.0.2.1")
		for name, prepare := range w.calls(t) {
			for _, leaves := range []bool{false, true} {
				var met atomic.Bool
				met.Store(true)
				for nth := int64(1); met.Load(); nth++ {
					met.Store(false)
					for range 3 { // more than a budget admits
						call := prepare()
						ctx, leave := context.WithCancel(ctx)
						var n atomic.Int64 // a call may ask the store several things at once
						w.tap.tap(func(_ context.Context, c storeCall) error {
							if c.kind == "Hit" {
								return nil
							}
							if n.Add(1) != nth {
								return nil
							}
							met.Store(true)
							if leaves {
								leave()
								return nil
							}
							return errOutage
						}, nil)
						if err := call(ctx); err != nil && !errors.Is(err, auth.ErrUnavailable) {
							t.Fatalf("%s, cut off at %d (client leaves: %t): %v", name, nth, leaves, err)
						}
						w.tap.tap(nil, nil)
						leave()
						w.Clock.Advance(30 * time.Second) // another code, if it was used
					}
					if err := prepare()(ctx); err != nil {
						t.Fatalf("%s, after it was cut off at %d (client leaves: %t): %v", name, nth, leaves, err)
					}
					w.Clock.Advance(10 * time.Minute) // no login waits any more
				}
			}
		}
	})
}
