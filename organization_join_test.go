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

// PR-27. What the user had elsewhere ends, but for the session of the call.
func TestAnInvitedUserMovesToTheOrganization(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, mailConfig())
		auth.AwaitBackground(h.Manager)
		ann, guest := h.Register(), h.Register()
		key, otherSession := guest.APIKey(), guest.Login()
		guest.Login()
		invite(t, h, guest, "third@example.com", "member")
		_, token := invite(t, h, ann, guest.Email, "member")
		moved, err := acceptBy(h.Manager, guest, token)
		if err != nil || moved.OrganizationID != ann.OrganizationID || moved.Role != "member" || !moved.EmailVerified {
			t.Fatalf("moved: %+v, %v", moved, err)
		}
		if !sameUser(userOf(t, h, guest.ID), moved) || !sameUser(guest.Identity().User, moved) {
			t.Errorf("the account is %+v, that of the session %+v, want %+v", userOf(t, h, guest.ID), guest.Identity().User, moved)
		}
		if verify(t, h.Manager, otherSession) || verifyKey(h.Manager, key) == nil {
			t.Error("another session or an API key goes on")
		}
		checkRoster(t, h, ann.OrganizationID, "moved", ann.ID, guest.ID)
		if got := pendingIn(t, h, ann); len(got) != 0 {
			t.Errorf("there wait %v", got)
		}
		if keys, _ := remains(t, s, h.Clock.Now(), "/org", "third@example.com"); slices.Contains(keys, "o."+strings.TrimPrefix(guest.OrganizationID, "org_")+"/org") || len(keys) != 1 {
			t.Errorf("of the old organization there is %v", keys)
		}
		if _, err := acceptBy(h.Manager, guest, token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("a second time: %v", err)
		}
		if e := h.AwaitEvent(guest, auth.EventInvitationAccepted); e.OrganizationID != ann.OrganizationID || e.Actor != guest.Identity().SessionID || e.Role != "member" {
			t.Errorf("the event is %+v", e)
		}
		// Removed, the user does not come back by the token.
		if err := h.RemoveMember(t.Context(), ann.Identity(), guest.ID, "", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := acceptBy(h.Manager, relogged(guest), token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("after a removal: %v", err)
		}
	})
}

// PR-27. A user whose organization has others stays, and the token is not used.
func TestOnlyAUserWhoIsAloneMoves(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	ann, guest := h.Register(), h.Register()
	other := guest.Colleague("member")
	_, token := invite(t, h, ann, guest.Email, "member")
	_, forOther := invite(t, h, ann, other.Email, "member")
	for _, c := range []struct {
		u     *authtest.User
		token auth.Secret
	}{{guest, token}, {other, forOther}} {
		if _, err := acceptBy(h.Manager, c.u, c.token); !errors.Is(err, auth.ErrOrganizationNotEmpty) {
			t.Errorf("%s with others: %v", c.u.Role, err)
		}
	}
	id := guest.Identity()
	h.Clock.Advance(time.Hour - time.Minute)
	if _, err := h.AcceptInvitation(t.Context(), id, token, "", ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
		t.Errorf("without a fresh login: %v", err)
	}
	if _, err := h.AcceptInvitation(t.Context(), id, token, "not the password", ""); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := h.DeleteUser(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	if moved, err := acceptBy(h.Manager, relogged(guest), token); err != nil || moved.OrganizationID != ann.OrganizationID {
		t.Errorf("alone: %+v, %v", moved, err)
	}
}

// PR-27. A move home would be the end of the organization.
func TestAnInvitationIntoTheOwnOrganizationMovesNobody(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	_, token := invite(t, h, ann, "ann.king@example.com", "member")
	ann.ChangeEmail("ann.king@example.com")
	if _, err := acceptBy(h.Manager, ann, token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
		t.Errorf("%v, want ErrInvalidOneTimeToken", err)
	}
	if _, err := h.Organization(t.Context(), ann.OrganizationID); err != nil || userOf(t, h, ann.ID).Role != "admin" {
		t.Errorf("%v, and the user is %+v", err, userOf(t, h, ann.ID))
	}
}

// PR-27.
func TestAnOrganizationOfTheProgramStaysWhenItsLastUserMoves(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	ann, org := h.Register(), mustFound(t, h, "Engines")
	guest := mustJoin(t, h, org.ID, "guest@example.com", "member")
	_, token := invite(t, h, ann, guest.Email, "member")
	moved, err := h.AcceptInvitation(t.Context(), sessionOf(t, h, guest.Email), token, "", "")
	if err != nil || moved.OrganizationID != ann.OrganizationID {
		t.Fatalf("%+v, %v", moved, err)
	}
	if _, err := h.Organization(t.Context(), org.ID); err != nil {
		t.Errorf("the organization: %v", err)
	}
}

// PR-21, PR-28. A hundred registrations, and then a hundred acceptances in the sessions of one user, with
// registrations among them.
func TestOfAHundredUsesOfAnInvitationOneIsAMember(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		n := 100
		h := authtest.With(t, s, raced())
		h.WithoutTurns()
		other := twin(t, h, raced())
		other.WithoutTurns()
		auth.AwaitBackground(h.Manager)
		managers := []*auth.Manager{h.Manager, other.Manager}
		ann := h.Register()
		_, token := invite(t, h, ann, "grace@example.com", "member")
		errs := atOnce(t, n, func(i int) error {
			_, err := registerBy(context.Background(), managers[i%2], "grace@example.com", token)
			return err
		})
		joined := countIs(errs, nil)
		guest := h.Register()
		_, token = invite(t, h, ann, guest.Email, "member")
		ids := []auth.Identity{}
		for range 5 {
			guest.Login()
			ids = append(ids, guest.Identity())
		}
		errs = atOnce(t, n, func(i int) (err error) {
			if i%4 == 0 {
				_, err = registerBy(context.Background(), managers[i%2], guest.Email, token)
				return err
			}
			_, err = managers[i%2].AcceptInvitation(context.Background(), ids[i%5], token, "", "")
			return err
		})
		// Calls of the session that moves are all told so. A registration never is.
		moved := countIs(errs, nil)
		for i := 0; i < n; i += 4 {
			if errs[i] == nil {
				t.Errorf("registration %d of an address that has an account succeeded", i)
			}
		}
		page, err := h.Members(t.Context(), ann.Identity(), auth.MemberQuery{})
		if err != nil || len(page.Members) != 3 || joined != 1 || moved == 0 {
			t.Errorf("%d registrations and %d moves of 100 each succeeded: %d members, %v", joined, moved, len(page.Members), err)
		}
		if got := pendingIn(t, h, ann); len(got) != 0 {
			t.Errorf("there wait %v", got)
		}
	})
}

// PR-28. If the revocation returns nil, nobody has joined and nobody will.
func TestARevocationAndAUseOfAnInvitationExcludeEachOther(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, raced())
		h.WithoutTurns()
		other := twin(t, h, raced())
		auth.AwaitBackground(h.Manager)
		ann := h.Register()
		for round := range 20 {
			guest, email := h.Register(), ""
			if round%2 == 0 {
				email = guest.Email
			} else {
				email = emailOf("fresh", round)
			}
			made, token := invite(t, h, relogged(ann), email, "member")
			admin, id := ann.Identity(), guest.Identity()
			errs := atOnce(t, 2, func(i int) (err error) {
				switch {
				case i == 0:
					return other.RevokeInvitation(context.Background(), admin, made.ID)
				case email == guest.Email:
					_, err = h.AcceptInvitation(context.Background(), id, token, "", "")
				default:
					_, err = registerBy(context.Background(), h.Manager, email, token)
				}
				return err
			})
			u, err := h.UserByEmail(t.Context(), email)
			joined := err == nil && u.OrganizationID == ann.OrganizationID
			if revoked := errs[0] == nil; revoked == joined || joined != (errs[1] == nil) {
				t.Errorf("round %d: revoked %v, used %v, a member: %v", round, errs[0], errs[1], joined)
			}
			if got := pendingIn(t, h, ann); len(got) != 0 {
				t.Errorf("round %d: there wait %v", round, got)
			}
			h.Clock.Advance(time.Second)
		}
	})
}

// PR-28. Also if the account of who joins is about to be made: then nobody knows yet whether somebody
// has joined.
func TestARevocationDuringARegistrationSaysThatItIsTooLate(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	made, token := invite(t, h, ann, "guest@example.com", "member")
	admin := ann.Identity()
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/acct") })
	joined := make(chan error, 1)
	go func() {
		_, err := registerBy(context.Background(), h.Manager, "guest@example.com", token)
		joined <- err
	}()
	held()
	tap.tap(nil, nil)
	if err := h.RevokeInvitation(t.Context(), admin, made.ID); err != auth.ErrNotFound {
		t.Errorf("the revocation: %v", err)
	}
	release()
	if err := <-joined; err != nil {
		t.Errorf("the registration: %v", err)
	}
}

// PR-29. Wherever it is cut off, the token is good for the same user as long as there is no member, and
// never after it.
func TestARegistrationByInvitationCutOffAnywhereUsesTheTokenOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		anns, tokens := map[int]auth.Identity{}, map[int]auth.Secret{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				anns[round], tokens[round] = invitedAt(t, h, round, emailOf("bob", round))
				return func(m *auth.Manager) error {
					_, err := registerBy(context.Background(), m, emailOf("bob", round), tokens[round])
					return err
				}
			},
			func(h *authtest.Harness, _ *tapStore, round int, err error) {
				auth.AwaitBackground(h.Manager)
				bob, bobErr := h.UserByEmail(t.Context(), emailOf("bob", round))
				if err == nil && bobErr != nil {
					t.Errorf("round %d: nil, and there is no user: %v", round, bobErr)
				}
				again, err := registerBy(t.Context(), h.Manager, emailOf("bob", round), tokens[round])
				if (err == nil) == (bobErr == nil) {
					t.Errorf("round %d: the user %v, and again: %v", round, bobErr, err)
				}
				if err == nil {
					bob = again
				}
				checkJoined(t, h, anns[round], bob)
			})
	})
}

// PR-29. It is finished forward or backward by the next reader.
func TestAnAcceptanceCutOffAnywhereMovesTheUserOrNot(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		anns, tokens, guests := map[int]auth.Identity{}, map[int]auth.Secret{}, map[int]auth.User{}
		moved := 0
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				auth.AwaitBackground(h.Manager)
				u, err := signUp(h.Manager, emailOf("bob", round))
				if err != nil {
					t.Fatal(err)
				}
				id := sessionOf(t, h, u.Email)
				if _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "old", Password: authtest.Password}); err != nil {
					t.Fatal(err)
				}
				guests[round] = u
				anns[round], tokens[round] = invitedAt(t, h, round, u.Email)
				return func(m *auth.Manager) error {
					_, err := m.AcceptInvitation(context.Background(), id, tokens[round], "", "")
					return err
				}
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				auth.AwaitBackground(h.Manager)
				ann, old := anns[round], guests[round]
				switch round % 3 { // whoever reads next
				case 0:
					if _, err := h.Members(t.Context(), ann, auth.MemberQuery{}); err != nil {
						t.Fatal(err)
					}
				case 1:
					if _, err := h.Members(t.Context(), sessionOf(t, h, old.Email), auth.MemberQuery{}); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := h.Invitations(t.Context(), ann); err != nil {
					t.Fatal(err)
				}
				now := userOf(t, h, old.ID)
				if now.OrganizationID == old.OrganizationID && err == nil {
					t.Errorf("round %d: nil, and the user has not moved", round)
				}
				if now.OrganizationID == old.OrganizationID {
					_, err := h.AcceptInvitation(t.Context(), sessionOf(t, h, old.Email), tokens[round], "", "")
					if now = userOf(t, h, old.ID); err != nil && now.OrganizationID == old.OrganizationID {
						t.Errorf("round %d: the next attempt: %v", round, err)
					}
				} else {
					moved++
				}
				checkJoined(t, h, ann, now)
				if keys, _ := h.APIKeys(t.Context(), sessionOf(t, h, old.Email)); len(keys) != 0 {
					t.Errorf("round %d: the user has %d API keys of before", round, len(keys))
				}
				if keys, _ := remains(t, tap.Store, h.Clock.Now(), "o."+strings.TrimPrefix(old.OrganizationID, "org_")); len(keys) != 0 {
					t.Errorf("round %d: of the old organization there is %v", round, keys)
				}
			})
		if moved == 0 {
			t.Error("nothing was ever finished by a reader")
		}
	})
}

// invitedAt makes an admin who invites an address, and returns a session of theirs and the token.
func invitedAt(t *testing.T, h *authtest.Harness, round int, email string) (auth.Identity, auth.Secret) {
	t.Helper()
	auth.AwaitBackground(h.Manager)
	ann, err := signUp(h.Manager, emailOf("ann", round))
	if err != nil {
		t.Fatal(err)
	}
	id := sessionOf(t, h, ann.Email)
	_, token, err := h.Invite(t.Context(), id, auth.NewInvitation{Email: email, Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	return id, token
}

// checkJoined fails the test unless the user is a member of the admin's organization, settled, and no
// invitation waits there.
func checkJoined(t *testing.T, h *authtest.Harness, ann auth.Identity, u auth.User) {
	t.Helper()
	if u.OrganizationID != ann.User.OrganizationID || u.Role != "admin" {
		t.Errorf("the user is %+v", u)
	}
	h.Clock.Advance(time.Minute)
	list, err := h.Invitations(t.Context(), ann)
	if err != nil || len(list) != 0 {
		t.Errorf("there wait %+v, %v", list, err)
	}
	checkRoster(t, h, ann.User.OrganizationID, "joined", ann.User.ID, u.ID)
}

// PR-29. A slow acceptance that others have finished, or have made void, changes nothing.
func TestASlowAcceptanceMovesNobodyAfterTheInvitationEnded(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	h.WithoutTurns()
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	for _, at := range []string{"/invitations", "/acct"} { // held before it takes the invitation, or before the account
		guest := h.Register()
		made, token := invite(t, h, ann, guest.Email, "member")
		id := guest.Identity()
		held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names(at) })
		slow := make(chan error, 1)
		go func() {
			_, err := h.AcceptInvitation(context.Background(), id, token, "", "")
			slow <- err
		}()
		held()
		tap.tap(nil, nil)
		err := h.RevokeInvitation(t.Context(), ann.Identity(), made.ID)
		// A change of the user finishes what is announced.
		if err := h.SetRole(t.Context(), guest.ID, "admin"); err != nil {
			t.Fatal(err)
		}
		u := userOf(t, h, guest.ID)
		if revoked, moved := err == nil, u.OrganizationID == ann.OrganizationID; revoked == moved {
			t.Errorf("held at %s: revoked %v, moved %v", at, err, moved)
		}
		release()
		if err := <-slow; (err == nil) != (u.OrganizationID == ann.OrganizationID) {
			t.Errorf("held at %s: the slow call: %v", at, err)
		}
		if now := userOf(t, h, guest.ID); !sameUser(now, u) {
			t.Errorf("held at %s: the user was %+v and is %+v", at, u, now)
		}
	}
}

// PR-23. The inviter is asked for again when the invitation is taken, whoever does that.
func TestAnAnnouncedMoveEndsWithItsInviter(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	h.WithoutTurns()
	auth.AwaitBackground(h.Manager)
	ann, guest := h.Register(), h.Register()
	bob := ann.Colleague("admin")
	_, token := invite(t, h, bob, guest.Email, "member")
	id := guest.Identity()
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/invitations") })
	slow := make(chan error, 1)
	go func() {
		_, err := h.AcceptInvitation(context.Background(), id, token, "", "")
		slow <- err
	}()
	held()
	tap.tap(nil, nil)
	if err := h.SetRole(t.Context(), bob.ID, "member"); err != nil {
		t.Fatal(err)
	}
	if err := h.SetRole(t.Context(), guest.ID, "admin"); err != nil { // which finishes the move
		t.Fatal(err)
	}
	release()
	if err := <-slow; !errors.Is(err, auth.ErrInvalidOneTimeToken) || userOf(t, h, guest.ID).OrganizationID != guest.OrganizationID {
		t.Errorf("the slow call: %v, and the user is %+v", err, userOf(t, h, guest.ID))
	}
	checkRoster(t, h, ann.OrganizationID, "without the guest", ann.ID, bob.ID)
}

// PR-29. A store that fails in any call is no refusal of a token.
func TestAStoreThatFailsRefusesNoInvitation(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	for name, use := range map[string]func(guest *authtest.User, email string, token auth.Secret) func() error{
		"accept": func(guest *authtest.User, _ string, token auth.Secret) func() error {
			id := guest.Identity()
			return func() error { _, err := h.AcceptInvitation(context.Background(), id, token, "", ""); return err }
		},
		"register": func(_ *authtest.User, email string, token auth.Secret) func() error {
			return func() error { _, err := registerBy(context.Background(), h.Manager, email, token); return err }
		},
	} {
		for _, carriedOut := range []bool{false, true} {
			ann, round := h.Register(), 0
			for nth := int64(1); ; nth++ {
				round++
				guest := h.Register()
				email := guest.Email
				if name == "register" {
					email = emailOf("late"+ann.ID[len(ann.ID)-3:], round)
				}
				_, token := invite(t, h, relogged(ann), email, "member")
				call := use(guest, email, token)
				calls := tap.cutOff(nth, carriedOut)
				err := call()
				tap.tap(nil, nil)
				if calls.Load() < nth {
					if err != nil {
						t.Errorf("%s without a fault: %v", name, err)
					}
					break
				}
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("%s, from call %d on, carried out %v: %v", name, nth, carriedOut, err)
				}
				h.Clock.Advance(2 * time.Second) // for the changes of the admin
			}
		}
	}
}
