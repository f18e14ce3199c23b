package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// deleteOwn deletes the account of u, as u does.
func deleteOwn(h *authtest.Harness, u *authtest.User) error {
	return h.DeleteAccount(context.Background(), u.Identity(), authtest.Password, "")
}

// PR-11: an organization with other members keeps an enabled admin, whoever deletes their account.
func TestTheLastAdminOfOtherMembersCannotDeleteTheAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		alone := h.Register()
		if err := deleteOwn(h, alone); err != nil {
			t.Errorf("who is alone: %v", err)
		}
		alice := h.Register()
		bob := alice.Colleague("member")
		if err := deleteOwn(h, alice); !errors.Is(err, auth.ErrLastAdmin) {
			t.Errorf("the only admin: %v", err)
		}
		carol := alice.Colleague("admin")
		if err := h.DisableUser(t.Context(), carol.ID); err != nil {
			t.Fatal(err)
		}
		if err := deleteOwn(h, alice); !errors.Is(err, auth.ErrLastAdmin) {
			t.Errorf("beside a disabled admin: %v", err)
		}
		if err := h.EnableUser(t.Context(), carol.ID); err != nil {
			t.Fatal(err)
		}
		if err := deleteOwn(h, alice); err != nil {
			t.Errorf("beside another admin: %v", err)
		}
		if err := deleteOwn(h, bob); err != nil {
			t.Errorf("a member: %v", err)
		}
		carol.Login()
		if err := deleteOwn(h, carol); err != nil {
			t.Errorf("the last member: %v", err)
		}
		if _, err := h.Organization(t.Context(), alice.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the organization: %v", err)
		}
	})
}

// PR-11: of admins who leave at the same time, one stays.
func TestOfAdminsWhoLeaveAtTheSameTimeOneStays(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		cfg := auth.Config{Limits: unlimited(), HashQueue: 100}
		h := authtest.With(t, s, cfg)
		auth.AwaitBackground(h.Manager)
		other := twin(t, h, cfg)
		for range 5 {
			admins := []*authtest.User{h.Register()}
			admins[0].Colleague("member")
			for range 3 {
				admins = append(admins, admins[0].Colleague("admin"))
			}
			ids := make([]auth.Identity, len(admins))
			for i, u := range admins {
				ids[i] = u.Identity()
			}
			errs := atOnce(t, len(admins), func(i int) error {
				return []*authtest.Harness{h, other}[i%2].DeleteAccount(context.Background(), ids[i], authtest.Password, "")
			})
			if n := countIs(errs, nil); n != len(admins)-1 || countIs(errs, auth.ErrLastAdmin) != 1 {
				t.Errorf("%d of %d left: %v", n, len(admins), errors.Join(errs...))
			}
		}
	})
}

// PR-11, ST-4: where a deletion was cut off, the organization has an admin, and the next one who
// looks finishes the deletion.
func TestAnOwnDeletionCutOffAnywhereKeepsAnAdminAndIsFinished(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		type leaver struct {
			id    auth.Identity
			other auth.User
			admin auth.User
		}
		leavers := map[int]leaver{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				auth.AwaitBackground(h.Manager)
				id := member(t, h.Manager, emailOf("ada", round))
				l := leaver{id: id}
				for name, role := range map[string]string{"bob": "member", "carol": "admin"} {
					u, err := h.CreateUser(t.Context(), auth.NewUser{Email: emailOf(name, round), Password: authtest.Password, FullName: name, OrganizationID: id.User.OrganizationID, Role: role})
					if err != nil {
						t.Fatal(err)
					}
					if l.other = u; role == "admin" {
						l.admin = u
					}
				}
				leavers[round] = l
				return func(m *auth.Manager) error { return m.DeleteAccount(t.Context(), id, authtest.Password, "") }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				l := leavers[round]
				auth.AwaitBackground(h.Manager)
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("round %d: %v", round, err)
				}
				_, gone := h.User(t.Context(), l.id.User.ID)
				r, loginErr := h.Login(t.Context(), l.admin.Email, authtest.Password)
				if loginErr != nil {
					t.Fatal(loginErr)
				}
				err = h.DeleteAccount(t.Context(), identityOf(t, h.Manager, r.AccessToken.Token), authtest.Password, "")
				if _, still := h.User(t.Context(), l.id.User.ID); errors.Is(gone, auth.ErrNotFound) && !errors.Is(err, auth.ErrLastAdmin) || err == nil && still != nil {
					t.Errorf("round %d: the first admin is gone: %v; the second leaves: %v; the first is left: %v", round, gone, err, still)
				}
				if err := h.DeleteUser(auth.WithForce(t.Context()), l.id.User.ID); err != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("round %d: %v", round, err)
				}
				checkOwnedOrFree(t, h.Manager, emailOf("ada", round))
				tap.checkOwners(t, h.Manager)
			})
	})
}

// PR-12: an export has what the store has, and no secret.
func TestAnExportHasWhatTheStoreHasAndNoSecret(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{})
	u := h.RegisterTwoFactor()
	u.APIKey()
	x, err := h.ExportAccount(t.Context(), u.Identity(), "", "")
	if err != nil || x.User.ID != u.ID || !x.TwoFactor.Enabled || len(x.Sessions) == 0 || len(x.APIKeys) != 1 || x.Organization.ID != u.OrganizationID || !slices.Equal(x.Networks, []string{"unknown"}) && len(x.Networks) == 0 {
		t.Errorf("%+v, %v", x, err)
	}
	h.AwaitEvent(u, auth.EventDataExported)
}

// OR-1. An admin may go where another one is whom the roster does not name, among many members: one whose
// promotion was not settled, or whose role was none of an admin before Config.Roles changed.
func TestTheGuardFindsAnAdminWhomTheRosterDoesNotName(t *testing.T) {
	cfg := auth.Config{Limits: unlimited(), Roles: []string{"member", "admin"}}
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, cfg)
	auth.AwaitBackground(h.Manager)
	cfg.Roles = append(cfg.Roles, "owner")
	later := twin(t, h, cfg)
	org := mustFound(t, h, "Engines").ID
	alice := mustJoin(t, h, org, "alice@example.com", "admin")
	for i := range 17 {
		mustJoin(t, h, org, emailOf("m", i), "member")
	}
	mustJoin(t, h, org, "owner@example.com", "owner")
	zoe := mustJoin(t, h, org, "zoe@example.com", "member")
	if err := h.SetRole(t.Context(), alice.ID, "member"); !errors.Is(err, auth.ErrLastAdmin) {
		t.Errorf("beside members: %v", err)
	}
	if err := later.SetRole(t.Context(), alice.ID, "member"); err != nil {
		t.Errorf("beside an owner: %v", err)
	}
	if err := h.SetRole(t.Context(), alice.ID, "admin"); err != nil {
		t.Fatal(err)
	}
	tap.tap(nil, func(_ context.Context, c storeCall) error {
		if c.kind == "Commit" && c.names("/acct") {
			tap.cutOff(1, false)
		}
		return nil
	})
	err := h.SetRole(t.Context(), zoe.ID, "admin")
	tap.tap(nil, nil)
	if err != nil || userOf(t, h, zoe.ID).Role != "admin" {
		t.Fatalf("the role is %q, %v", userOf(t, h, zoe.ID).Role, err)
	}
	if err := h.SetRole(t.Context(), alice.ID, "member"); err != nil {
		t.Errorf("beside an admin who is not in the roster yet: %v", err)
	}
}

// OR-1. Whoever is still to come, by a move or a registration that was cut off or is slow, counts as a
// member, or cannot come any more.
func TestNobodyJoinsAnOrganizationThatItsLastAdminHasLeftAlone(t *testing.T) {
	anns, guests := map[int]auth.Identity{}, map[int]auth.User{}
	afterEveryStop(t, memstore.New(),
		func(h *authtest.Harness, round int) func(*auth.Manager) error {
			auth.AwaitBackground(h.Manager)
			anns[round] = member(t, h.Manager, emailOf("ann", round))
			id := member(t, h.Manager, emailOf("bob", round))
			guests[round] = id.User
			_, token, err := h.Invite(t.Context(), anns[round], auth.NewInvitation{Email: id.User.Email, Role: "member"})
			if err != nil {
				t.Fatal(err)
			}
			return func(m *auth.Manager) error {
				_, err := m.AcceptInvitation(context.Background(), id, token, "", "")
				return err
			}
		},
		func(h *authtest.Harness, _ *tapStore, round int, _ error) {
			auth.AwaitBackground(h.Manager)
			ann := anns[round].User
			checkGuarded(t, h, ann, h.SetRole(t.Context(), ann.ID, "member"), guests[round].Email, fmt.Sprintf("round %d", round))
		})

	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	_, token := invite(t, h, ann, "new@example.com", "member")
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/acct") })
	slow := make(chan error, 1)
	go func() {
		_, err := registerBy(context.Background(), h.Manager, "new@example.com", token)
		slow <- err
	}()
	held()
	tap.tap(nil, nil)
	h.Clock.Advance(time.Minute)
	err := h.SetRole(t.Context(), ann.ID, "member")
	release()
	if err := <-slow; err == nil {
		t.Error("the registration of a minute ago goes on")
	}
	checkGuarded(t, h, ann.User, err, "new@example.com", "a slow registration")
}

// checkGuarded fails the test unless err is that of the guard if the owner of the address is a member
// beside the admin, and nil otherwise.
func checkGuarded(t *testing.T, h *authtest.Harness, ann auth.User, err error, email, when string) {
	t.Helper()
	h.Clock.Advance(time.Minute)
	if _, err := h.Members(t.Context(), sessionOf(t, h, ann.Email), auth.MemberQuery{}); err != nil { // which finishes what is left
		t.Fatal(err)
	}
	u, notFound := h.UserByEmail(t.Context(), email)
	want := error(nil)
	if notFound == nil && u.OrganizationID == ann.OrganizationID {
		want = auth.ErrLastAdmin
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: the last admin becomes a member: %v, want %v; beside %+v", when, err, want, u)
	}
}
