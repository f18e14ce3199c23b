package auth_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// invite returns the invitation that the user makes, and its token, wherever that went.
func invite(t *testing.T, h *authtest.Harness, u *authtest.User, email, role string) (auth.Invitation, auth.Secret) {
	t.Helper()
	made, token, err := h.Invite(t.Context(), u.Identity(), auth.NewInvitation{Email: email, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	if h.SendsMail() {
		token = cmp.Or(token, h.AwaitMail(auth.MailInvitation, made.Email).Token)
	}
	return made, token
}

// registerBy registers an address with the token of an invitation.
func registerBy(ctx context.Context, m *auth.Manager, email string, token auth.Secret) (auth.User, error) {
	return m.Register(ctx, auth.Registration{Email: email, Password: authtest.Password, FullName: "Grace Hopper", InvitationToken: token})
}

// acceptBy accepts an invitation in a fresh session.
func acceptBy(m *auth.Manager, u *authtest.User, token auth.Secret) (auth.User, error) {
	return m.AcceptInvitation(context.Background(), u.Identity(), token, "", "")
}

func pendingIn(t *testing.T, h *authtest.Harness, u *authtest.User) (emails []string) {
	t.Helper()
	list, err := h.Invitations(t.Context(), u.Identity())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		emails = append(emails, one.Email)
	}
	return emails
}

// PR-21. The token is good once, and no list and no record has it.
func TestAnInvitedAddressRegistersIntoTheOrganization(t *testing.T) {
	eachStore(t, func(t *testing.T, memory store.Store) {
		for _, mailed := range []bool{true, false} {
			s := memory
			if !mailed {
				s = memstore.New()
			}
			cfg := auth.Config{Limits: unlimited(), NoRegistration: mailed}
			if mailed {
				cfg.Mailer = &authtest.Mails{}
			}
			h := authtest.With(t, s, cfg)
			ann := h.Register()
			email := fmt.Sprintf("grace%v@example.com", mailed)
			made, token := invite(t, h, ann, email, "member")
			if got := pendingIn(t, h, ann); len(got) != 1 || got[0] != email || !made.ExpiresAt.Equal(h.Clock.Now().Add(7*24*time.Hour)) {
				t.Errorf("made %+v, and there wait %v", made, got)
			}
			list, _ := h.Invitations(t.Context(), ann.Identity())
			if text := fmt.Sprintf("%+v", list); strings.Contains(text, "inv_") || strings.Contains(text, string(token)) {
				t.Errorf("the list has the token: %s", text)
			}
			if keys, _ := remains(t, s, h.Clock.Now(), "inv_", string(token), string(token)[33:65]); len(keys) > 0 {
				t.Errorf("the token is in %v", keys)
			}
			grace, err := registerBy(t.Context(), h.Manager, strings.ToUpper(email[:5])+email[5:], token)
			if err != nil || grace.OrganizationID != ann.OrganizationID || grace.Role != "member" || grace.EmailVerified != mailed {
				t.Fatalf("mailed %v: joined %+v, %v", mailed, grace, err)
			}
			auth.AwaitBackground(h.Manager)
			checkRoster(t, h, ann.OrganizationID, "joined", ann.ID, grace.ID)
			if got := pendingIn(t, h, ann); len(got) != 0 {
				t.Errorf("there wait %v", got)
			}
			want := auth.ErrInvalidOneTimeToken
			if mailed {
				want = auth.ErrRegistrationClosed
			}
			if err := h.DeleteUser(t.Context(), grace.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := registerBy(t.Context(), h.Manager, email, token); !errors.Is(err, want) {
				t.Errorf("the token a second time: %v", err)
			}
		}
	})
}

// PR-22. Also one that gives a role outside Config.Roles.
func TestNobodyInvitesAboveTheirOwnRank(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Roles: []string{"guest", "member", "admin", "owner"}, FirstRole: "owner", Limits: unlimited()})
	owner := h.Register()
	admin, member, staff := owner.Colleague("admin"), owner.Colleague("member"), owner.Colleague("staff")
	for _, c := range []struct {
		who  *authtest.User
		role string
		want error
	}{
		{owner, "owner", nil}, {admin, "admin", nil}, {admin, "guest", nil},
		{admin, "owner", auth.ErrForbidden}, {admin, "staff", auth.ErrForbidden}, {owner, "staff", auth.ErrForbidden},
		{member, "guest", auth.ErrForbidden}, {staff, "guest", auth.ErrForbidden},
		{admin, "no role", auth.ErrInvalidInput}, {admin, "", auth.ErrInvalidInput},
	} {
		_, _, err := h.Invite(t.Context(), c.who.Identity(), auth.NewInvitation{Email: "grace@example.com", Role: c.role})
		if !errors.Is(err, c.want) {
			t.Errorf("%s invites %q: %v, want %v", c.who.Role, c.role, err, c.want)
		}
	}
	for _, who := range []*authtest.User{member, staff} {
		if _, err := h.Invitations(t.Context(), who.Identity()); !errors.Is(err, auth.ErrForbidden) {
			t.Errorf("%s lists: %v", who.Role, err)
		}
		if err := h.RevokeInvitation(t.Context(), who.Identity(), "invitation_x"); !errors.Is(err, auth.ErrForbidden) {
			t.Errorf("%s revokes: %v", who.Role, err)
		}
	}
}

// PR-23.
func TestAnInvitationIsVoidWithoutAnInviterWhoCouldInvite(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Roles: []string{"member", "admin", "owner"}, FirstRole: "owner", Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	for name, void := range map[string]func(bob *authtest.User) error{
		"removed":  func(bob *authtest.User) error { return h.RemoveMember(t.Context(), ann.Identity(), bob.ID, "", "") },
		"disabled": func(bob *authtest.User) error { return h.DisableUser(t.Context(), bob.ID) },
		"deleted":  func(bob *authtest.User) error { return h.DeleteUser(t.Context(), bob.ID) },
		"demoted":  func(bob *authtest.User) error { return h.SetRole(t.Context(), bob.ID, "admin") },
		"no admin": func(bob *authtest.User) error { return h.SetRole(t.Context(), bob.ID, "member") },
		"staff":    func(bob *authtest.User) error { return h.SetRole(t.Context(), bob.ID, "staff") },
	} {
		bob, guest := ann.Colleague("owner"), h.Register()
		_, token := invite(t, h, bob, guest.Email, "owner")
		_, fresh := invite(t, h, bob, "new@example.com", "owner")
		if err := void(bob); err != nil {
			t.Fatal(err)
		}
		if _, err := acceptBy(h.Manager, guest, token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("the inviter is %s, accepting: %v", name, err)
		}
		if _, err := registerBy(t.Context(), h.Manager, "new@example.com", fresh); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("the inviter is %s, registering: %v", name, err)
		}
	}
}

// PR-21. All that is wrong with a token has one error.
func TestATokenOfAnInvitationIsForItsAddressAndItsTime(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	auth.AwaitBackground(h.Manager)
	ann, other := h.Register(), h.Register()
	guest := h.Register()
	revoked, revokedToken := invite(t, h, ann, guest.Email, "member")
	if err := h.RevokeInvitation(t.Context(), other.Identity(), revoked.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an admin of another organization revokes it: %v", err)
	}
	if err := h.RevokeInvitation(t.Context(), ann.Identity(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.RevokeInvitation(t.Context(), ann.Identity(), revoked.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	h.Clock.Advance(20 * time.Minute) // for one more mail
	_, replaced := invite(t, h, relogged(ann), relogged(guest).Email, "member")
	h.Clock.Advance(time.Hour)
	_, live := invite(t, h, relogged(ann), relogged(guest).Email, "admin")
	if got := pendingIn(t, h, ann); len(got) != 1 {
		t.Errorf("there wait %v", got)
	}
	verification := h.AwaitMail(auth.MailVerifyEmail, guest.Email).Token
	otherDigit := auth.Secret("0")
	if strings.HasSuffix(string(live), "0") {
		otherDigit = "1"
	}
	for name, token := range map[string]auth.Secret{
		"none": "", "no token": "inv_", "of another purpose": verification, "changed": live[:len(live)-1] + otherDigit, "revoked": revokedToken, "replaced": replaced,
	} {
		if _, err := acceptBy(h.Manager, guest, token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := acceptBy(h.Manager, relogged(other), live); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
		t.Errorf("by another address: %v", err)
	}
	if _, err := registerBy(t.Context(), h.Manager, "else@example.com", live); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
		t.Errorf("a registration of another address: %v", err)
	}
	for _, purpose := range []func() error{
		func() error { return h.VerifyEmail(t.Context(), live) },
		func() error { return h.ResetPassword(t.Context(), live, "another long password") },
	} {
		if err := purpose(); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("for another purpose: %v", err)
		}
	}
	h.Clock.Advance(7 * 24 * time.Hour)
	ann.Login()
	if _, err := acceptBy(h.Manager, relogged(guest), live); !errors.Is(err, auth.ErrInvalidOneTimeToken) || len(pendingIn(t, h, ann)) != 0 {
		t.Errorf("expired: %v, and there wait %v", err, pendingIn(t, h, ann))
	}
}

func relogged(u *authtest.User) *authtest.User {
	u.Login()
	return u
}

// PR-24.
func TestAnOrganizationHasAHundredInvitationsAtMost(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		h.WithoutTurns()
		ann := h.Register()
		admins := []*authtest.User{ann, ann.Colleague("admin"), ann.Colleague("admin")}
		for i := range 95 {
			invite(t, h, admins[i/40], emailOf("guest", i), "member")
		}
		ids := []auth.Identity{admins[2].Identity(), admins[2].Identity()}
		errs := atOnce(t, 10, func(i int) error {
			_, _, err := h.Invite(t.Context(), ids[i%2], auth.NewInvitation{Email: emailOf("late", i), Role: "member"})
			return err
		})
		if n := countIs(errs, auth.ErrInvitationLimit); n != 5 || len(pendingIn(t, h, ann)) != 100 {
			t.Errorf("%d of 10 beside 95 are refused, and %d wait", n, len(pendingIn(t, h, ann)))
		}
		if _, _, err := h.Invite(t.Context(), ids[0], auth.NewInvitation{Email: "GUEST0@example.com", Role: "admin"}); !errors.Is(err, auth.ErrInvitationLimit) && err != nil {
			t.Errorf("one for an address that has one: %v", err)
		}
		h.Clock.Advance(7 * 24 * time.Hour)
		ann.Login()
		invite(t, h, ann, "later@example.com", "member")
		if got := pendingIn(t, h, ann); len(got) != 1 {
			t.Errorf("a week later there wait %v", got)
		}
	})
}

// PR-25. Neither the answer nor the work shows an account of another organization.
func TestAnInvitationDoesNotShowWhoHasAnAccount(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{}) // what is mailed is decided in the queue
	auth.AwaitBackground(h.Manager)
	ann, other := h.Register(), h.Register()
	colleague := ann.Colleague("member")
	calls := map[string]string{}
	for _, email := range []string{other.Email, "nobody@example.com"} {
		var mu sync.Mutex
		var seen []string
		tap.tap(func(_ context.Context, c storeCall) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, c.kind)
			return nil
		}, nil)
		made, token, err := h.Invite(t.Context(), ann.Identity(), auth.NewInvitation{Email: email, Role: "member"})
		tap.tap(nil, nil)
		if err != nil || token == "" || made.Email != email {
			t.Errorf("%s: %+v, %v", email, made, err)
		}
		mu.Lock()
		calls[email] = fmt.Sprint(seen)
		mu.Unlock()
	}
	if calls[other.Email] != calls["nobody@example.com"] || !strings.Contains(calls[other.Email], "Commit") {
		t.Errorf("the calls of the store: %v", calls)
	}
	_, _, err := h.Invite(t.Context(), ann.Identity(), auth.NewInvitation{Email: strings.ToUpper(colleague.Email), Role: "member"})
	if !errors.Is(err, auth.ErrAlreadyMember) {
		t.Errorf("a member: %v", err)
	}
}

// PR-26. Whoever registers may invite, so a stranger can have strangers mailed.
func TestInvitationsByMailAreLimited(t *testing.T) {
	cfg := mailConfig()
	cfg.Limits.MailByAddress = store.Limit{Burst: 1_000_000, Every: time.Millisecond}
	h := authtest.With(t, memstore.New(), cfg)
	ann := h.Register()
	try := func(u *authtest.User, n int) (sent int) {
		for i := range n {
			_, _, err := h.Invite(t.Context(), u.Identity(), auth.NewInvitation{Email: emailOf("guest"+u.ID[len(u.ID)-3:], i), Role: "member"})
			if err == nil {
				sent++
			} else if !errors.Is(err, auth.ErrRateLimited) {
				t.Fatal(err)
			}
			h.Clock.Advance(time.Second) // for the budget of changes
		}
		return sent
	}
	if n := try(ann, 6); n != 3 {
		t.Errorf("an admin whose address is not verified has %d people mailed", n)
	}
	mail := h.AwaitMail(auth.MailInvitation, emailOf("guest"+ann.ID[len(ann.ID)-3:], 0))
	if mail.Organization != "" || mail.Inviter != "" {
		t.Errorf("an unverified inviter writes to a stranger: %q, %q", mail.Organization, mail.Inviter)
	}
	ann.VerifyEmail()
	if n := try(ann, 30); n != 17 {
		t.Errorf("an organization of which 3 were mailed has %d more mailed", n)
	}
	if n := try(ann.Colleague("admin"), 2); n > 1 {
		t.Errorf("another admin of it has %d mailed", n)
	}
	// One mailbox gets three mails, whoever invites it, and nobody learns of it.
	box := "box@example.com"
	for range 5 {
		other := h.Register()
		if _, _, err := h.Invite(t.Context(), other.Identity(), auth.NewInvitation{Email: box, Role: "member"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range h.Mails.All() {
		if m.To == box {
			n++
		}
	}
	if n != 3 {
		t.Errorf("one mailbox got %d mails", n)
	}
}

// PR-26. Who leaves an organization gets another, with a budget of its own.
func TestAnInviterMailsNoMorePeopleByLeavingTheOrganization(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	ann.VerifyEmail()
	sent, refused := 0, 0
	for i := range 45 {
		h.Clock.Advance(time.Second) // for the budget of changes
		_, _, err := h.Invite(t.Context(), ann.Identity(), auth.NewInvitation{Email: emailOf("guest", i), Role: "member"})
		switch {
		case err == nil:
			sent++
		case errors.Is(err, auth.ErrRateLimited):
			refused++
			if err := h.LeaveOrganization(t.Context(), ann.Identity(), "", ""); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal(err)
		}
	}
	if sent != 20 || refused != 25 {
		t.Errorf("%d people are mailed, and %d are not", sent, refused)
	}
}

// PR-26. Any stranger can invite an address, and as often as there are organizations.
func TestInvitationsLeaveTheOwnerOfAnAddressAMailForAReset(t *testing.T) {
	cfg := mailConfig()
	done := make(chan struct{}, 100)
	cfg.Events = handlerFunc(func(_ context.Context, e auth.Event) {
		if e.Action == string(auth.MailInvitation) || e.Type == auth.EventRateLimited && e.Reason == "mail" {
			done <- struct{}{}
		}
	})
	h := authtest.With(t, memstore.New(), cfg)
	owner := h.Register()
	owner.VerifyEmail()
	h.Clock.Advance(24 * time.Hour)
	inviteAll := func() {
		for range 3 {
			if _, _, err := h.Invite(t.Context(), h.Register().Identity(), auth.NewInvitation{Email: owner.Email, Role: "member"}); err != nil {
				t.Fatal(err)
			}
			<-done
		}
	}
	inviteAll()
	for range 3 {
		h.Clock.Advance(20 * time.Minute)
		inviteAll()
		h.Clock.Advance(20 * time.Minute)
		inviteAll()
		if err := h.ForgotPassword(t.Context(), owner.Email); err != nil {
			t.Fatal(err)
		}
		h.AwaitMail(auth.MailResetPassword, owner.Email)
		h.Clock.Advance(time.Hour) // for the tokens of the resets
	}
}

// PR-26. A mail program makes no link of a name.
func TestAnInvitationNamesAVerifiedInviterAndTheOrganization(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	for name, want := range map[string]string{"Analytical Engines": "Analytical Engines", "Win at evil.example.com": ""} {
		ann := h.Register()
		ann.VerifyEmail()
		if _, err := h.RenameOrganization(t.Context(), ann.Identity(), name); err != nil {
			t.Fatal(err)
		}
		email := "to" + ann.Email
		if _, _, err := h.Invite(t.Context(), ann.Identity(), auth.NewInvitation{Email: email, Role: "member"}); err != nil {
			t.Fatal(err)
		}
		mail := h.AwaitMail(auth.MailInvitation, email)
		if mail.Organization != want || mail.Inviter != ann.FullName || mail.UserID != ann.ID {
			t.Errorf("%q: %q of %q", name, mail.Organization, mail.Inviter)
		}
	}
}

// PR-28. Its token would open nothing.
func TestAnInvitationThatIsRevokedBeforeItsMailLeftIsNotMailed(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, mailConfig())
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	id, made := ann.Identity(), false
	held, release := stall(t, tap, func(c storeCall) bool {
		made = made || c.kind == "Commit" && c.names("/invitations")
		return made && c.kind == "Get" && c.names("/invitations") // by the queue of mails
	})
	invited, _, err := h.Invite(t.Context(), id, auth.NewInvitation{Email: "guest@example.com", Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	held()
	tap.tap(nil, nil)
	if err := h.RevokeInvitation(t.Context(), id, invited.ID); err != nil {
		t.Fatal(err)
	}
	release()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, m := range h.Mails.All() {
		if m.Purpose == auth.MailInvitation {
			t.Errorf("mailed: %v", m)
		}
	}
}

// PR-26. An hour without a mail server locks nobody out.
func TestAnInvitationThatTheMailerRefusesCountsForNothing(t *testing.T) {
	failed := make(chan struct{}, 10)
	cfg := mailConfig()
	cfg.Events = handlerFunc(func(_ context.Context, e auth.Event) {
		if e.Type == auth.EventMailFailed {
			failed <- struct{}{}
		}
	})
	cfg.Mailer = mailerFunc(func(_ context.Context, mail auth.Mail) error {
		if mail.Purpose == auth.MailInvitation {
			return errors.New("down")
		}
		return nil
	})
	h := authtest.With(t, memstore.New(), cfg)
	ann := h.Register()
	for i := range 8 {
		if _, _, err := h.Invite(t.Context(), ann.Identity(), auth.NewInvitation{Email: emailOf("guest", i), Role: "member"}); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		<-failed
	}
}

// PR-26. An invitation is sent again, and the mail does not leave: the mailbox has had enough, or the
// mail server is down. The person has the last mail that arrived, and it is good.
func TestAnInvitationWhoseMailDoesNotLeaveVoidsNoneThatArrived(t *testing.T) {
	for _, again := range []string{"member", "admin"} {
		for _, down := range []bool{false, true} {
			cfg := mailConfig()
			var sent []auth.Secret
			cfg.Mailer = mailerFunc(func(_ context.Context, mail auth.Mail) error {
				switch {
				case mail.Purpose != auth.MailInvitation:
				case down && len(sent) == 2:
					return errors.New("down")
				default:
					sent = append(sent, mail.Token)
				}
				return nil
			})
			done := make(chan struct{}, 10)
			cfg.Events = handlerFunc(func(_ context.Context, e auth.Event) {
				if e.Action == string(auth.MailInvitation) || e.Type == auth.EventRateLimited {
					done <- struct{}{}
				}
			})
			h := authtest.With(t, memstore.New(), cfg)
			id, verified := member(t, h.Manager, "ann@example.com"), true
			if _, err := h.UpdateUser(t.Context(), id.User.ID, auth.UserChange{EmailVerified: &verified}); err != nil {
				t.Fatal(err)
			}
			const email = "grace@example.com"
			for _, role := range []string{"member", "member", "member", again} { // a mailbox gets three mails
				if _, _, err := h.Invite(t.Context(), id, auth.NewInvitation{Email: email, Role: role}); err != nil {
					t.Fatal(err)
				}
				<-done
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			other := twin(t, h, mailConfig())
			last := sent[len(sent)-1]
			for _, token := range sent[:len(sent)-1] {
				if _, err := registerBy(t.Context(), other.Manager, email, token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
					t.Errorf("down %v: an earlier token: %v", down, err)
				}
			}
			_, err := registerBy(t.Context(), other.Manager, email, last)
			if good := again == "member"; good != (err == nil) { // otherwise the admin has changed their mind
				t.Errorf("down %v, invited as %s: the last token that arrived: %v", down, again, err)
			}
		}
	}
}

// OR-4. An invitation for the address of a member waits if the account was made while it did, or has
// changed to the address. It is no way back.
func TestAMemberWhoGoesHasNoInvitationToComeBackBy(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	auth.AwaitBackground(h.Manager)
	ann := h.Register()
	_, other := invite(t, h, ann, "other@example.com", "member")
	for name, end := range map[string]func(bob *authtest.User) error{
		"removed":             func(bob *authtest.User) error { return h.RemoveMember(t.Context(), ann.Identity(), bob.ID, "", "") },
		"left":                func(bob *authtest.User) error { return h.LeaveOrganization(t.Context(), bob.Identity(), "", "") },
		"deleted":             func(bob *authtest.User) error { return h.DeleteUser(t.Context(), bob.ID) },
		"deleted by the user": func(bob *authtest.User) error { return deleteOwn(h, bob) },
	} {
		h.Clock.Advance(24 * time.Hour) // for the next mail
		bob := ann.Colleague("member")
		email := "now." + bob.Email
		_, token := invite(t, h, relogged(ann), email, "admin")
		if _, err := h.UpdateUser(t.Context(), bob.ID, auth.UserChange{Email: &email}); err != nil {
			t.Fatal(err)
		}
		bob.Email = email
		if err := end(relogged(bob)); err != nil {
			t.Fatal(err)
		}
		if got := pendingIn(t, h, relogged(ann)); len(got) != 1 || got[0] != "other@example.com" {
			t.Errorf("%s: there wait %v", name, got)
		}
		var err error
		if _, gone := h.User(t.Context(), bob.ID); gone != nil {
			_, err = registerBy(t.Context(), h.Manager, email, token)
		} else {
			_, err = acceptBy(h.Manager, relogged(bob), token)
		}
		if !errors.Is(err, auth.ErrInvalidOneTimeToken) {
			t.Errorf("%s, and comes back: %v", name, err)
		}
	}
	if _, err := registerBy(t.Context(), h.Manager, "other@example.com", other); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}
