package auth_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

var ranks = []string{"guest", "member", "admin", "owner"}

// OR-2. Each role acts on each, and gives each. Nobody reaches above their own rank, nor to a role that
// is your program's.
func TestNobodyGivesChangesOrRemovesAboveTheirOwnRank(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Roles: ranks, FirstRole: "owner", Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	ctx := t.Context()
	owner := h.Register()
	roles := append(slices.Clone(ranks), "operator")
	rank := func(role string) int { return slices.Index(ranks, role) }
	actors := map[string]*authtest.User{}
	for _, role := range roles {
		actors[role] = owner.Colleague(role)
	}
	target := owner.Colleague("member")
	for _, actor := range roles {
		id := actors[actor].Identity()
		if id.User.Admin != (actor == "admin" || actor == "owner") {
			t.Errorf("%s is an admin: %v", actor, id.User.Admin)
		}
		for _, has := range roles {
			for _, gets := range roles {
				if err := h.SetRole(ctx, target.ID, has); err != nil {
					t.Fatal(err)
				}
				allowed := rank(actor) >= rank("admin") && rank(has) >= 0 && rank(has) <= rank(actor) && rank(gets) >= 0 && rank(gets) <= rank(actor)
				changed, err := h.SetMemberRole(ctx, id, target.ID, gets, "", "")
				want := has
				if allowed {
					want = gets
				}
				if allowed != (err == nil) || err != nil && !errors.Is(err, auth.ErrForbidden) || userOf(t, h, target.ID).Role != want || err == nil && changed.Role != gets {
					t.Errorf("%s makes %s %s: %+v, %v; the role is %s", actor, has, gets, changed, err, userOf(t, h, target.ID).Role)
				}
			}
			if err := h.SetRole(ctx, target.ID, has); err != nil {
				t.Fatal(err)
			}
			if rank(actor) >= rank("admin") && rank(has) >= 0 && rank(has) <= rank(actor) {
				continue // it would be removed
			}
			if err := h.RemoveMember(ctx, id, target.ID, "", ""); !errors.Is(err, auth.ErrForbidden) {
				t.Errorf("%s removes %s: %v", actor, has, err)
			}
		}
		_, err := h.RenameOrganization(ctx, id, "Renamed by "+actor)
		if (err == nil) != id.User.Admin || err != nil && !errors.Is(err, auth.ErrForbidden) {
			t.Errorf("%s renames: %v", actor, err)
		}
	}
	if org, err := h.Organization(ctx, owner.OrganizationID); err != nil || org.Name != "Renamed by owner" {
		t.Errorf("%+v, %v", org, err)
	}
}

func TestOnlyAdminsSeeWhichMembersAreDisabled(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	auth.AwaitBackground(h.Manager)
	ann := h.RegisterTwoFactor()
	bob, disabled := ann.Colleague("member"), ann.Colleague("member")
	if err := h.DisableUser(t.Context(), disabled.ID); err != nil {
		t.Fatal(err)
	}
	for by, sees := range map[*authtest.User]bool{ann: true, bob: false} {
		page, err := h.Members(t.Context(), by.Identity(), auth.MemberQuery{})
		if err != nil || len(page.Members) != 3 || page.ByAdmin != sees {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, m := range page.Members {
			if m.TwoFactorEnabled != (sees && m.ID == ann.ID) || m.Disabled != (sees && m.ID == disabled.ID) {
				t.Errorf("an admin: %v sees %+v", sees, m)
			}
		}
	}
}

// OR-2. Whose end as an admin is announced is none, before the account says so. And what an admin has
// begun is decided again in its Commit.
func TestAnAdminWhoseEndIsAnnouncedManagesNothing(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	h.WithoutTurns()
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	bob, cat, dan := ann.Colleague("admin"), ann.Colleague("admin"), ann.Colleague("member")
	rename := func(by auth.Identity) error {
		_, err := h.RenameOrganization(context.Background(), by, "Looms")
		return err
	}
	byBob, byCat := bob.Identity(), cat.Identity()

	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/acct") })
	demoted := make(chan error, 1)
	go func() { demoted <- h.SetRole(context.Background(), bob.ID, "member") }()
	held()
	tap.tap(nil, nil)
	_, roleErr := h.SetMemberRole(t.Context(), byBob, dan.ID, "admin", "", "")
	if err := rename(byBob); !errors.Is(err, auth.ErrForbidden) || !errors.Is(roleErr, auth.ErrForbidden) {
		t.Errorf("whose end is announced renames: %v, and gives a role: %v", err, roleErr)
	}
	release()
	if err := <-demoted; err != nil {
		t.Fatal(err)
	}

	held, release = stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/org") })
	slow := make(chan error, 1)
	go func() { slow <- rename(byCat) }()
	held()
	tap.tap(nil, nil)
	if err := h.SetRole(t.Context(), cat.ID, "member"); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-slow; !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("an admin who was one when the call began: %v", err)
	}
	if org, err := h.Organization(t.Context(), ann.OrganizationID); err != nil || org.Name == "Looms" {
		t.Errorf("%+v, %v", org, err)
	}
}

// OR-2. Members of another organization and nobody are one and the same.
func TestAUserOfAnotherOrganizationIsNobody(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	alice, stranger := h.Register(), h.Register()
	id := alice.Identity()
	for _, userID := range []string{stranger.ID, "user_00000000000000000000000000000", "user_x", ""} {
		if _, err := h.SetMemberRole(t.Context(), id, userID, "member", "", ""); err != auth.ErrNotFound {
			t.Errorf("the role of %q: %v", userID, err)
		}
		if err := h.RemoveMember(t.Context(), id, userID, "", ""); err != auth.ErrNotFound {
			t.Errorf("the removal of %q: %v", userID, err)
		}
	}
	h.Clock.Advance(11 * time.Minute)
	if err := h.RemoveMember(t.Context(), id, stranger.ID, "", ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
		t.Errorf("with a login that is not fresh: %v", err)
	}
	if err := h.RemoveMember(t.Context(), id, stranger.ID, "a wrong one", ""); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("with a wrong password: %v", err)
	}
	if u := userOf(t, h, stranger.ID); u.OrganizationID != stranger.OrganizationID || u.Role != "admin" {
		t.Errorf("%+v", u)
	}
}

// A removedUser has one of each credential.
type removedUser struct {
	*authtest.User
	token, key string
	temp       auth.Secret
	id         auth.Identity
}

func withCredentials(t *testing.T, h *authtest.Harness, u *authtest.User) removedUser {
	t.Helper()
	u.EnableTwoFactor()
	r := removedUser{User: u, token: u.Login(), key: u.APIKey()}
	r.temp, r.id = firstStep(t, h, u.Email), u.Identity()
	h.Clock.Advance(time.Minute)
	return r
}

// refused fails the test unless no credential of before opens anything.
func (r removedUser) refused(t *testing.T, m *auth.Manager, when string, sessionToo bool) {
	t.Helper()
	ctx := context.Background()
	if err := verifyKey(m, r.key); err != auth.ErrInvalidToken {
		t.Errorf("%s: the key: %v", when, err)
	}
	if err := secondStep(ctx, m, r.temp, auth.Secret(r.Code())); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("%s: the temp token: %v", when, err)
	}
	if !sessionToo {
		return
	}
	if verify(t, m, r.token) {
		t.Errorf("%s: the token is accepted", when)
	}
	if _, err := m.Refresh(ctx, auth.Secret(r.token)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("%s: refresh: %v", when, err)
	}
}

// OR-4. A member who is removed has no access left, on any instance, and goes on alone.
func TestNoCredentialOutlivesARemoval(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		for _, closed := range []bool{false, true} {
			cfg := auth.Config{Limits: unlimited(), NoRegistration: closed, Notifier: &authtest.Notices{}}
			if closed {
				s = memstore.New()
			}
			h := authtest.With(t, s, cfg)
			auth.AwaitBackground(h.Manager)
			other := twin(t, h, cfg)
			boss := h.Register()
			bob := boss.Colleague("admin")
			u := withCredentials(t, h, bob)
			if err := h.SetAssignedAgents(t.Context(), bob.ID, []string{"billing"}); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*auth.Manager{h.Manager, other.Manager} { // it is remembered there
				for range 3 {
					if err := verifyKey(m, u.key); err != nil || !verify(t, m, u.token) {
						t.Fatal(err)
					}
				}
			}
			if err := h.RemoveMember(t.Context(), boss.Identity(), bob.ID, "", ""); err != nil {
				t.Fatal(err)
			}
			u.refused(t, other.Manager, "removed", true)
			u.refused(t, h.Manager, "removed", true)
			now := userOf(t, h, bob.ID)
			own, err := h.Organization(t.Context(), now.OrganizationID)
			role := "admin"
			if closed {
				role = "member"
			}
			if err != nil || now.OrganizationID == boss.OrganizationID || own.Name != bob.FullName || now.Disabled != closed || now.Role != role || len(now.AssignedAgents) != 0 {
				t.Errorf("closed %v: %+v in %+v, %v", closed, now, own, err)
			}
			checkRoster(t, h, boss.OrganizationID, "one is removed", boss.ID)
			checkRoster(t, h, own.ID, "alone", bob.ID)
			if keys, err := h.UserAPIKeys(t.Context(), bob.ID); err != nil || len(keys) != 0 {
				t.Errorf("there are %d keys, %v", len(keys), err)
			}
			if err := h.RemoveMember(t.Context(), boss.Identity(), bob.ID, "", ""); err != auth.ErrNotFound {
				t.Errorf("removed twice: %v", err)
			}
			if closed {
				if err := h.EnableUser(t.Context(), bob.ID); err != nil {
					t.Fatal(err)
				}
				u.refused(t, h.Manager, "enabled again", true)
			}
			h.AwaitNotice(u.User, auth.EventMemberRemoved)
		}
	})
}

// OR-4. Who leaves keeps the session that leaves, and nothing else.
func TestALeaverKeepsThePresentSessionAndNothingElse(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		other := twin(t, h, auth.Config{Limits: unlimited()})
		alice := h.Register()
		u := withCredentials(t, h, alice.Colleague("member"))
		elsewhere := u.User.Login()
		if err := h.LeaveOrganization(t.Context(), u.id, "", ""); err != nil {
			t.Fatal(err)
		}
		u.refused(t, other.Manager, "left", false)
		if verify(t, other.Manager, elsewhere) {
			t.Error("another session goes on")
		}
		now := identityOf(t, other.Manager, auth.Secret(u.token))
		if now.SessionID != u.id.SessionID || now.User.OrganizationID == alice.OrganizationID || now.User.Role != "admin" || !now.User.Admin {
			t.Errorf("%+v", now)
		}
		if c := payload(t, auth.Secret(refreshed(t, other.Manager, u.token))); c["org"] != now.User.OrganizationID {
			t.Errorf("its next token says %v", c)
		}
		if n, err := h.MemberCount(t.Context(), alice.OrganizationID); n != 1 || err != nil {
			t.Errorf("%d members are left, %v", n, err)
		}
		made, key := newKey(t, h.Manager, now, auth.NewAPIKey{})
		if err := verifyKey(other.Manager, key); err != nil || made.ID == "" {
			t.Errorf("a key of the new organization: %v", err)
		}
		if err := h.LeaveOrganization(t.Context(), now, "", ""); err != nil { // who was alone
			t.Fatal(err)
		}
		if _, err := h.Organization(t.Context(), now.User.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the organization that nobody is in: %v", err)
		}
		if err := verifyKey(other.Manager, key); err != auth.ErrInvalidToken {
			t.Errorf("its key: %v", err)
		}
	})
}

// OR-4. A key that an older version made names no organization.
func TestAKeyFromBeforeOrganizationsWereNamedEndsWithARemoval(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	alice := h.Register()
	bob := alice.Colleague("member")
	key := bob.APIKey()
	auth.ForgetOrganizations(t.Context(), h.Manager, bob.ID)
	if err := verifyKey(h.Manager, key); err != nil || !verify(t, h.Manager, bob.Token()) {
		t.Fatalf("before: %v", err)
	}
	if err := h.RemoveMember(t.Context(), alice.Identity(), bob.ID, "", ""); err != nil {
		t.Fatal(err)
	}
	if err := verifyKey(h.Manager, key); err != auth.ErrInvalidToken || verify(t, h.Manager, bob.Token()) {
		t.Errorf("after: %v", err)
	}
}

// OR-4. Of a key that is made while its owner is removed, none is accepted after it.
func TestAKeyThatIsMadeDuringARemovalDoesNotOutliveIt(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	other := twin(t, h, auth.Config{Limits: unlimited()})
	alice := h.Register()
	for range 20 {
		bob := alice.Colleague("member")
		id, boss := bob.Identity(), alice.Identity()
		var keys [8]auth.Secret
		errs := atOnce(t, 9, func(i int) (err error) {
			if i == 8 {
				return h.RemoveMember(t.Context(), boss, bob.ID, "", "")
			}
			_, keys[i], err = other.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k"})
			return err
		})
		if errs[8] != nil {
			t.Fatal(errs[8])
		}
		for i, key := range keys {
			if errs[i] == nil && verifyKey(other.Manager, string(key)) != auth.ErrInvalidToken {
				t.Error("a key is accepted after the removal")
			}
		}
		if left, err := h.UserAPIKeys(t.Context(), bob.ID); err != nil || len(left) != 0 {
			t.Errorf("%d keys are listed, %v", len(left), err)
		}
	}
}

// OR-1. A change that is made late is not made again, whatever happened since.
func TestASlowChangeIsNotMadeAgainAfterItWasUndone(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	h.WithoutTurns()
	alice := h.Register()
	bob := alice.Colleague("admin")
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/acct") })
	slow := make(chan error, 1)
	id := alice.Identity()
	go func() {
		_, err := h.SetMemberRole(context.Background(), id, bob.ID, "member", "", "")
		slow <- err
	}()
	held()
	tap.tap(nil, nil)
	if err := h.SetRole(t.Context(), alice.ID, "member"); !errors.Is(err, auth.ErrLastAdmin) {
		t.Errorf("beside an admin whose end is announced: %v", err)
	}
	for _, role := range []string{"member", "admin"} { // made by another, and undone
		if err := h.SetRole(t.Context(), bob.ID, role); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.SetRole(t.Context(), alice.ID, "member"); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	if u := userOf(t, h, bob.ID); u.Role != "admin" {
		t.Errorf("there is no admin: the slow change made the last one %q", u.Role)
	}
	checkRoster(t, h, alice.OrganizationID, "after all", alice.ID, bob.ID)
}
