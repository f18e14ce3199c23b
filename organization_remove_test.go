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

// PR-9.
func TestAnOrganizationEndsWithItsLastUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		auth.AwaitBackground(h.Manager)
		ann := h.Register()
		bob := mustJoin(t, h, ann.OrganizationID, "bob@example.com", "reader")
		if err := h.DisableUser(t.Context(), bob.ID); err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteUser(t.Context(), ann.ID); !errors.Is(err, auth.ErrLastAdmin) {
			t.Fatal(err)
		}
		if err := h.DeleteUser(auth.WithForce(t.Context()), ann.ID); err != nil {
			t.Fatal(err)
		}
		if org, err := h.Organization(t.Context(), ann.OrganizationID); err != nil || org.Name == "" {
			t.Errorf("with a user that is disabled: %+v, %v", org, err)
		}
		if err := h.DeleteUser(t.Context(), bob.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Organization(t.Context(), ann.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("without a user: %v", err)
		}
		if _, err := colleague(t.Context(), h.Manager, ann.OrganizationID, "cat@example.com", "reader"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("a user for an organization that has ended: %v", err)
		}
		if keys, _ := remains(t, s, h.Clock.Now(), strings.TrimPrefix(ann.OrganizationID, "org_")); len(keys) != 0 {
			t.Errorf("there is %v", keys)
		}
	})
}

// PR-9.
func TestOfTheEndOfAnOrganizationAndANewUserExactlyOneHappens(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		other := twin(t, h, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(other.Manager)
		for round := range 20 {
			ann, err := signUp(h.Manager, emailOf("ann", round))
			if err != nil {
				t.Fatal(err)
			}
			var made auth.User
			errs := atOnce(t, 2, func(i int) (err error) {
				if i == 0 { // by force: without it, a user who is being made keeps the last admin
					return h.DeleteUser(auth.WithForce(t.Context()), ann.ID)
				}
				made, err = colleague(t.Context(), other.Manager, ann.OrganizationID, emailOf("bob", round), "admin")
				return err
			})
			_, err = h.Organization(t.Context(), ann.OrganizationID)
			switch {
			case errs[0] != nil:
				t.Fatal(errs[0])
			case errs[1] == nil && err == nil:
				checkRoster(t, h, ann.OrganizationID, "the user came first", made.ID)
			case errors.Is(errs[1], auth.ErrNotFound) && errors.Is(err, auth.ErrNotFound):
				if _, err := h.UserByEmail(t.Context(), emailOf("bob", round)); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("the end came first, and there is an account: %v", err)
				}
			default:
				t.Errorf("the new user: %v, the organization: %v", errs[1], err)
			}
		}
	})
}

// PR-9. A user that is made is in its organization, wherever its creation is cut off. What is
// left of one that is not made keeps no organization.
func TestACreationCutOffAnywhereKeepsNoOrganizationThatNobodyIsIn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ids := map[int]auth.User{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				ann, err := signUp(h.Manager, emailOf("ann", round))
				if err != nil {
					t.Fatal(err)
				}
				ids[round] = ann
				return func(m *auth.Manager) error {
					_, err := colleague(context.Background(), m, ann.OrganizationID, emailOf("bob", round), "admin")
					return err
				}
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				auth.AwaitBackground(h.Manager)
				ann := ids[round]
				bob, bobErr := h.UserByEmail(t.Context(), emailOf("bob", round))
				if err := h.DeleteUser(t.Context(), ann.ID); err != nil {
					t.Fatal(err)
				}
				_, orgErr := h.Organization(t.Context(), ann.OrganizationID)
				if (bobErr == nil) != (orgErr == nil) {
					t.Errorf("round %d: the user %v, the organization %v", round, bobErr, orgErr)
				}
				if bobErr == nil {
					if err := h.DeleteUser(t.Context(), bob.ID); err != nil {
						t.Fatal(err)
					}
				}
				if keys, _ := remains(t, tap.Store, h.Clock.Now(), strings.TrimPrefix(ann.OrganizationID, "org_")); len(keys) != 0 {
					t.Errorf("round %d: there is %v", round, keys)
				}
			})
	})
}

// PR-9.
func TestARegistrationThatFailsLeavesNoOrganization(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{HashSlots: 1, HashQueue: -1, Limits: unlimited()})
	none := func(when string) {
		t.Helper()
		if keys, _ := remains(t, tap.Store, h.Clock.Now(), "Analytical"); len(keys) != 0 {
			t.Errorf("%s: there is %v", when, keys)
		}
	}
	release := h.OccupyHashing()
	if _, err := signUp(h.Manager, "ada@example.com"); !errors.Is(err, auth.ErrOverloaded) {
		t.Fatal(err)
	}
	release()
	none("shed")
	held, goOn := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/pass") })
	slow := make(chan error, 1)
	go func() { _, err := signUp(h.Manager, "ada@example.com"); slow <- err }()
	held()
	tap.tap(nil, nil)
	h.Clock.Advance(31 * time.Second)
	if err := register(t.Context(), h.Manager, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	goOn()
	if err := <-slow; !errors.Is(err, auth.ErrEmailTaken) {
		t.Fatal(err)
	}
	none("too slow for its address")
	tap.tap(nil, func(_ context.Context, c storeCall) error {
		if c.names("/org") {
			return errOutage
		}
		return nil
	})
	if _, err := signUp(h.Manager, "eve@example.com"); !errors.Is(err, auth.ErrUnavailable) {
		t.Fatal(err)
	}
	none("the answer was lost")
}
