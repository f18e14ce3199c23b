package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// alone returns a session of a user whose organization has nobody else.
func alone(t *testing.T, h *authtest.Harness, round int) auth.Identity {
	t.Helper()
	auth.AwaitBackground(h.Manager)
	u, err := signUp(h.Manager, emailOf("ann", round))
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.LoginAs(t.Context(), u.ID, byOAuth)
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(t, h.Manager, r.AccessToken.Token)
}

// PR-7. A user who leaves an organization that nobody else is in, and is then deleted, leaves nothing,
// wherever the departure was cut off. That is so too if the first deletion is forced while the former
// organization is out of reach.
func TestADeletionAfterADepartureThatWasCutOffLeavesNothing(t *testing.T) {
	for _, outage := range []bool{false, true} {
		ids := map[int]auth.Identity{}
		afterEveryStop(t, memstore.New(),
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				ids[round] = alone(t, h, round)
				return func(m *auth.Manager) error { return m.LeaveOrganization(context.Background(), ids[round], "", "") }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				auth.AwaitBackground(h.Manager)
				u := ids[round].User
				former, now := strings.TrimPrefix(u.OrganizationID, "org_"), userOf(t, h, u.ID).OrganizationID
				ctx := t.Context()
				if outage {
					ctx = auth.WithForce(ctx)
					tap.tap(func(_ context.Context, c storeCall) error {
						if c.kind != "Commit" || !c.names(former+"/roster") {
							return nil
						}
						tap.tap(nil, nil)
						return errOutage
					}, nil)
				}
				if err := h.DeleteUser(ctx, u.ID); err != nil {
					tap.tap(nil, nil)
					if err := h.DeleteUser(ctx, u.ID); err != nil || !outage {
						t.Fatal(err)
					}
				}
				tap.tap(nil, nil)
				h.Clock.Advance(time.Hour) // the counters that are full again end
				words := []string{strings.TrimPrefix(u.ID, "user_"), former, strings.TrimPrefix(now, "org_"), "Analytical", "Lovelace"}
				if keys, _ := remains(t, tap.Store, h.Clock.Now(), words...); len(keys) != 1 {
					t.Errorf("round %d, outage %v, after %v: there is %v", round, outage, err, keys)
				}
			})
	}
}

// PR-9. Whoever reads the list of the organization that a user went to finishes what a departure has
// left in the former one.
func TestAnOrganizationThatItsLastUserLeftEndsWhereverThatWasCutOff(t *testing.T) {
	users := map[int]auth.User{}
	afterEveryStop(t, memstore.New(),
		func(h *authtest.Harness, round int) func(*auth.Manager) error {
			id := alone(t, h, round)
			users[round] = id.User
			return func(m *auth.Manager) error { return m.LeaveOrganization(context.Background(), id, "", "") }
		},
		func(h *authtest.Harness, _ *tapStore, round int, err error) {
			auth.AwaitBackground(h.Manager)
			former, now := users[round].OrganizationID, userOf(t, h, users[round].ID).OrganizationID
			n, countErr := h.MemberCount(t.Context(), now)
			if now == former { // nothing was announced, or the count has finished it
				now = userOf(t, h, users[round].ID).OrganizationID
				_, countErr = h.Organization(t.Context(), now)
				n = 1
			}
			if countErr != nil || n != 1 {
				t.Errorf("round %d, after %v: %d members, %v", round, err, n, countErr)
			}
			if _, err := h.Organization(t.Context(), former); now != former && !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("round %d: the former organization: %v", round, err)
			}
			checkRoster(t, h, now, fmt.Sprint("round ", round), users[round].ID)
		})
}

// OR-4. Keys that a departure which was cut off has left in the former organization take no room from
// those of the new one.
func TestAKeyOfAFormerOrganizationTakesNoRoom(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited(), MaxAPIKeys: 1})
	auth.AwaitBackground(h.Manager)
	alice := h.Register()
	old, id := alice.APIKey(), alice.Identity()
	tap.tap(nil, func(_ context.Context, c storeCall) error {
		if c.kind == "Commit" && c.names("/acct") {
			tap.cutOff(1, false)
		}
		return nil
	})
	_ = h.LeaveOrganization(t.Context(), id, "", "")
	tap.tap(nil, nil)
	if u := userOf(t, h, alice.ID); u.OrganizationID == alice.OrganizationID {
		t.Fatal("the user has not left")
	}
	_, key := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "k"})
	if err := verifyKey(h.Manager, key); err != nil || verifyKey(h.Manager, old) != auth.ErrInvalidToken {
		t.Errorf("the new key: %v", err)
	}
	if _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k"}); !errors.Is(err, auth.ErrAPIKeyLimit) {
		t.Errorf("one more: %v", err)
	}
}

// OR-4. A process that is slow to finish a departure ends no key that was made since, after another one.
func TestASlowDepartureEndsNoKeyOfALaterOrganization(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	h.WithoutTurns()
	alice := h.Register()
	id := alice.Identity()
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "List" && strings.HasPrefix(c.keys[0], "u.") })
	slow := make(chan error, 1)
	go func() { slow <- h.LeaveOrganization(context.Background(), id, "", "") }()
	held()
	tap.tap(nil, nil)
	if err := h.LeaveOrganization(t.Context(), id, "", ""); err != nil {
		t.Fatal(err)
	}
	_, key := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "k"})
	release()
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	if err := verifyKey(h.Manager, key); err != nil {
		t.Errorf("the key of the present organization: %v", err)
	}
}

// OR-1, OR-4. A change that a process of an older version makes void before it is made is announced again.
// So who was disabled or removed is, when the call returns.
func TestAChangeThatAnOlderVersionMadeVoidIsMade(t *testing.T) {
	for _, e := range adminEndings {
		tap := newTapStore(memstore.New())
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		older := twinOn(t, h, tap.Store, auth.Config{Limits: unlimited()})
		alice := h.Register()
		id := joined(t, h.Manager, alice.OrganizationID, "ada@example.com", "admin")
		uid := strings.TrimPrefix(id.User.ID, "user_")
		tap.tap(nil, func(ctx context.Context, c storeCall) error {
			if c.kind != "Commit" || !c.names("/m."+uid) {
				return nil
			}
			tap.tap(nil, nil)
			return auth.SettleAsOlder(context.Background(), older.Manager, id.User.ID)
		})
		if err := e.call(h.Manager, id, id.User.ID); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
		if adminsOf(t, h.Manager, alice.OrganizationID, id) != 0 {
			t.Errorf("%s: the user is still an admin", e.name)
		}
		members := []string{alice.ID}
		if u, err := h.User(t.Context(), id.User.ID); err == nil && u.OrganizationID == alice.OrganizationID {
			members = append(members, u.ID)
		}
		checkRoster(t, h, alice.OrganizationID, e.name, members...)
	}
}

// A call of the user's own that was cut off is made again in the same session, once the account shows
// that nothing has happened yet. It succeeds, also if all that it does is to finish the first one.
func TestACallOfAMemberThatWasCutOffSucceedsWhenItIsMadeAgain(t *testing.T) {
	type use func(m *auth.Manager, id auth.Identity, token auth.Secret) error
	for name, call := range map[string]use{
		"accept": func(m *auth.Manager, id auth.Identity, token auth.Secret) error {
			u, err := m.AcceptInvitation(context.Background(), id, token, "", "")
			if err == nil && u.OrganizationID == id.User.OrganizationID {
				err = errors.New("the account has not moved")
			}
			return err
		},
		"leave": func(m *auth.Manager, id auth.Identity, _ auth.Secret) error {
			return m.LeaveOrganization(context.Background(), id, "", "")
		},
		"delete": func(m *auth.Manager, id auth.Identity, _ auth.Secret) error {
			return m.DeleteAccount(context.Background(), id, authtest.Password, "")
		},
	} {
		ids, tokens, resumed := map[int]auth.Identity{}, map[int]auth.Secret{}, 0
		afterEveryStop(t, memstore.New(),
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				auth.AwaitBackground(h.Manager)
				u, err := signUp(h.Manager, emailOf("bob"+name, round))
				if err != nil {
					t.Fatal(err)
				}
				ids[round] = sessionOf(t, h, u.Email)
				_, tokens[round] = invitedAt(t, h, round, u.Email)
				return func(m *auth.Manager) error { return call(m, ids[round], tokens[round]) }
			},
			func(h *authtest.Harness, _ *tapStore, round int, err error) {
				auth.AwaitBackground(h.Manager)
				old := ids[round].User
				now, gone := h.User(t.Context(), old.ID)
				if gone != nil || now.OrganizationID != old.OrganizationID {
					return
				}
				resumed++
				if err := call(h.Manager, ids[round], tokens[round]); err != nil {
					t.Errorf("%s, round %d: again: %v", name, round, err)
				}
			})
		if resumed == 0 {
			t.Errorf("%s: nothing was ever made again", name)
		}
	}
}

// A registration by an invitation is cut off, and sent again at once. As long as nobody knows what
// became of the first, the token is not refused: the person would ask for another.
func TestAnInvitationThatACutOffRegistrationHoldsIsNotRefused(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	held := 0
	for k := int64(0); ; k++ {
		email := emailOf("bob", int(k))
		_, token := invitedAt(t, h, int(k), email)
		stopped(tap, k, false)
		_, err := registerBy(context.Background(), h.Manager, email, token)
		tap.tap(nil, nil)
		if err == nil {
			break
		}
		_, err = registerBy(context.Background(), h.Manager, email, token)
		if errors.Is(err, auth.ErrUnavailable) {
			held++
		}
		if _, gone := h.UserByEmail(t.Context(), email); gone == nil {
			continue
		}
		if errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("stopped after %d Commits: at once: %v", k, err)
		}
		h.Clock.Advance(time.Minute)
		if _, err := registerBy(context.Background(), h.Manager, email, token); err != nil {
			t.Errorf("stopped after %d Commits: after a minute: %v", k, err)
		}
	}
	if held == 0 {
		t.Error("no invitation was ever held")
	}
}
