package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// afterLunch is a Config with which an expired token is refreshed for a day.
func afterLunch() auth.Config {
	return auth.Config{RefreshAfterExpiry: 24 * time.Hour, UsageInterval: time.Minute, Limits: unlimited()}
}

// SE-2, SE-3
func TestAnExpiredTokenIsRefreshedForItsTimeAndOpensNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // the login
		want  error
	}{
		"at its expiry":        {time.Hour, nil},
		"after lunch":          {2 * time.Hour, nil},
		"at the last instant":  {25*time.Hour - 1, nil},
		"at the end":           {25 * time.Hour, auth.ErrInvalidToken},
		"long after":           {20 * 24 * time.Hour, auth.ErrInvalidToken},
		"after the session":    {31 * 24 * time.Hour, auth.ErrInvalidToken},
		"before it was issued": {-time.Minute, auth.ErrInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			eachPair(t, afterLunch(), func(t *testing.T, a, b *authtest.Harness, _ time.Duration) {
				alice := a.Register()
				old, id := auth.Secret(alice.Token()), alice.Identity()
				remember(t, a, string(old))
				a.Clock.Advance(c.after)
				for _, m := range []*auth.Manager{a.Manager, b.Manager} {
					_, enrolment := m.VerifyForEnrollment(t.Context(), old)
					if verify(t, m, string(old)) || enrolment != auth.ErrInvalidToken {
						t.Errorf("it opens something: %v", enrolment)
					}
				}
				fresh, err := b.Refresh(t.Context(), old)
				if err != c.want {
					t.Fatalf("refresh: %v", err)
				}
				if err != nil {
					return
				}
				now, err := a.VerifyAccessToken(t.Context(), fresh.Token)
				if err != nil || fresh.ExpiresIn != time.Hour || now.SessionID != id.SessionID || !now.AuthTime.Equal(id.AuthTime) {
					t.Errorf("%+v, %+v, %v", fresh, now, err)
				}
				if verify(t, a.Manager, string(old)) {
					t.Error("within the grace the expired token opens something")
				}
			})
		})
	}
}

// SE-2, SE-8: what ends a session ends it for clients that sleep.
func TestAnExpiredTokenOfAnEndedSessionIsNotRefreshed(t *testing.T) {
	for name, end := range map[string]func(h *authtest.Harness, u *authtest.User) error{
		"logout":             func(h *authtest.Harness, u *authtest.User) error { return h.Logout(t.Context(), u.Identity()) },
		"all sessions ended": func(h *authtest.Harness, u *authtest.User) error { return h.RevokeSessions(t.Context(), u.ID) },
		"the password is set": func(h *authtest.Harness, u *authtest.User) error {
			return h.SetPassword(t.Context(), u.ID, otherPassword)
		},
		"the user disabled": func(h *authtest.Harness, u *authtest.User) error { return h.DisableUser(t.Context(), u.ID) },
		"the user deleted":  func(h *authtest.Harness, u *authtest.User) error { return h.DeleteUser(t.Context(), u.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, s, afterLunch())
				alice := h.Register()
				if err := end(h, alice); err != nil {
					t.Fatal(err)
				}
				h.Clock.Advance(2 * time.Hour)
				if _, err := h.Refresh(t.Context(), auth.Secret(alice.Token())); err != auth.ErrInvalidToken {
					t.Errorf("refresh: %v", err)
				}
			})
		})
	}
}

// SE-3, SE-5: also with a second factor.
func TestNoExpiredTokenIsRefreshedBeyondItsSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := afterLunch()
		cfg.RefreshAfterExpiry = 400 * 24 * time.Hour
		h := authtest.With(t, s, cfg)
		for multiFactor, end := range map[bool]time.Duration{false: 30 * 24 * time.Hour, true: 24 * time.Hour} {
			alice := h.Register()
			if multiFactor {
				alice.EnableTwoFactor()
				alice.Login()
			}
			id := alice.Identity()
			h.Clock.Advance(end - time.Minute)
			fresh, err := h.Refresh(t.Context(), auth.Secret(alice.Token()))
			if err != nil || fresh.ExpiresIn != time.Minute {
				t.Fatalf("two factors %v: a minute before the end: %+v, %v", multiFactor, fresh, err)
			}
			if now := identityOf(t, h.Manager, fresh.Token); now.MultiFactor() != multiFactor || !now.AuthTime.Equal(id.AuthTime) {
				t.Errorf("two factors %v: %+v", multiFactor, now)
			}
			h.Clock.Advance(time.Minute)
			if _, err := h.Refresh(t.Context(), fresh.Token); err != auth.ErrInvalidToken {
				t.Errorf("two factors %v: at the end: %v", multiFactor, err)
			}
		}
	})
}

// SE-6: an expired copy is found as another is.
func TestAnExpiredTokenThatWasSupersededEndsItsSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, afterLunch())
		first := h.Register().Token()
		h.Clock.Advance(2 * time.Hour)
		second := refreshed(t, h.Manager, first)
		if !verify(t, h.Manager, second) {
			t.Fatal("the new token is refused")
		}
		h.Clock.Advance(time.Minute)
		wantReuse(t, h.Manager, first, second)

		first = h.Register().Token()
		second = refreshed(t, h.Manager, first)
		_ = verify(t, h.Manager, second)
		h.Clock.Advance(25 * time.Hour) // nobody could refresh the first any more
		if _, err := h.Refresh(t.Context(), auth.Secret(first)); err != auth.ErrInvalidToken {
			t.Errorf("refresh: %v", err)
		}
	})
}

// SE-6: a client that sleeps right after a refresh whose reply it did not get.
func TestALostReplyIsAnsweredWithALiveTokenAfterASleep(t *testing.T) {
	eachPair(t, afterLunch(), func(t *testing.T, a, b *authtest.Harness, _ time.Duration) {
		first := a.Register().Token()
		a.Clock.Advance(30 * time.Minute)
		lost := refreshed(t, a.Manager, first)
		a.Clock.Advance(10 * time.Hour)
		got := make([]string, 8)
		errs := atOnce(t, len(got), func(i int) error {
			fresh, err := []*auth.Manager{a.Manager, b.Manager}[i%2].Refresh(t.Context(), auth.Secret(first))
			got[i] = string(fresh.Token)
			if err == nil && fresh.ExpiresIn != time.Hour {
				err = errors.New("it expires in " + fresh.ExpiresIn.String())
			}
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, token := range got {
			if token != got[0] || payload(t, auth.Secret(token))["jti"] != payload(t, auth.Secret(lost))["jti"] {
				t.Error("there are two tokens")
			}
		}
		if !verify(t, a.Manager, got[0]) || verify(t, a.Manager, lost) {
			t.Error("the new token is refused, or an expired one accepted")
		}
		a.Clock.Advance(time.Minute)
		wantReuse(t, a.Manager, first, got[0])
	})
}

// SE-10: a list without what is over.
func TestSessionsAreThoseThatCanGoOnWithTheirRealEnd(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		cfg         auth.Config
		refreshedAt time.Duration // after the login, 0: not
		looked      time.Duration
		end         time.Duration // 0: it is over
	}{
		"new":                                {auth.Config{}, 0, 0, time.Hour},
		"before its token expires":           {auth.Config{}, 0, time.Hour - 1, time.Hour},
		"after its token expired":            {auth.Config{}, 0, time.Hour, 0},
		"days after":                         {auth.Config{}, 0, 7 * day, 0},
		"refreshed":                          {auth.Config{}, 40 * time.Minute, time.Hour, 100 * time.Minute},
		"refreshed, and expired":             {auth.Config{}, 40 * time.Minute, 100 * time.Minute, 0},
		"refreshed near its end":             {auth.Config{SessionTTL: 90 * time.Minute}, 50 * time.Minute, time.Hour, 90 * time.Minute},
		"of a longer token":                  {auth.Config{AccessTokenTTL: 24 * time.Hour}, 0, 23 * time.Hour, 24 * time.Hour},
		"that can be refreshed later":        {auth.Config{RefreshAfterExpiry: 7 * day}, 0, 2 * day, 7*day + time.Hour},
		"that could be refreshed later":      {auth.Config{RefreshAfterExpiry: 7 * day}, 0, 7*day + time.Hour, 0},
		"refreshed, and later":               {auth.Config{RefreshAfterExpiry: 7 * day}, 5 * day, 10 * day, 12*day + time.Hour},
		"that could be refreshed past it":    {auth.Config{RefreshAfterExpiry: 400 * day}, 0, 29 * day, 30 * day},
		"that could be refreshed, at an end": {auth.Config{RefreshAfterExpiry: 400 * day}, 0, 30 * day, 0},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, keeper{s}, c.cfg)
				alice := h.Register()
				began, token := h.Clock.Now(), alice.Token()
				if c.refreshedAt > 0 {
					h.Clock.Advance(c.refreshedAt)
					token = refreshed(t, h.Manager, token)
				}
				h.Clock.Advance(c.looked - c.refreshedAt)
				looks := h
				if c.cfg.AccessTokenTTL != 0 { // of a process whose tokens are shorter
					looks = twin(t, h, auth.Config{})
				}
				sessions, err := looks.Sessions(t.Context(), alice.ID)
				if err != nil || len(sessions) > 1 || len(sessions) == 1 != (c.end > 0) {
					t.Fatalf("%+v, %v", sessions, err)
				}
				if c.end > 0 && !sessions[0].ExpiresAt.Equal(began.Add(c.end)) {
					t.Errorf("it ends %v after the login, want %v", sessions[0].ExpiresAt.Sub(began), c.end)
				}
				_, err = h.Refresh(t.Context(), auth.Secret(token))
				if goesOn := err == nil; goesOn != (c.end > 0) {
					t.Errorf("it is listed: %v, and its refresh: %v", c.end > 0, err)
				}
			})
		})
	}
}
