package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// SE-1, SE-9: the allow-list. Whatever removes the record ends the session.
func TestATokenWithoutItsSessionRecordIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		alice := h.Register()
		uid, sid := strings.TrimPrefix(alice.ID, "user_"), strings.TrimPrefix(alice.Identity().SessionID, "ses_")
		if err := s.Commit(context.Background(), store.Delete("u."+uid+"/s."+sid)); err != nil {
			t.Fatal(err)
		}
		if verify(t, h.Manager, alice.Token()) {
			t.Error("it is accepted")
		}
	})
}

// SE-9.
func TestATokenIsRefusedByAnEmptyStore(t *testing.T) {
	h := authtest.New(t)
	token := h.Register().Token()
	if verify(t, twinOn(t, h, memstore.New(), auth.Config{}).Manager, token) {
		t.Error("it is accepted")
	}
}

// SE-7, SE-10
func TestARevokedSessionIsRevokedEverywhereAndAlone(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		ctx := context.Background()
		alice, bob := h.Register(), h.Register()
		first := alice.Token()
		firstID := alice.Identity().SessionID
		h.Clock.Advance(time.Second)
		second := alice.Login()
		sessions, err := h.Sessions(ctx, alice.ID)
		if err != nil || len(sessions) != 2 || sessions[1].ID != firstID || !sessions[0].CreatedAt.After(sessions[1].CreatedAt) {
			t.Fatalf("%+v, %v", sessions, err)
		}
		for _, bad := range [][2]string{{bob.ID, firstID}, {alice.ID, "ses_" + strings.Repeat("0", 22)}, {alice.ID, "x"}, {"x", firstID}, {alice.ID, ""}} {
			if err := h.RevokeSession(ctx, bad[0], bad[1]); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("revoke %q of %q: %v", bad[1], bad[0], err)
			}
		}
		if err := h.RevokeSession(ctx, alice.ID, firstID); err != nil {
			t.Fatal(err)
		}
		if verify(t, other.Manager, first) || !verify(t, other.Manager, second) || !verify(t, other.Manager, bob.Token()) {
			t.Error("not this session, or not it alone")
		}
		if err := h.RevokeSession(ctx, alice.ID, firstID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("revoke again: %v", err)
		}
		third := alice.Login()
		if err := h.RevokeSessions(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		if verify(t, other.Manager, second) || verify(t, other.Manager, third) || !verify(t, other.Manager, bob.Token()) {
			t.Error("not all sessions of the user, or more than those")
		}
		if sessions, err := h.Sessions(ctx, alice.ID); err != nil || len(sessions) != 0 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
		if !verify(t, other.Manager, alice.Login()) {
			t.Error("a login after it is refused")
		}
	})
}

func TestALogoutOfOneSessionLeavesTheOthers(t *testing.T) {
	h := authtest.New(t)
	alice := h.Register()
	first, id := alice.Token(), alice.Identity()
	second := alice.Login()
	if err := h.Logout(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if verify(t, h.Manager, first) || !verify(t, h.Manager, second) {
		t.Error("the wrong session ended")
	}
	if err := h.Logout(context.Background(), auth.Identity{}); err != auth.ErrInvalidToken {
		t.Errorf("nobody's logout: %v", err)
	}
}

// AK-7
func TestAnAPIKeyCannotActOnASession(t *testing.T) {
	h := authtest.New(t)
	alice := h.Register()
	id, err := h.VerifyAPIKey(context.Background(), auth.Secret(alice.APIKey()))
	if err != nil {
		t.Fatal(err)
	}
	name := "Eve"
	for call, err := range map[string]error{
		"Logout":         h.Logout(context.Background(), id),
		"ChangePassword": h.ChangePassword(context.Background(), id, authtest.Password, "another long password"),
		"UpdateProfile": func() error {
			_, err := h.UpdateProfile(context.Background(), id, auth.ProfileChange{FullName: &name})
			return err
		}(),
	} {
		if err != auth.ErrForbidden {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestALoginOverTheCapEndsTheOldestSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{MaxSessions: 3})
		alice := h.Register()
		tokens := []string{alice.Token()}
		for range 4 {
			h.Clock.Advance(time.Second)
			tokens = append(tokens, alice.Login())
		}
		for i, token := range tokens {
			if got, want := verify(t, h.Manager, token), i >= 2; got != want {
				t.Errorf("login %d: accepted %v", i, got)
			}
		}
		if sessions, err := h.Sessions(context.Background(), alice.ID); err != nil || len(sessions) != 3 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
	})
}

// ST-6, SE-9
func TestTheNextLoginDeletesEndedSessions(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		alice := h.Register()
		for range 5 {
			alice.Login()
		}
		if err := h.RevokeSessions(context.Background(), alice.ID); err != nil {
			t.Fatal(err)
		}
		alice.Login()
		items, err := s.List(context.Background(), "u."+strings.TrimPrefix(alice.ID, "user_")+"/s.", "", 100)
		if err != nil || len(items) != 1 {
			t.Errorf("%d session records, %v", len(items), err)
		}
	})
}

// SE-3: an identity that a program kept ends with its session.
func TestAnIdentityKeptBeyondItsSessionIsRefused(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{SessionTTL: time.Hour})
	alice := h.Register()
	id := alice.Identity()
	h.Clock.Advance(time.Hour)
	if err := h.ChangePassword(context.Background(), id, authtest.Password, otherPassword); err != auth.ErrInvalidToken {
		t.Errorf("change password: %v", err)
	}
	if sessions, err := h.Sessions(context.Background(), alice.ID); err != nil || len(sessions) != 0 {
		t.Errorf("%d sessions, %v", len(sessions), err)
	}
}

func TestALoginOverTheCapEndsTheSessionThatWentUnrefreshedForLongest(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{MaxSessions: 3})
		alice := h.Register()
		next := func() string { h.Clock.Advance(time.Second); return alice.Login() }
		first, second, third := alice.Token(), next(), next()
		h.Clock.Advance(time.Second)
		first = refreshed(t, h.Manager, first)
		fourth := next()
		if verify(t, h.Manager, second) {
			t.Error("the one that was not refreshed goes on")
		}
		for name, token := range map[string]string{"the refreshed one": first, "the third": third, "the new one": fourth} {
			if !verify(t, h.Manager, token) {
				t.Errorf("%s ended", name)
			}
		}
	})
}

// Sessions that are dead already take no place from a live one, however old that is.
func TestNoLiveSessionIsEndedToMakeRoomForEndedOnes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, keeper{s}, auth.Config{MaxSessions: 4})
		alice := h.Register()
		oldest, id := alice.Token(), alice.Identity()
		for range 3 {
			h.Clock.Advance(time.Second)
			alice.Login()
		}
		if err := h.ChangePassword(t.Context(), id, authtest.Password, otherPassword); err != nil { // ends the three
			t.Fatal(err)
		}
		logIn := func() string {
			t.Helper()
			h.Clock.Advance(time.Second)
			r, err := h.Manager.Login(t.Context(), alice.Email, otherPassword)
			if err != nil {
				t.Fatal(err)
			}
			return string(r.AccessToken.Token)
		}
		for i := range 3 {
			if logIn(); !verify(t, h.Manager, oldest) {
				t.Fatalf("login %d ended the oldest live session of %d", i, i+2)
			}
		}
		items, err := s.List(t.Context(), "u."+strings.TrimPrefix(alice.ID, "user_")+"/s.", "", 100)
		if err != nil || len(items) != 4 {
			t.Errorf("%d session records, %v", len(items), err)
		}
		if logIn(); verify(t, h.Manager, oldest) {
			t.Error("four live ones, and the oldest goes on beside the fifth")
		}
	})
}
