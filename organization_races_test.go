package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

// An adminEnding is a call that ends an admin of an organization: the other one, or the caller.
type adminEnding struct {
	name string
	call func(m *auth.Manager, by auth.Identity, other string) error
}

// adminEndings are all of them. Those of your program are not forced.
var adminEndings = []adminEnding{
	{"SetMemberRole", func(m *auth.Manager, by auth.Identity, other string) error {
		_, err := m.SetMemberRole(context.Background(), by, other, "member", "", "")
		return err
	}},
	{"RemoveMember", func(m *auth.Manager, by auth.Identity, other string) error {
		return m.RemoveMember(context.Background(), by, other, "", "")
	}},
	{"LeaveOrganization", func(m *auth.Manager, by auth.Identity, _ string) error {
		return m.LeaveOrganization(context.Background(), by, "", "")
	}},
	{"DeleteAccount", func(m *auth.Manager, by auth.Identity, _ string) error {
		return m.DeleteAccount(context.Background(), by, "", "")
	}},
	{"SetRole", func(m *auth.Manager, _ auth.Identity, other string) error {
		return m.SetRole(context.Background(), other, "member")
	}},
	{"DisableUser", func(m *auth.Manager, _ auth.Identity, other string) error {
		return m.DisableUser(context.Background(), other)
	}},
	{"DeleteUser", func(m *auth.Manager, _ auth.Identity, other string) error {
		return m.DeleteUser(context.Background(), other)
	}},
}

// joined makes a user without a password in the organization, and logs it in. It costs no hash.
func joined(t *testing.T, m *auth.Manager, organizationID, email, role string) auth.Identity {
	t.Helper()
	u, err := m.CreateUser(t.Context(), auth.NewUser{Email: email, FullName: "Ada", OrganizationID: organizationID, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.LoginAs(t.Context(), u.ID, byOAuth)
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(t, m, r.AccessToken.Token)
}

// adminsOf returns how many of the users are enabled admins of the organization.
func adminsOf(t *testing.T, m *auth.Manager, organizationID string, ids ...auth.Identity) (n int) {
	t.Helper()
	for _, id := range ids {
		u, err := m.User(t.Context(), id.User.ID)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			t.Fatal(err)
		}
		if err == nil && u.Admin && !u.Disabled && u.OrganizationID == organizationID {
			n++
		}
	}
	return n
}

// OR-1. Two admins end each other 1,000 times, in every pair of ways, while a member looks on.
func TestTwoAdminsNeverLeaveAnOrganizationWithoutOne(t *testing.T) {
	if !testing.Short() && redistest.Available(t) {
		t.Run("cluster", func(t *testing.T) {
			t.Parallel()
			s, err := redisstore.OpenOrCreate(t.Context(), redisAt(redistest.StartCluster(t).Addrs()...), redisstore.Options{Prefix: "auth:", Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			endAdmins(t, s)
		})
	}
	everyFastStore(t, endAdmins)
}

func endAdmins(t *testing.T, s store.Store) {
	const lanes = 8 // which share the syncs of a disk
	rounds := 1000
	if testing.Short() {
		rounds = 300
	}
	tap := newTapStore(s)
	tap.tap(func(context.Context, storeCall) error { runtime.Gosched(); return nil }, nil) // the others have a turn between any two calls
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	other := twin(t, h, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(other.Manager)
	var ended [lanes]map[string]int
	var running sync.WaitGroup
	for lane := range lanes {
		ended[lane] = map[string]int{}
		running.Go(func() {
			var org string
			var a, witness auth.Identity
			for i := 0; lane+i*lanes < rounds && !t.Failed(); i++ {
				round := lane + i*lanes
				if i%20 == 0 { // who was demoted or disabled stays in the list
					org = mustFound(t, h, "Engines").ID
					witness = joined(t, h.Manager, org, fmt.Sprintf("w%d@example.com", round), "member")
					a = joined(t, h.Manager, org, fmt.Sprintf("a%d@example.com", round), "admin")
				}
				b := joined(t, h.Manager, org, fmt.Sprintf("b%d@example.com", round), "admin")
				a = endAdminsOnce(t, h, other, [2]auth.Identity{a, b}, witness, round, ended[lane])
			}
		})
	}
	running.Wait()
	for _, e := range adminEndings {
		n := 0
		for lane := range lanes {
			n += ended[lane][e.name]
		}
		if n == 0 {
			t.Errorf("%s never ended an admin", e.name)
		}
	}
}

// endAdminsOnce lets two admins of one organization end each other. It returns the one who is left.
func endAdminsOnce(t *testing.T, h, other *authtest.Harness, two [2]auth.Identity, witness auth.Identity, round int, ended map[string]int) (left auth.Identity) {
	t.Helper()
	acts := [2]adminEnding{adminEndings[round%len(adminEndings)], adminEndings[round/len(adminEndings)%len(adminEndings)]}
	racers := []func() error{
		func() error { return acts[0].call(h.Manager, two[0], two[1].User.ID) },
		func() error { return acts[1].call(other.Manager, two[1], two[0].User.ID) },
	}
	if round%3 == 0 { // it finishes what it finds
		racers = append(racers, func() error { _, err := h.Members(context.Background(), witness, auth.MemberQuery{}); return err })
	}
	errs := atOnce(t, len(racers), func(i int) error { return racers[i]() })
	for i, err := range errs {
		switch {
		case err == nil && i < 2:
			ended[acts[i].name]++
		case err == nil:
		case i == 2 || !errors.Is(err, auth.ErrLastAdmin) && !errors.Is(err, auth.ErrForbidden) && !errors.Is(err, auth.ErrNotFound) && !errors.Is(err, auth.ErrInvalidToken):
			t.Errorf("round %d: %v", round, err)
		}
	}
	n := 0
	for _, id := range two {
		if adminsOf(t, h.Manager, witness.User.OrganizationID, id) == 1 {
			n, left = n+1, id
		}
	}
	if n != 1 {
		t.Errorf("round %d, %s: %v, %s: %v: there are %d admins", round, acts[0].name, errs[0], acts[1].name, errs[1], n)
	}
	return left
}

// OR-1, OR-4, ST-4. Each call that ends an admin is cut off after each of its Commits, before and after the
// reply. Then there is an admin, also if the other admin is ended next. What was announced is
// finished by who reads the list of members.
func TestAnEndOfAnAdminCutOffAnywhereIsFinishedByTheNextReader(t *testing.T) {
	for _, e := range adminEndings {
		t.Run(e.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				type trio struct{ a, b, witness auth.Identity }
				trios := map[int]trio{}
				afterEveryStop(t, s,
					func(h *authtest.Harness, round int) func(*auth.Manager) error {
						auth.AwaitBackground(h.Manager)
						org := mustFound(t, h, "Engines").ID
						x := trio{
							a: joined(t, h.Manager, org, emailOf("a", round), "admin"), b: joined(t, h.Manager, org, emailOf("b", round), "admin"),
							witness: joined(t, h.Manager, org, emailOf("w", round), "member"),
						}
						trios[round] = x
						return func(m *auth.Manager) error { return e.call(m, x.a, x.b.User.ID) }
					},
					func(h *authtest.Harness, tap *tapStore, round int, err error) {
						auth.AwaitBackground(h.Manager)
						x := trios[round]
						org := x.a.User.OrganizationID
						if err != nil && !errors.Is(err, auth.ErrUnavailable) {
							t.Errorf("round %d: %v", round, err)
						}
						before := adminsOf(t, h.Manager, org, x.a, x.b)
						// The one who was not ended goes too, if that is possible.
						target := x.a.User.ID
						if e.name == "LeaveOrganization" || e.name == "DeleteAccount" {
							target = x.b.User.ID
						}
						second := h.SetRole(t.Context(), target, "member")
						page, listErr := h.Members(t.Context(), x.witness, auth.MemberQuery{})
						after := adminsOf(t, h.Manager, org, x.a, x.b)
						if listErr != nil || after != 1 || second != nil && !errors.Is(second, auth.ErrLastAdmin) || err == nil && (before != 1 || second == nil) {
							t.Errorf("round %d: %v: %d admins, then %v, %v, and %d admins", round, err, before, second, listErr, after)
						}
						want := []string{}
						for _, id := range []auth.Identity{x.a, x.b, x.witness} {
							if u, err := h.User(t.Context(), id.User.ID); err == nil && u.OrganizationID == org {
								want = append(want, u.ID)
							}
						}
						if len(page.Members) != len(want) {
							t.Errorf("round %d: %d members are listed, want %v", round, len(page.Members), want)
						}
						checkRoster(t, h, org, fmt.Sprint("round ", round), want...)
						for _, id := range []auth.Identity{x.a, x.b} {
							if u, err := h.User(t.Context(), id.User.ID); err == nil {
								if _, err := h.Organization(t.Context(), u.OrganizationID); err != nil {
									t.Errorf("round %d: %s is in no organization: %v", round, id.User.ID, err)
								}
							}
						}
					})
			})
		})
	}
}

// OR-1. A forced call leaves no admin, and says so.
func TestAForcedCallMayEndTheLastAdminAndSaysSo(t *testing.T) {
	for _, e := range adminEndings[4:] {
		h := authtest.New(t)
		auth.AwaitBackground(h.Manager)
		alice := h.Register()
		alice.Colleague("member")
		if err := e.call(h.Manager, auth.Identity{}, alice.ID); !errors.Is(err, auth.ErrLastAdmin) {
			t.Errorf("%s: %v", e.name, err)
		}
		ctx := auth.WithActor(auth.WithForce(t.Context()), "admin:jane")
		var err error
		switch e.name {
		case "SetRole":
			err = h.SetRole(ctx, alice.ID, "member")
		case "DisableUser":
			err = h.DisableUser(ctx, alice.ID)
		default:
			err = h.DeleteUser(ctx, alice.ID)
		}
		if err != nil {
			t.Errorf("%s, forced: %v", e.name, err)
		}
		if got := last(t, h, auth.EventOrganizationWithoutAdmin); got.UserID != alice.ID || got.OrganizationID != alice.OrganizationID || got.Actor != "admin:jane" {
			t.Errorf("%s: %+v", e.name, got)
		}
	}
}

// OR-1. Before the rosters are complete, nobody can say who else is an admin. What ends no admin is
// not held up.
func TestUntilTheRostersAreCompleteNoAdminEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := authtest.With(t, panickingWalk{memstore.New()}, auth.Config{Limits: unlimited()})
		alice := h.Register()
		id := joined(t, h.Manager, alice.OrganizationID, "ada@example.com", "admin")
		if err := h.SetRole(t.Context(), alice.ID, "member"); err != nil {
			t.Errorf("beside another admin: %v", err)
		}
		for _, e := range adminEndings {
			if err := e.call(h.Manager, id, id.User.ID); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("%s: %v", e.name, err)
			}
		}
		if _, err := h.Members(t.Context(), id, auth.MemberQuery{}); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("the list: %v", err)
		}
		if _, err := h.MemberCount(t.Context(), alice.OrganizationID); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("the count: %v", err)
		}
		bob := alice.Colleague("member")
		if err := h.DisableUser(t.Context(), bob.ID); err != nil {
			t.Errorf("a member is disabled: %v", err)
		}
		if err := h.DeleteUser(t.Context(), bob.ID); err != nil {
			t.Errorf("a member is deleted: %v", err)
		}
		if err := h.DisableUser(auth.WithForce(t.Context()), id.User.ID); err != nil {
			t.Errorf("an admin is disabled, forced: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// OR-1. A deletion that an older version has announced, which stores no more than that, is finished
// by the next reader once it has lapsed.
func TestADeletionThatAnOlderVersionAnnouncedIsFinished(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	alice := h.Register()
	bob := alice.Colleague("admin")
	alice.Colleague("member")
	if err := auth.MarkLeaving(t.Context(), h.Manager, bob.ID); err != nil {
		t.Fatal(err)
	}
	for _, members := range []int{3, 2} {
		if err := h.SetRole(t.Context(), alice.ID, "member"); !errors.Is(err, auth.ErrLastAdmin) {
			t.Errorf("beside an admin who is leaving: %v", err)
		}
		n, err := h.MemberCount(t.Context(), alice.OrganizationID)
		if _, userErr := h.User(t.Context(), bob.ID); err != nil || n != members || (userErr == nil) != (members == 3) {
			t.Errorf("there are %d members, want %d, %v; the account: %v", n, members, err, userErr)
		}
		h.Clock.Advance(time.Minute)
	}
}
