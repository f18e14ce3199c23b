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
	everyStore(t, func(t *testing.T, s store.Store) {
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

// SE-10: a user ends what they see in their list, and nothing of another user.
func TestAUserEndsOneOfTheirSessions(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		ctx := t.Context()
		alice, bob := h.Register(), h.Register()
		lost, lostID := alice.Token(), alice.Identity().SessionID
		alice.Login()
		overID := alice.Identity().SessionID
		if err := h.Logout(ctx, alice.Identity()); err != nil {
			t.Fatal(err)
		}
		token, id := alice.Login(), alice.Identity()
		_ = verify(t, other.Manager, lost) // which remembers it
		for _, bad := range []string{bob.Identity().SessionID, overID, "ses_" + strings.Repeat("0", 22), "ses_", "x", "", alice.ID} {
			if err := h.LogoutSession(ctx, id, bad); err != auth.ErrNotFound {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if err := h.LogoutSession(ctx, id, lostID); err != nil {
			t.Fatal(err)
		}
		if verify(t, other.Manager, lost) || !verify(t, other.Manager, token) || !verify(t, other.Manager, bob.Token()) {
			t.Error("not that session, or not it alone")
		}
		if _, err := other.Refresh(ctx, auth.Secret(lost)); err != auth.ErrInvalidToken {
			t.Errorf("its refresh: %v", err)
		}
		if err := h.LogoutSession(ctx, id, lostID); err != auth.ErrNotFound {
			t.Errorf("again: %v", err)
		}
		if err := h.LogoutSession(ctx, id, id.SessionID); err != nil || verify(t, other.Manager, token) {
			t.Errorf("one's own: %v", err)
		}
		if err := h.LogoutSession(ctx, id, bob.Identity().SessionID); err != auth.ErrInvalidToken {
			t.Errorf("of who has no session any more: %v", err)
		}
		if err := h.LogoutSession(ctx, auth.Identity{}, ""); err != auth.ErrInvalidToken {
			t.Errorf("of nobody: %v", err)
		}
	})
}

// A session that expired is over, although its record is there, and one that nobody can read is
// ended all the same.
func TestOneEndsADamagedSessionAndNoneThatIsOver(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, keeper{s}, auth.Config{})
		alice := h.Register()
		overID := alice.Identity().SessionID
		h.Clock.Advance(2 * time.Hour)
		alice.Login()
		damagedID := alice.Identity().SessionID
		alice.Login()
		key := "u." + strings.TrimPrefix(alice.ID, "user_") + "/s." + strings.TrimPrefix(damagedID, "ses_")
		damage(t, s, key)
		if err := h.LogoutSession(t.Context(), alice.Identity(), overID); err != auth.ErrNotFound {
			t.Errorf("one that is over: %v", err)
		}
		if err := h.LogoutSession(t.Context(), alice.Identity(), damagedID); err != nil {
			t.Errorf("a damaged one: %v", err)
		}
		if values, err := s.Get(t.Context(), key); err != nil || values[0] != nil {
			t.Errorf("the record is there: %v", err)
		}
	})
}

// SE-10: all other sessions end in one Commit, and the caller's goes on.
func TestLogoutOthersEndsAllSessionsButTheCallers(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		other := twinOn(t, h, s, auth.Config{Limits: unlimited()})
		ctx := t.Context()
		alice, bob := h.Register(), h.Register()
		backup := alice.EnableTwoFactor()
		var others []string
		for range 5 {
			others = append(others, alice.Login())
			_ = verify(t, other.Manager, alice.Token()) // which remembers it
		}
		others = append(others, refreshed(t, h.Manager, others[0]))
		waiting := firstStep(t, h, alice.Email)
		mine := alice.Login()
		id := alice.Identity()
		commits := 0
		tap.tap(nil, func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" {
				commits++
			}
			return nil
		})
		ended, err := h.LogoutOthers(ctx, id)
		tap.tap(nil, nil)
		if err != nil || ended != 6 || commits != 1 { // with that of the enrolment
			t.Fatalf("%d ended in %d Commits, %v", ended, commits, err)
		}
		for i, token := range others {
			if verify(t, other.Manager, token) {
				t.Errorf("token %d is accepted", i)
			}
			if _, err := other.Refresh(ctx, auth.Secret(token)); err != auth.ErrInvalidToken {
				t.Errorf("token %d is refreshed: %v", i, err)
			}
		}
		if err := secondStep(ctx, other.Manager, waiting, backup[0]); err != auth.ErrInvalidToken {
			t.Errorf("a login that waited: %v", err)
		}
		if !verify(t, other.Manager, mine) || !verify(t, other.Manager, bob.Token()) {
			t.Error("the caller's session ended, or another user's")
		}
		if live, err := other.Sessions(ctx, alice.ID); err != nil || len(live) != 1 || live[0].ID != id.SessionID {
			t.Errorf("%+v, %v", live, err)
		}
		if ended, err := h.LogoutOthers(ctx, id); err != nil || ended != 0 {
			t.Errorf("again: %d, %v", ended, err)
		}
		h.Clock.Advance(time.Minute)
		if !verify(t, other.Manager, refreshed(t, other.Manager, mine)) || !verify(t, other.Manager, alice.Login()) {
			t.Error("the caller's session, or a new one, does not go on")
		}
	})
}

// RC-13: logins, refreshes and two who log out the others, at the same time.
func TestOfTwoWhoLogOutTheOthersOneGoesOn(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		cfg := auth.Config{Limits: unlimited()}
		h := authtest.With(t, s, cfg)
		other := twin(t, h, cfg)
		ctx := t.Context()
		for range 5 {
			alice := h.Register()
			third := alice.Token()
			tokens := []string{alice.Login(), alice.Login()}
			ids := make([]auth.Identity, len(tokens))
			for i, token := range tokens {
				var err error
				if ids[i], err = h.VerifyAccessToken(ctx, auth.Secret(token)); err != nil {
					t.Fatal(err)
				}
			}
			h.Clock.Advance(time.Minute)
			managers := []*auth.Manager{h.Manager, other.Manager}
			got := make([]auth.Secret, 8)
			errs := atOnce(t, 8, func(i int) error {
				m := managers[i%2]
				switch {
				case i < 2:
					_, err := m.LogoutOthers(ctx, ids[i])
					return err
				case i < 4: // of the callers' own sessions
					fresh, err := m.Refresh(ctx, auth.Secret(tokens[i-2]))
					got[i] = fresh.Token
					return err
				case i < 6:
					fresh, err := m.Refresh(ctx, auth.Secret(third))
					got[i] = fresh.Token
					return err
				}
				r, err := m.Login(ctx, alice.Email, authtest.Password)
				got[i] = r.AccessToken.Token
				return err
			})
			winner := 0
			if errs[0] != nil {
				winner = 1
			}
			if errs[winner] != nil || errs[winner+2] != nil || errs[1-winner] != auth.ErrInvalidToken {
				t.Fatalf("of two neither or both go on: %v", errs)
			}
			for i, err := range errs {
				if err != nil && err != auth.ErrInvalidToken || i >= 6 && err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}
			if !verify(t, h.Manager, string(got[winner+2])) {
				t.Error("the caller's session ended")
			}
			for _, token := range append([]string{third, tokens[1-winner]}, string(got[3-winner]), string(got[4]), string(got[5])) {
				if token != "" && verify(t, h.Manager, token) {
					t.Error("a session that was there goes on")
				}
			}
			live, err := other.Sessions(ctx, alice.ID)
			if err != nil {
				t.Fatal(err)
			}
			goesOn := 1
			for _, token := range got[6:] { // a login is ended as a whole, or goes on as one
				if verify(t, h.Manager, string(token)) {
					goesOn++
				}
			}
			if len(live) != goesOn {
				t.Errorf("%d sessions are listed, and %d go on", len(live), goesOn)
			}
		}
	})
}

// A program that keeps a token for a client asks, once it is refused, whether to discard it.
func TestASessionHasEndedWhenNoTokenOfItWorksAgain(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{RefreshAfterExpiry: time.Hour})
		foreign := authtest.New(t).Register().Token()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			act   func(u *authtest.User)
			ended bool
		}{
			"live":        {func(*authtest.User) {}, false},
			"expired":     {func(*authtest.User) { h.Clock.Advance(90 * time.Minute) }, false},
			"too late":    {func(*authtest.User) { h.Clock.Advance(2*time.Hour + time.Second) }, true},
			"superseded":  {func(u *authtest.User) { refreshed(t, h.Manager, u.Token()); h.Clock.Advance(time.Minute) }, false},
			"logged out":  {func(u *authtest.User) { must(h.Logout(t.Context(), u.Identity())) }, true},
			"disabled":    {func(u *authtest.User) { must(h.DisableUser(t.Context(), u.ID)) }, true},
			"deleted":     {func(u *authtest.User) { must(h.DeleteUser(t.Context(), u.ID)) }, true},
			"all revoked": {func(u *authtest.User) { must(h.RevokeSessions(t.Context(), u.ID)) }, true},
		} {
			u := h.Register()
			token := auth.Secret(u.Token())
			c.act(u)
			if ended, err := h.SessionEnded(t.Context(), token); err != nil || ended != c.ended {
				t.Errorf("%s: %v, %v", name, ended, err)
			}
			if _, err := h.Refresh(t.Context(), token); c.ended && !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("%s: it has ended, and is refreshed: %v", name, err)
			}
		}
		for _, token := range []string{"", "nonsense", foreign, h.Register().APIKey()} {
			if ended, err := h.SessionEnded(t.Context(), auth.Secret(token)); err != nil || !ended {
				t.Errorf("%.9s: %v, %v", token, ended, err)
			}
		}
	})
}

// A program that keeps one token for a client has put another in its place.
func TestASessionThatWasReplacedIsEndedWhateverItsTokenIs(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{RefreshAfterExpiry: time.Hour})
		for name, act := range map[string]func(u *authtest.User){
			"live":       func(*authtest.User) {},
			"expired":    func(*authtest.User) { h.Clock.Advance(90 * time.Minute) },
			"superseded": func(u *authtest.User) { refreshed(t, h.Manager, u.Token()); h.Clock.Advance(time.Minute) },
		} {
			u := h.Register()
			token := auth.Secret(u.Token())
			act(u)
			u.Login() // another session, which goes on
			for range 2 {
				if err := h.EndReplacedSession(t.Context(), token); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if ended, err := h.SessionEnded(t.Context(), token); err != nil || !ended {
				t.Errorf("%s: %v, %v", name, ended, err)
			}
			if left, err := h.Sessions(t.Context(), u.ID); err != nil || len(left) != 1 {
				t.Errorf("%s: %d sessions are left, %v", name, len(left), err)
			}
		}
		for _, token := range []string{"", "nonsense", authtest.New(t).Register().Token(), h.Register().APIKey()} {
			if err := h.EndReplacedSession(t.Context(), auth.Secret(token)); err != nil {
				t.Errorf("%.9s: %v", token, err)
			}
		}
	})
}
