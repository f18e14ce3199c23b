package auth_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// SE-7: whoever asks to be logged out is.
func TestAnyTokenThatASessionEverHadLogsItOut(t *testing.T) {
	const first, last = 0, 2 // of three tokens of one session
	for name, c := range map[string]struct {
		token int
		wait  time.Duration // after the last refresh
	}{
		"the current one":                {last, time.Minute},
		"one within its grace":           {last - 1, 5 * time.Second},
		"a superseded one":               {last - 1, time.Minute},
		"one superseded before that":     {first, time.Minute},
		"the current one, expired":       {last, time.Hour},
		"the current one, expired long":  {last, 29 * 24 * time.Hour},
		"a superseded one, expired":      {first, 2 * time.Hour},
		"one from before a clock's jump": {last, -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, s, auth.Config{})
				other := twin(t, h, auth.Config{})
				alice := h.Register()
				otherSession := alice.Token()
				tokens := []string{alice.Login()}
				for len(tokens) <= last {
					h.Clock.Advance(time.Minute)
					tokens = append(tokens, refreshed(t, h.Manager, tokens[len(tokens)-1]))
				}
				_ = verify(t, other.Manager, tokens[last]) // which remembers it
				h.Clock.Advance(c.wait)
				if err := h.LogoutToken(t.Context(), auth.Secret(tokens[c.token])); err != nil {
					t.Fatal(err)
				}
				h.Clock.Advance(-c.wait)
				for i, token := range tokens {
					if verify(t, other.Manager, token) {
						t.Errorf("token %d is accepted", i)
					}
					if _, err := other.Refresh(t.Context(), auth.Secret(token)); err != auth.ErrInvalidToken {
						t.Errorf("token %d is refreshed: %v", i, err)
					}
					if err := other.LogoutToken(t.Context(), auth.Secret(token)); err != auth.ErrInvalidToken {
						t.Errorf("token %d logs out again: %v", i, err)
					}
				}
				if sessions, err := other.Sessions(t.Context(), alice.ID); err != nil || len(sessions) != 1 {
					t.Errorf("%d sessions, %v", len(sessions), err)
				}
				h.Clock.Advance(-2 * time.Minute)
				if !verify(t, other.Manager, otherSession) {
					t.Error("another session of the user ended")
				}
			})
		})
	}
}

// SE-7, JW-1, JW-4: a logout with an old token needs a signature as every call does.
func TestATokenOfNoLiveSessionLogsNobodyOut(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		alice, off := h.Register(), h.Register()
		token := alice.Token()
		parts := strings.Split(token, ".")
		theirs := strings.Split(off.Token(), ".")
		foreign := func(cfg auth.Config) string {
			r, err := twin(t, h, cfg).Login(t.Context(), alice.Email, authtest.Password)
			if err != nil {
				t.Fatal(err)
			}
			return string(r.AccessToken.Token)
		}
		aliceID := alice.Identity().SessionID
		login, err := h.Login(t.Context(), alice.Email, authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		out := string(login.AccessToken.Token)
		if err := h.LogoutToken(t.Context(), auth.Secret(out)); err != nil {
			t.Fatal(err)
		}
		disabled := off.Token()
		if err := h.DisableUser(t.Context(), off.ID); err != nil {
			t.Fatal(err)
		}
		changed := h.Register()
		before := changed.Token()
		changed.Login()
		if err := h.ChangePassword(t.Context(), changed.Identity(), authtest.Password, otherPassword); err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string]string{
			"no token":                          "",
			"a session's id":                    aliceID,
			"a user's id":                       alice.ID,
			"an API key":                        alice.APIKey(),
			"one without a signature":           parts[0] + "." + parts[1] + ".",
			"one with another's signature":      parts[0] + "." + parts[1] + "." + theirs[2],
			"one with another's claims":         parts[0] + "." + theirs[1] + "." + parts[2],
			"one with alg none":                 "eyJhbGciOiJub25lIn0." + parts[1] + ".",
			"one with a byte more":              token + "A",
			"one of another secret":             foreign(auth.Config{Secrets: []auth.Secret{goodSecret}}),
			"one of another issuer":             foreign(auth.Config{Issuer: "other", Audience: "auth"}),
			"one of another audience":           foreign(auth.Config{Audience: "other"}),
			"one of a session that ended":       out,
			"one of a disabled user":            disabled,
			"one that a change of password hit": before,
		} {
			commits := tap.commits.Load()
			if err := h.LogoutToken(t.Context(), auth.Secret(bad)); err != auth.ErrInvalidToken {
				t.Errorf("%s: %v", name, err)
			}
			if tap.commits.Load() != commits {
				t.Errorf("%s: the store was written to", name)
			}
		}
		if !verify(t, h.Manager, token) || !verify(t, h.Manager, changed.Token()) {
			t.Error("a session ended")
		}
	})
}

// RC-13, with the token that another tab has refreshed.
func TestNoRefreshOutrunsALogoutByAnOldToken(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		other := twin(t, h, auth.Config{Limits: unlimited()})
		alice := h.Register()
		for range 10 {
			old := alice.Login()
			h.Clock.Advance(time.Minute)
			current := refreshed(t, h.Manager, old)
			tokens := []string{current}
			h.Clock.Advance(time.Minute)
			var mu sync.Mutex
			errs := atOnce(t, 4, func(i int) error {
				if i == 0 {
					return h.LogoutToken(context.Background(), auth.Secret(old))
				}
				fresh, err := other.Refresh(context.Background(), auth.Secret(current))
				if err == auth.ErrInvalidToken {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				tokens = append(tokens, string(fresh.Token))
				return err
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
			for _, token := range tokens {
				if verify(t, other.Manager, token) {
					t.Fatal("a token is accepted after the logout")
				}
			}
		}
	})
}

// A record that nobody can read still ends, so no repair of the store brings the session back.
func TestALogoutByTokenEndsADamagedSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		alice := h.Register()
		key := "u." + strings.TrimPrefix(alice.ID, "user_") + "/s." + strings.TrimPrefix(alice.Identity().SessionID, "ses_")
		damage(t, s, key)
		if err := h.LogoutToken(t.Context(), auth.Secret(alice.Token())); err != nil {
			t.Fatal(err)
		}
		if values, err := s.Get(t.Context(), key); err != nil || values[0] != nil {
			t.Errorf("the record is there: %v", err)
		}
	})
}
