package auth_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// colleague makes a user in an organization that exists.
func colleague(ctx context.Context, m *auth.Manager, organizationID, email, role string) (auth.User, error) {
	return m.CreateUser(ctx, auth.NewUser{
		Email: email, Password: authtest.Password, FullName: "Charles Babbage", OrganizationID: organizationID, Role: role,
	})
}

func mustJoin(t *testing.T, h *authtest.Harness, organizationID, email, role string) auth.User {
	t.Helper()
	u, err := colleague(t.Context(), h.Manager, organizationID, email, role)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// checkRoster fails the test unless the roster of an organization has these users and says of
// them what their accounts do.
func checkRoster(t *testing.T, h *authtest.Harness, organizationID, when string, userIDs ...string) {
	t.Helper()
	got, err := auth.Roster(t.Context(), h.Manager, organizationID)
	if err != nil {
		t.Fatal(err)
	}
	want := auth.RosterView{Members: map[string]auth.MemberView{}}
	for _, id := range userIDs {
		u := userOf(t, h, id)
		want.Members[id] = auth.MemberView{Role: u.Role, Disabled: u.Disabled}
		if u.Role == "admin" && !u.Disabled {
			want.Admins = append(want.Admins, id)
		}
	}
	slices.Sort(want.Admins)
	if !slices.Equal(got.Admins, want.Admins) || !maps.Equal(got.Members, want.Members) {
		t.Errorf("%s: the roster is %+v, want %+v", when, got, want)
	}
}

// PR-8.
func TestTheRosterOfAnOrganizationSaysWhatItsAccountsDo(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := auth.WithForce(t.Context()) // there is no admin at times
		ann := h.Register()
		org := ann.OrganizationID
		checkRoster(t, h, org, "registered", ann.ID)
		bob := mustJoin(t, h, org, "bob@example.com", "reader")
		cat := mustJoin(t, h, org, "cat@example.com", "admin")
		all := []string{ann.ID, bob.ID, cat.ID}
		checkRoster(t, h, org, "joined", all...)
		for what, act := range map[string]func(id string) error{
			"disabled": func(id string) error { return h.DisableUser(ctx, id) },
			"enabled":  func(id string) error { return h.EnableUser(ctx, id) },
			"admin":    func(id string) error { return h.SetRole(ctx, id, "admin") },
			"reader":   func(id string) error { return h.SetRole(ctx, id, "reader") },
		} {
			for _, id := range all {
				if err := act(id); err != nil {
					t.Fatal(err)
				}
				checkRoster(t, h, org, what, all...)
			}
		}
		if err := h.DeleteUser(ctx, cat.ID); err != nil {
			t.Fatal(err)
		}
		checkRoster(t, h, org, "one is deleted", ann.ID, bob.ID)
	})
}

// PR-8. A change that is cut off is settled by the next, and one that fails changes nothing.
func TestAChangeOfAMemberCutOffAnywhereIsSettledByTheNext(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		round := 0
		for name, change := range map[string]func(m *auth.Manager, id string) error{
			"SetRole":     func(m *auth.Manager, id string) error { return m.SetRole(context.Background(), id, "reader") },
			"DisableUser": func(m *auth.Manager, id string) error { return m.DisableUser(context.Background(), id) },
		} {
			for nth, over := int64(1), false; !over; nth++ {
				round++
				tap := newTapStore(s)
				h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
				u, err := signUp(h.Manager, emailOf(strings.ToLower(name), round))
				if err != nil {
					t.Fatal(err)
				}
				var n atomic.Int64
				tap.tap(nil, func(context.Context, storeCall) error {
					if n.Add(1) >= nth {
						return errOutage
					}
					return nil
				})
				err = change(h.Manager, u.ID)
				tap.tap(nil, nil)
				over = n.Load() < nth
				now := userOf(t, h, u.ID)
				if changed := now.Disabled || now.Role == "reader"; err == nil && !changed {
					t.Errorf("%s, cut off at %d: nil, and %+v", name, nth, now)
				}
				h.Clock.Advance(time.Minute)
				if err := h.EnableUser(t.Context(), u.ID); err != nil {
					t.Fatal(err)
				}
				checkRoster(t, h, u.OrganizationID, name, u.ID)
			}
		}
	})
}

func TestChangesOfMembersAtTheSameTimeEndInWhatTheAccountsSay(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{}).Manager}
		ann := h.Register()
		bob := mustJoin(t, h, ann.OrganizationID, "bob@example.com", "reader")
		ctx := auth.WithForce(t.Context()) // there is no admin at times
		for range 5 {
			errs := atOnce(t, 8, func(i int) error {
				m, id := managers[i%2], []string{ann.ID, bob.ID}[i/2%2]
				if i < 4 {
					return m.SetRole(ctx, id, []string{"admin", "reader"}[i%2])
				}
				return errors.Join(m.DisableUser(ctx, id), m.EnableUser(ctx, id))
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			h.Clock.Advance(time.Minute)
			if err := errors.Join(h.EnableUser(ctx, ann.ID), h.EnableUser(ctx, bob.ID)); err != nil {
				t.Fatal(err)
			}
			checkRoster(t, h, ann.OrganizationID, "after a race", ann.ID, bob.ID)
		}
	})
}

// PR-8. A change that is announced is made before the next one is, also if its caller is slow. So the
// slow caller does not make it again.
func TestOfTwoChangesOfAMemberTheSecondFinishesTheFirst(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	h.WithoutTurns()
	u, reported := h.Register(), map[string]int{}
	for _, announcedFirst := range []bool{true, false} {
		suffix := "/acct" // held with its announcement made
		if !announcedFirst {
			suffix = "/m." + strings.TrimPrefix(u.ID, "user_")
		}
		if err := h.SetRole(t.Context(), u.ID, "admin"); err != nil {
			t.Fatal(err)
		}
		held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names(suffix) })
		slow := make(chan error, 1)
		go func() { slow <- h.SetRole(context.Background(), u.ID, "reader") }()
		held()
		tap.tap(nil, nil)
		if err := h.SetRole(t.Context(), u.ID, "operator"); err != nil {
			t.Fatal(err)
		}
		release()
		if err := <-slow; err != nil {
			t.Fatal(err)
		}
		want := "operator"
		if !announcedFirst {
			want = "reader"
		}
		if got := userOf(t, h, u.ID).Role; got != want {
			t.Errorf("the slow change was announced first, %v: the role is %q, want %q", announcedFirst, got, want)
		}
		checkRoster(t, h, u.OrganizationID, "after two changes", u.ID)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range h.Events.All() {
		if e.Type == auth.EventRoleChanged {
			reported[e.Role]++
		}
	}
	if reported["reader"] != 2 || reported["operator"] != 2 {
		t.Errorf("the changes are reported %v times", reported)
	}
}

// PR-11. A user that must be disabled is not kept by a record that only lists it, unless the user is
// an admin: then nobody can say who else is one.
func TestADamagedRosterDoesNotKeepAUserEnabled(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		auth.AwaitBackground(h.Manager)
		u := h.Register()
		member := u.Colleague("member")
		roster := "o." + strings.TrimPrefix(u.OrganizationID, "org_") + "/roster"
		damage(t, s, roster)
		if err := h.DisableUser(t.Context(), u.ID); !errors.Is(err, auth.ErrUnavailable) || !verify(t, h.Manager, u.Token()) {
			t.Errorf("an admin, unforced: %v", err)
		}
		if err := h.DeleteUser(t.Context(), u.ID); !errors.Is(err, auth.ErrUnavailable) || !verify(t, h.Manager, u.Token()) {
			t.Errorf("an admin is deleted, unforced: %v", err)
		}
		if err := h.SetRole(t.Context(), member.ID, "reader"); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("a role with a damaged roster: %v", err)
		}
		for _, user := range []*authtest.User{member, u} {
			if err := h.DisableUser(auth.WithForce(t.Context()), user.ID); err != nil || verify(t, h.Manager, user.Token()) {
				t.Errorf("disabled: %v, and the token is accepted: %v", err, verify(t, h.Manager, user.Token()))
			}
		}
		if err := h.DeleteUser(t.Context(), u.ID); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("a deletion that leaves a member's record is done: %v", err)
		}
		damage(t, s, roster) // mended
		for _, user := range []*authtest.User{member, u} {
			if err := h.DeleteUser(t.Context(), user.ID); err != nil {
				t.Error(err)
			}
		}
	})
}
