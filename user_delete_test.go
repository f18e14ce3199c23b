package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// remains returns the keys of the records and counters of s that have one of the words. A
// counter that has ended is left out.
func remains(t *testing.T, s store.Store, now time.Time, words ...string) (keys []string, records []store.Record) {
	t.Helper()
	for place := ""; ; {
		page, err := s.(store.Walker).Walk(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			if holds([]byte(rec.Key+" "+string(rec.Value)), words...) != "" {
				keys, records = append(keys, rec.Key), append(records, rec)
			}
		}
		for _, c := range page.Counters {
			if c.Until.After(now) && holds([]byte(c.Key), words...) != "" {
				keys = append(keys, "counter "+c.Key)
			}
		}
		if place = page.Next; place == "" {
			return keys, records
		}
	}
}

// A departed is a user that is deleted, with everything that a store can have of one.
type departed struct {
	*authtest.User
	words []string
}

func departing(t *testing.T, h *authtest.Harness, round int) departed {
	t.Helper()
	name := fmt.Sprintf("Bertrand%dRussell", round)
	first, second := emailOf("first", round)+".example", emailOf("second", round)+".example"
	ctx := auth.WithClient(t.Context(), auth.Client{Addr: netip.MustParseAddr("192.0.2.7"), UserAgent: "Browser of " + name})
	registered, err := h.Manager.Register(ctx, auth.Registration{Email: first, Password: authtest.Password, FullName: name})
	if err != nil {
		t.Fatal(err)
	}
	token := func(email string) auth.Identity {
		r, err := h.Login(ctx, email, authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		return identityOf(t, h.Manager, r.AccessToken.Token)
	}
	id := token(first)
	if _, err := h.UpdateProfile(ctx, id, auth.ProfileChange{Email: &second}); err != nil {
		t.Fatal(err)
	}
	key, text := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "key of " + name, Description: "made by " + name})
	if err := verifyKey(h.Manager, text); err != nil {
		t.Fatal(err)
	}
	e := enrol(t, h, id)
	if err := h.ConfirmTwoFactor(ctx, id, codeAt(e, h.Clock.Now())); err != nil {
		t.Fatal(err)
	}
	temp := firstStep(t, h, second)
	if err := secondStep(ctx, h.Manager, temp, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
		t.Fatal(err)
	}
	_ = login(ctx, h.Manager, second, "wrong horse battery staple")
	u := departed{User: &authtest.User{User: registered}}
	u.Email = second
	u.words = []string{
		strings.TrimPrefix(registered.ID, "user_"), strings.TrimPrefix(registered.OrganizationID, "org_"), strings.TrimPrefix(key.ID, "key_"),
		name, first, second, auth.EmailDigest(first), auth.EmailDigest(second),
	}
	return u
}

// isGone fails the test unless all that s has of the user is a tombstone that says nothing and
// has an end, or less.
func (u departed) isGone(t *testing.T, s store.Store, now time.Time, when string) {
	t.Helper()
	keys, records := remains(t, s, now, u.words...)
	if len(keys) == 0 {
		return
	}
	tombstone := "u." + u.words[0] + "/acct"
	if len(keys) != 1 || keys[0] != tombstone {
		t.Errorf("%s: there is %v", when, keys)
		return
	}
	if w := holds(records[0].Value, u.words...); w != "" || records[0].Expires.IsZero() || records[0].Expires.After(now.Add(24*time.Hour+time.Second)) {
		t.Errorf("%s: the tombstone tells %q and ends at %v, now is %v", when, w, records[0].Expires, now)
	}
}

// PR-7. A deletion is cut off before and after every call of the store, and days pass.
func TestADeletionCutOffAnywhereIsFinishedByAnotherHoweverLate(t *testing.T) {
	everyFastStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		auth.AwaitBackground(h.Manager)
		round := 0
		for _, carriedOut := range []bool{false, true} {
			for nth, over := int64(1), false; !over; nth++ {
				round++
				h := twin(t, h, auth.Config{Limits: noLoginLimits(), UsageInterval: rarely})
				u := departing(t, h, round)
				if err := h.Close(); err != nil { // the use of the key is written
					t.Fatal(err)
				}
				h = twin(t, h, auth.Config{})
				if keys, _ := remains(t, s, h.Clock.Now(), u.words...); len(keys) < 9 {
					t.Fatalf("before the deletion there is only %v", keys)
				}
				n := tap.cutOff(nth, carriedOut)
				err := h.DeleteUser(t.Context(), u.ID)
				tap.tap(nil, nil)
				if over = n.Load() < nth; over != (err == nil) || err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Fatalf("cut off at call %d: %v", nth, err)
				}
				when := fmt.Sprintf("cut off at call %d, carried out %v", nth, carriedOut)
				h.Clock.Advance(5 * 24 * time.Hour)
				if err != nil {
					if err := h.DeleteUser(t.Context(), u.ID); err != nil {
						t.Errorf("%s: again: %v", when, err)
					}
				}
				h.Clock.Advance(time.Hour)
				u.isGone(t, s, h.Clock.Now(), when)
				if _, err := h.Organization(t.Context(), u.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("%s: the organization: %v", when, err)
				}
			}
		}
	})
}

// PR-7. An older version removed its tombstone after a day, also if it was cut off.
func TestADeletionWhoseTombstoneIsGoneIsFinished(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		auth.AwaitBackground(h.Manager)
		u := h.Register()
		u.APIKey()
		uid := strings.TrimPrefix(u.ID, "user_")
		if err := s.Commit(t.Context(), store.Delete("u."+uid+"/acct"), store.Delete("u."+uid+"/pass")); err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteUser(t.Context(), u.ID); err != nil {
			t.Errorf("with a session and a key left: %v", err)
		}
		items, err := s.List(t.Context(), "u."+uid+"/", "", 10)
		if err != nil || len(items) != 1 {
			t.Errorf("%d records are left, %v", len(items), err)
		}
		if err := s.Commit(t.Context(), store.Delete("u."+uid+"/acct")); err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteUser(t.Context(), u.ID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("with nothing left: %v", err)
		}
	})
}

// PR-7. Claims that a change of address left when it was cut off go with the account.
func TestADeletionRemovesTheClaimsOfChangesThatWereCutOff(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		auth.AwaitBackground(h.Manager)
		round := 0
		for _, carriedOut := range []bool{false, true} {
			for nth, over := int64(1), false; !over; nth++ {
				round++
				h := twin(t, h, auth.Config{Limits: unlimited()})
				first, second, third := emailOf("first", round), emailOf("second", round), emailOf("third", round)
				id := member(t, h.Manager, first)
				n := tap.cutOff(nth, carriedOut)
				over = moveTo(h.Manager, id, second) == nil && n.Load() < nth
				tap.tap(nil, nil)
				if round%2 == 0 {
					if err := moveTo(h.Manager, id, third); err != nil {
						t.Fatal(err)
					}
				}
				if err := h.DeleteUser(t.Context(), id.User.ID); err != nil {
					t.Fatal(err)
				}
				keys, _ := remains(t, s, h.Clock.Now().Add(24*time.Hour),
					strings.TrimPrefix(id.User.ID, "user_"), auth.EmailDigest(first), auth.EmailDigest(second), auth.EmailDigest(third))
				if len(keys) != 1 {
					t.Errorf("a change cut off at call %d, carried out %v: after the deletion there is %v", nth, carriedOut, keys)
				}
			}
		}
	})
}

// PR-7. What is under way for the user while it is deleted leaves nothing.
func TestNothingBesideADeletionLeavesARecordOfTheUser(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		other := twin(t, h, auth.Config{Limits: unlimited()})
		for round := range 10 {
			u := h.Register()
			id, key := u.Identity(), u.APIKey()
			calls := []func(m *auth.Manager) error{
				func(m *auth.Manager) error { return m.DeleteUser(t.Context(), u.ID) },
				func(m *auth.Manager) error { return m.DeleteUser(t.Context(), u.ID) },
				func(m *auth.Manager) error {
					return login(clientAt(t, "198.51.100.1"), m, u.Email, authtest.Password)
				},
				func(m *auth.Manager) error { return moveTo(m, id, emailOf("moved", round)) },
				func(m *auth.Manager) error { return m.SetRole(t.Context(), u.ID, "reader") },
				func(m *auth.Manager) error { return m.DisableUser(t.Context(), u.ID) },
				func(m *auth.Manager) error { return m.SetPassword(t.Context(), u.ID, otherPassword) },
				func(m *auth.Manager) error { return verifyKey(m, key) },
			}
			errs := atOnce(t, len(calls), func(i int) error {
				return calls[i]([]*auth.Manager{h.Manager, other.Manager}[i%2])
			})
			if err := errors.Join(errs[:2]...); err != nil {
				t.Fatal(err)
			}
			keys, _ := remains(t, s, h.Clock.Now().Add(24*time.Hour), strings.TrimPrefix(u.ID, "user_"), strings.TrimPrefix(u.OrganizationID, "org_"),
				auth.EmailDigest(u.Email), auth.EmailDigest(emailOf("moved", round)))
			if len(keys) != 1 {
				t.Errorf("round %d: %v", round, keys)
			}
		}
	})
}

// PR-7. A login or a change of address that is held up until the user is deleted leaves nothing.
func TestACallThatIsHeldUpUntilTheUserIsDeletedLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		suffix string
		nth    int
		call   func(h *authtest.Harness, u *authtest.User, id auth.Identity)
	}{
		"login": {"/known", 1, func(h *authtest.Harness, u *authtest.User, _ auth.Identity) {
			_ = login(auth.WithClient(context.Background(), auth.Client{Addr: netip.MustParseAddr("198.51.100.1")}), h.Manager, u.Email, authtest.Password)
		}},
		"announced change of address": {"/claim", 1, func(h *authtest.Harness, _ *authtest.User, id auth.Identity) {
			_ = moveTo(h.Manager, id, "moved@example.com")
		}},
		"claimed address": {"/acct", 2, func(h *authtest.Harness, _ *authtest.User, id auth.Identity) {
			_ = moveTo(h.Manager, id, "moved@example.com")
		}},
		"role": {"/roster", 1, func(h *authtest.Harness, u *authtest.User, _ auth.Identity) {
			_ = h.SetRole(context.Background(), u.ID, "reader")
		}},
		"announced role": {"/acct", 1, func(h *authtest.Harness, u *authtest.User, _ auth.Identity) {
			_ = h.SetRole(context.Background(), u.ID, "reader")
		}},
	} {
		tap := newTapStore(memstore.New())
		h := authtest.With(t, tap, auth.Config{})
		auth.AwaitBackground(h.Manager)
		h.WithoutTurns()
		u := h.Register()
		id := u.Identity()
		mustJoin(t, h, u.OrganizationID, "colleague@example.com", "admin")
		n := 0
		held, release := stall(t, tap, func(call storeCall) bool {
			if call.kind == "Commit" && call.names(c.suffix) {
				n++
			}
			return n == c.nth
		})
		done := make(chan struct{})
		go func() { c.call(h, u, id); close(done) }()
		held()
		tap.tap(nil, nil)
		if err := h.DeleteUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		release()
		<-done
		keys, _ := remains(t, tap.Store, h.Clock.Now().Add(24*time.Hour), strings.TrimPrefix(u.ID, "user_"), auth.EmailDigest(u.Email), auth.EmailDigest("moved@example.com"))
		if len(keys) != 1 {
			t.Errorf("%s: there is %v", name, keys)
		}
	}
}

// A deletion that stays cut off keeps its tombstone; once it is done, only for a day.
func TestATombstoneHasAnEndOnlyOnceTheDeletionIsDone(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	auth.AwaitBackground(h.Manager)
	u := h.Register()
	stopped(tap, 2, true) // the announcement and the tombstone
	if err := h.DeleteUser(t.Context(), u.ID); !errors.Is(err, auth.ErrUnavailable) {
		t.Fatal(err)
	}
	tap.tap(nil, nil)
	_, records := remains(t, tap.Store, h.Clock.Now(), "u."+strings.TrimPrefix(u.ID, "user_")+"/acct")
	if len(records) != 1 || !records[0].Expires.IsZero() || holds(records[0].Value, u.Email) != "" {
		t.Errorf("cut off: %d tombstones: %+v", len(records), records)
	}
	if err := h.DeleteUser(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	departed{User: u, words: []string{strings.TrimPrefix(u.ID, "user_"), u.Email}}.isGone(t, tap.Store, h.Clock.Now(), "done")
}
