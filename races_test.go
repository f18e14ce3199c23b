package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// What is read and what is written is where races are lost. Here callers are held
// between the two, so that a rule that does not hold fails in the first round, on every
// store.

// abreast calls f n times at the same time and holds each caller's first Commit with a
// key that ends in suffix until all have come to theirs or are done: each has decided
// before any has written. f passes its context on.
func (s *tapStore) abreast(t *testing.T, n int, suffix string, f func(ctx context.Context, i int) error) []error {
	t.Helper()
	type racer struct{}
	var waiting sync.WaitGroup
	waiting.Add(n)
	arrive := make([]func(), n)
	for i := range arrive {
		arrive[i] = sync.OnceFunc(waiting.Done)
	}
	s.tap(func(ctx context.Context, c storeCall) error {
		if i, ok := ctx.Value(racer{}).(int); ok && c.kind == "Commit" && c.names(suffix) {
			arrive[i]()
			waiting.Wait()
		}
		return nil
	}, nil)
	defer s.tap(nil, nil)
	return atOnce(t, n, func(i int) error {
		defer arrive[i]()
		return f(context.WithValue(t.Context(), racer{}, i), i)
	})
}

// informed calls f n times at the same time and holds each caller after its first Get with a key
// that ends in suffix until all have read it: none knows what another does. f passes its
// context on.
func (s *tapStore) informed(t *testing.T, n int, suffix string, f func(ctx context.Context, i int) error) []error {
	t.Helper()
	type racer struct{}
	var waiting sync.WaitGroup
	waiting.Add(n)
	arrive := make([]func(), n)
	for i := range arrive {
		arrive[i] = sync.OnceFunc(waiting.Done)
	}
	s.tap(nil, func(ctx context.Context, c storeCall) error {
		if i, ok := ctx.Value(racer{}).(int); ok && c.kind == "Get" && c.names(suffix) {
			arrive[i]()
			waiting.Wait()
		}
		return nil
	})
	defer s.tap(nil, nil)
	return atOnce(t, n, func(i int) error {
		defer arrive[i]()
		return f(context.WithValue(t.Context(), racer{}, i), i)
	})
}

// overtaken calls slow, makes all of fast while the first Commit of slow with a key that
// ends in suffix is held up, and returns what slow returns then.
func (s *tapStore) overtaken(t *testing.T, suffix string, slow, fast func() error) error {
	t.Helper()
	held, release := stall(t, s, func(c storeCall) bool { return c.kind == "Commit" && c.names(suffix) })
	defer s.tap(nil, nil)
	done := make(chan error, 1)
	go func() { done <- slow() }()
	held()
	err := fast()
	release()
	if err != nil {
		t.Errorf("what overtakes: %v", err)
	}
	return <-done
}

// raced is the Config of Managers whose callers are held up.
func raced() auth.Config {
	limits := noLoginLimits()
	limits.CodeByAccount = plenty
	return auth.Config{Limits: limits, HashQueue: 500, HashWait: time.Minute}
}

// manyProcesses returns h, whose calls change one account as those of many processes do: they
// do not wait for each other.
func manyProcesses(h *authtest.Harness) *authtest.Harness {
	h.WithoutTurns()
	return h
}

// RC-9, RC-13, RC-15, RC-19, RC-20, RC-21, Advisory 7, Advisory 23 (CVE-2026-35594): what a
// user does from one session has been decided, and is to be written; then the session ends
// in one way or another, in another process. It fails and leaves nothing.
func TestACallDuringTheEndOfItsSessionFailsAndLeavesNothing(t *testing.T) {
	type world struct {
		*authtest.Harness
		u       *authtest.User
		mine    auth.Identity // the session that is overtaken
		token   auth.Secret   // its token
		there   auth.Identity // another
		pending auth.TwoFactorEnrollment
		backup  []auth.Secret // where the second factor is on
		temp    auth.Secret
		opened  auth.Secret // the token that a slow call got
	}
	name, plain, enrolled := "Ada King", false, true
	slow := []struct {
		what     string
		enrolled bool
		suffix   string
		call     func(ctx context.Context, m *auth.Manager, w *world) error
	}{
		{"login", plain, "/acct", func(ctx context.Context, m *auth.Manager, w *world) error {
			r, err := m.Login(ctx, w.u.Email, authtest.Password)
			if w.opened = r.AccessToken.Token; err == nil && r.TwoFactorRequired() {
				return auth.ErrInvalidCredentials // as good: it is refused
			}
			return err
		}},
		{"second step", enrolled, "/totp", func(ctx context.Context, m *auth.Manager, w *world) error {
			r, err := m.VerifyTwoFactor(ctx, w.temp, w.backup[0])
			w.opened = r.AccessToken.Token
			return err
		}},
		{"refresh", plain, "/acct", func(ctx context.Context, m *auth.Manager, w *world) error {
			fresh, err := m.Refresh(ctx, w.token)
			w.opened = fresh.Token
			return err
		}},
		{"name", plain, "/acct", func(ctx context.Context, m *auth.Manager, w *world) error {
			_, err := m.UpdateProfile(ctx, w.mine, auth.ProfileChange{FullName: &name})
			return err
		}},
		{"address", plain, "/acct", func(ctx context.Context, m *auth.Manager, w *world) error {
			email := "new." + w.u.Email
			_, err := m.UpdateProfile(ctx, w.mine, auth.ProfileChange{Email: &email})
			return err
		}},
		{"password", plain, "/pass", func(ctx context.Context, m *auth.Manager, w *world) error {
			return m.ChangePassword(ctx, w.mine, authtest.Password, "the password of who came too late")
		}},
		{"logout of the others", plain, "/acct", func(ctx context.Context, m *auth.Manager, w *world) error {
			_, err := m.LogoutOthers(ctx, w.mine)
			return err
		}},
		{"key", plain, "/keys", func(ctx context.Context, m *auth.Manager, w *world) error {
			_, _, err := m.CreateAPIKey(ctx, w.mine, auth.NewAPIKey{Name: "late"})
			return err
		}},
		{"confirmation", plain, "/totp", func(ctx context.Context, m *auth.Manager, w *world) error {
			return m.ConfirmTwoFactor(ctx, w.mine, codeAt(w.pending, w.Clock.Now()))
		}},
		{"second factor off", enrolled, "/totp", func(ctx context.Context, m *auth.Manager, w *world) error {
			return m.DisableTwoFactor(ctx, w.mine, authtest.Password, w.backup[0])
		}},
	}
	fast := []struct {
		what string
		call func(ctx context.Context, w *world) error
	}{
		{"logout", func(ctx context.Context, w *world) error { return w.Logout(ctx, w.mine) }},
		{"logout by another session", func(ctx context.Context, w *world) error { return w.LogoutSession(ctx, w.there, w.mine.SessionID) }},
		{"logout of the others", func(ctx context.Context, w *world) error { _, err := w.LogoutOthers(ctx, w.there); return err }},
		{"change of password", func(ctx context.Context, w *world) error {
			return w.ChangePassword(ctx, w.there, authtest.Password, otherPassword)
		}},
		{"change of second factor", func(ctx context.Context, w *world) error {
			if w.backup != nil {
				return w.DisableTwoFactor(ctx, w.there, authtest.Password, w.backup[1])
			}
			return w.ConfirmTwoFactor(ctx, w.there, codeAt(w.pending, w.Clock.Now()))
		}},
		{"disabled", func(ctx context.Context, w *world) error { return w.DisableUser(ctx, w.u.ID) }},
		{"deleted", func(ctx context.Context, w *world) error { return w.DeleteUser(ctx, w.u.ID) }},
	}
	opensSession := map[string]bool{"login": true, "second step": true} // of its own
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		ctx := t.Context()
		for _, slow := range slow {
			for _, fast := range fast {
				changesFactor := fast.what == "change of second factor"
				if changesFactor && !opensSession[slow.what] {
					continue // as a change of password
				}
				w := &world{Harness: h, u: h.Register()}
				w.there = w.u.Identity()
				if slow.enrolled {
					w.backup = w.u.EnableTwoFactor()
					w.temp = firstStep(t, h, w.u.Email)
					w.there = w.u.Identity()
					r, err := h.VerifyTwoFactor(ctx, firstStep(t, h, w.u.Email), w.backup[2])
					if err != nil {
						t.Fatal(err)
					}
					w.token = r.AccessToken.Token
				} else {
					if changesFactor {
						w.pending = enrol(t, h, w.there)
					}
					w.token = auth.Secret(w.u.Login())
				}
				var err error
				if w.mine, err = h.VerifyAccessToken(ctx, w.token); err != nil {
					t.Fatal(err)
				}
				if slow.what == "confirmation" {
					w.pending = enrol(t, h, w.mine)
				}
				before, err := h.TwoFactorStatus(ctx, w.u.ID)
				if err != nil {
					t.Fatal(err)
				}

				err = tap.overtaken(t, slow.suffix,
					func() error { return slow.call(ctx, other.Manager, w) }, func() error { return fast.call(ctx, w) })
				at := fmt.Sprintf("%s, overtaken by %s", slow.what, fast.what)
				goesOn := opensSession[slow.what] && (fast.what == "logout" || fast.what == "logout by another session")
				if goesOn || slow.what == "login" && fast.what == "logout of the others" { // then it begins after them
					if err != nil || !verify(t, h.Manager, string(w.opened)) {
						t.Errorf("%s: %v", at, err)
					}
					continue
				}
				if !errors.Is(err, auth.ErrInvalidToken) && !errors.Is(err, auth.ErrInvalidCredentials) {
					t.Errorf("%s: %v", at, err)
				}
				if w.opened != "" {
					t.Errorf("%s: it has a token", at)
				}
				now, err := h.User(ctx, w.u.ID)
				if fast.what == "deleted" {
					if !errors.Is(err, auth.ErrNotFound) {
						t.Errorf("%s: the user is back: %v", at, err)
					}
					continue
				}
				on := slow.enrolled != changesFactor
				if err != nil || now.FullName != w.u.FullName || now.Email != w.u.Email || now.TwoFactorEnabled != on || now.Disabled != (fast.what == "disabled") {
					t.Errorf("%s: the user is %+v, %v", at, now, err)
				}
				if status, err := h.TwoFactorStatus(ctx, w.u.ID); err != nil || on && slow.enrolled && status != before {
					t.Errorf("%s: %+v became %+v, %v", at, before, status, err)
				}
				left := 1
				if fast.what == "disabled" {
					left = 0
				}
				if live, err := h.Sessions(ctx, w.u.ID); err != nil || len(live) != left || left == 1 && live[0].ID != w.there.SessionID {
					t.Errorf("%s: %d sessions are left, %v", at, len(live), err)
				}
				if keys, err := h.UserAPIKeys(ctx, w.u.ID); err != nil || len(keys) != 0 {
					t.Errorf("%s: %d keys, %v", at, len(keys), err)
				}
				if err := login(ctx, h.Manager, w.u.Email, "the password of who came too late"); !errors.Is(err, auth.ErrInvalidCredentials) {
					t.Errorf("%s: the late password: %v", at, err)
				}
			}
		}
	})
}

// RC-9, RC-18: two calls from one session. The first of them to be written ends nothing
// that the other stands on but the password or the enrolment.
func TestACallDuringANewPasswordOrEnrolmentFails(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		ctx := t.Context()
		change := func(id auth.Identity) func() error {
			return func() error { return h.ChangePassword(ctx, id, authtest.Password, otherPassword) }
		}
		u := h.Register()
		backup := u.EnableTwoFactor()
		id := u.Identity()
		err := tap.overtaken(t, "/totp", func() error { return other.DisableTwoFactor(ctx, id, authtest.Password, backup[0]) }, change(id))
		if status, failed := h.TwoFactorStatus(ctx, u.ID); !errors.Is(err, auth.ErrInvalidCredentials) || failed != nil || !status.Enabled {
			t.Errorf("disabling with the old password: %v, then on: %v, %v", err, status.Enabled, failed)
		}

		u = h.Register()
		id = u.Identity()
		late := auth.Secret("the password of who came too late")
		err = tap.overtaken(t, "/pass", func() error { return other.ChangePassword(ctx, id, authtest.Password, late) }, change(id))
		if failed := login(ctx, h.Manager, u.Email, otherPassword); !errors.Is(err, auth.ErrInvalidCredentials) || failed != nil {
			t.Errorf("changing from the old password: %v, then the new one: %v", err, failed)
		}

		u = h.Register()
		id = u.Identity()
		first := enrol(t, h, id)
		var second auth.TwoFactorEnrollment
		err = tap.overtaken(t, "/totp", func() error { return other.ConfirmTwoFactor(ctx, id, codeAt(first, h.Clock.Now())) },
			func() (err error) { second, err = h.EnableTwoFactor(ctx, id, ""); return err })
		if failed := h.ConfirmTwoFactor(ctx, id, codeAt(second, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) || failed != nil {
			t.Errorf("confirming the old secret: %v, then the new one: %v", err, failed)
		}
	})
}
