package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func mustFound(t *testing.T, h *authtest.Harness, name string) auth.Organization {
	t.Helper()
	org, err := h.CreateOrganization(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return org
}

// An import makes many in one go, for no client at all.
func TestTheProgramMakesOrganizationsWithoutALimit(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{NoRegistration: true, Limits: auth.Limits{RegisterByAddress: store.Limit{Burst: 1, Every: time.Hour}}})
		ids := map[string]bool{}
		for range 250 {
			org := mustFound(t, h, "Société Générale — £")
			if got, err := h.Organization(t.Context(), org.ID); err != nil || got != org || !org.CreatedAt.Equal(h.Clock.Now()) {
				t.Fatalf("made %+v, and there is %+v, %v", org, got, err)
			}
			ids[org.ID] = true
		}
		if len(ids) != 250 {
			t.Errorf("%d ids of 250 organizations", len(ids))
		}
		for _, name := range []string{"", " ", strings.Repeat("a", 101), "a\nb", "\xff"} {
			var input *auth.InputError
			if _, err := h.CreateOrganization(t.Context(), name); !errors.As(err, &input) || input.Fields[0].Field != "name" {
				t.Errorf("the name %q: %v", name, err)
			}
		}
	})
}

// One that registering made ends with its last user.
func TestAnOrganizationOfTheProgramStaysWithoutAUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		auth.AwaitBackground(h.Manager)
		org := mustFound(t, h, "Engines")
		for round := range 2 {
			u := mustJoin(t, h, org.ID, emailOf("bob", round), "admin")
			checkRoster(t, h, org.ID, "with one user", u.ID)
			if err := h.DeleteUser(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
			if got, err := h.Organization(t.Context(), org.ID); err != nil || got != org {
				t.Errorf("without a user: %+v, %v", got, err)
			}
			checkRoster(t, h, org.ID, "without a user")
		}
	})
}

// A Manager on a store of before there were rosters removes organizations without a user. One
// that the program made is none of them.
func TestTheMigrationKeepsTheOrganizationsOfTheProgram(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		old := newOldStore(t, s)
		tap := newTapStore(s)
		tap.background = true
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Walk" {
				return errOutage // the migration has not begun
			}
			return nil
		}, nil)
		h := twinOn(t, old.Harness, tap, auth.Config{})
		org, used := mustFound(t, h, "Engines"), mustFound(t, h, "Looms")
		u := mustJoin(t, h, used.ID, "new@example.com", "admin")
		if err := h.DeleteUser(auth.WithForce(t.Context()), u.ID); err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteOrganization(t.Context(), org.ID); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("a deletion before it is certain who is in an organization: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		old.Clock.Advance(48 * time.Hour)
		h = twin(t, old.Harness, auth.Config{})
		auth.AwaitBackground(h.Manager)
		for _, kept := range []auth.Organization{org, used} {
			if got, err := h.Organization(t.Context(), kept.ID); err != nil || got != kept {
				t.Errorf("after the migration: %+v, %v", got, err)
			}
		}
		old.check(t, h)
	})
}

// PR-9, PR-7.
func TestADeletedOrganizationLeavesNothingOfItsUsers(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		for _, made := range []bool{false, true} {
			ann := h.Register()
			id := ann.OrganizationID
			if made {
				id = mustFound(t, h, "Engines").ID
			}
			outsider := h.Register()
			var emails, tokens, words []string
			for i, role := range []string{"admin", "reader", "reader"} {
				u := mustJoin(t, h, id, emailOf("in", 10*i), role)
				emails = append(emails, u.Email)
				words = append(words, strings.TrimPrefix(u.ID, "user_"))
				r, err := h.Login(t.Context(), u.Email, authtest.Password)
				if err != nil {
					t.Fatal(err)
				}
				tokens = append(tokens, string(r.AccessToken.Token))
				if i == 2 {
					if err := h.DisableUser(t.Context(), u.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := h.DeleteOrganization(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			for i, email := range emails {
				if _, err := h.UserByEmail(t.Context(), email); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("%s: %v", email, err)
				}
				if verify(t, h.Manager, tokens[i]) {
					t.Errorf("the token of %s is accepted", email)
				}
			}
			if _, err := h.Organization(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("the organization: %v", err)
			}
			if err := h.DeleteOrganization(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("a second deletion: %v", err)
			}
			if !verify(t, h.Manager, outsider.Token()) {
				t.Error("a user of another organization is gone")
			}
			if keys, _ := remains(t, s, h.Clock.Now(), strings.TrimPrefix(id, "org_")); len(keys) != 0 {
				t.Errorf("there is %v of the organization", keys)
			}
			if keys, _ := remains(t, s, h.Clock.Now(), words...); len(slices.DeleteFunc(keys, func(k string) bool { return strings.HasSuffix(k, "/acct") })) != 0 {
				t.Errorf("there is %v of its users", keys)
			}
		}
		for _, id := range []string{"", "org_", "org_" + strings.Repeat("0", 29), "user_" + strings.Repeat("0", 29)} {
			if err := h.DeleteOrganization(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}

// PR-9. Wherever it is cut off, the organization is as it was or nobody can join it, and the
// next call finishes it.
func TestADeletionOfAnOrganizationCutOffAnywhereIsContinued(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		type group struct {
			id    string
			email string
			words []string
		}
		groups := map[int]group{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				auth.AwaitBackground(h.Manager)
				org := mustFound(t, h, "Engines")
				g := group{id: org.ID, email: emailOf("ann", round), words: []string{strings.TrimPrefix(org.ID, "org_")}}
				for _, name := range []string{"ann", "bob"} {
					u := mustJoin(t, h, org.ID, emailOf(name, round), "admin")
					g.words = append(g.words, strings.TrimPrefix(u.ID, "user_"))
				}
				groups[round] = g
				return func(m *auth.Manager) error { return m.DeleteOrganization(t.Context(), org.ID) }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				auth.AwaitBackground(h.Manager)
				g := groups[round]
				_, orgErr := h.Organization(t.Context(), g.id)
				_, userErr := h.UserByEmail(t.Context(), g.email)
				if orgErr == nil && userErr != nil {
					t.Errorf("round %d: a user is deleted, and the organization is not ended", round)
				}
				if _, err := colleague(t.Context(), h.Manager, g.id, emailOf("cat", round), "reader"); orgErr != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("round %d: a user for it: %v", round, err)
				}
				if again := h.DeleteOrganization(t.Context(), g.id); again != nil && !errors.Is(again, auth.ErrNotFound) {
					t.Errorf("round %d: %v, and then %v", round, err, again)
				}
				if keys, _ := remains(t, tap.Store, h.Clock.Now(), g.words[0]); len(keys) != 0 {
					t.Errorf("round %d: there is %v", round, keys)
				}
				keys, _ := remains(t, tap.Store, h.Clock.Now(), g.words[1:]...)
				for _, key := range keys {
					if !strings.HasSuffix(key, "/acct") { // the tombstone
						t.Errorf("round %d: there is %s", round, key)
					}
				}
				if err := register(t.Context(), h.Manager, g.email); err != nil {
					t.Errorf("round %d: the address is not free: %v", round, err)
				}
			})
	})
}

// PR-9.
func TestOfTheDeletionOfAnOrganizationAndANewUserExactlyOneHappens(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		other := twin(t, h, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(other.Manager)
		for round := range 20 {
			org := mustFound(t, h, "Engines")
			mustJoin(t, h, org.ID, emailOf("ann", round), "admin")
			errs := atOnce(t, 3, func(i int) error {
				if i < 2 { // two processes delete it
					return []*authtest.Harness{h, other}[i].DeleteOrganization(t.Context(), org.ID)
				}
				_, err := colleague(t.Context(), other.Manager, org.ID, emailOf("bob", round), "admin")
				return err
			})
			for _, err := range errs[:2] {
				if err != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Fatal(err)
				}
			}
			if errs[2] != nil && !errors.Is(errs[2], auth.ErrNotFound) {
				t.Errorf("the new user: %v", errs[2])
			}
			for _, name := range []string{"ann", "bob"} { // who came first is deleted with it
				if _, err := h.UserByEmail(t.Context(), emailOf(name, round)); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("%s is left, new: %v: %v", name, errs[2], err)
				}
			}
			if keys, _ := remains(t, s, h.Clock.Now(), strings.TrimPrefix(org.ID, "org_")); len(keys) != 0 {
				t.Errorf("there is %v", keys)
			}
		}
	})
}

// failingCreation makes an account in the organization and calls end after its claim, which must
// end the organization. The creation must fail and leave nothing.
func failingCreation(t *testing.T, h *authtest.Harness, tap *tapStore, organizationID string, end func() error) {
	t.Helper()
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/pass") })
	slow := make(chan error, 1)
	go func() {
		_, err := colleague(context.Background(), h.Manager, organizationID, "bob@example.com", "admin")
		slow <- err
	}()
	held()
	tap.tap(nil, nil)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Organization(t.Context(), organizationID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the organization, with a creation under way: %v", err)
	}
	release()
	if err := <-slow; !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the creation: %v", err)
	}
	if keys, _ := remains(t, tap.Store, h.Clock.Now(), strings.TrimPrefix(organizationID, "org_")); len(keys) != 0 {
		t.Errorf("there is %v", keys)
	}
}

// An account that is being made does not keep an organization that is deleted, or whose last
// user is.
func TestACreationFailsWhoseOrganizationEndsMeanwhile(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	org := mustFound(t, h, "Engines")
	failingCreation(t, h, tap, org.ID, func() error { return h.DeleteOrganization(t.Context(), org.ID) })
	ann := h.Register()
	failingCreation(t, h, tap, ann.OrganizationID, func() error { return h.DeleteUser(auth.WithForce(t.Context()), ann.ID) })
}
