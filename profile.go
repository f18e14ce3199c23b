package auth

import (
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A ProfileChange is what a user changes about themselves. A nil field stays as it is; one of
// FullName and Email is required.
type ProfileChange struct {
	FullName *string // 1 to 100 characters on one line
	Email    *string
	// CurrentPassword allows a change of the address if the login is not fresh. If the
	// user's second factor is on, Code is required with it.
	CurrentPassword Secret
	// Code is a code of the second factor, TOTP or backup. With a Code, CurrentPassword
	// is required even if the login is fresh, if the account has one. Without a second factor Code is ignored.
	Code Secret
}

// UpdateProfile changes the caller's profile and returns it. A new address needs a fresh
// login, or the current password (and a code, if the second factor is on). On success the old
// address is free, and both addresses get a notice. With a Mailer, the new address gets a token
// for [Manager.VerifyEmail]. With Config.ConfirmEmailChange the account keeps its address: the
// new one is its PendingEmail until [Manager.ConfirmEmail], and the old one gets a notice.
//
// On an error the profile is unchanged, and a correct code may be spent. It is kept if an
// account has the address, or if a budget is used up. The error is:
//   - An [*InputError].
//   - ErrReauthenticationRequired if the proof is missing. Nothing was compared then.
//   - ErrInvalidCredentials if the password or the code is wrong. It does not say which, and
//     both are charged.
//   - ErrEmailTaken if another account has the address.
//   - ErrRateLimited, also after 60 changes at once; one more is allowed every second. With
//     Config.ConfirmEmailChange it is also returned after 5 requests for an address at once,
//     with one more every hour, and if the new address got too many mails.
func (m *Manager) UpdateProfile(ctx context.Context, id Identity, change ProfileChange) (User, error) {
	defer m.calls.Begin()()
	var more []record.Reader
	f := newFactors(id, change.CurrentPassword, change.Code)
	if change.Email != nil {
		more = append(more, &f.pass, &f.totp)
	}
	c, err := m.loadPrincipal(ctx, id, more...)
	if err != nil {
		return User{}, err
	}
	old := c.acct.Rec.Email
	canonical, err := checkProfile(&change, old)
	if err != nil {
		return User{}, err
	}
	if err := m.chargeChange(ctx, c.uid); err != nil {
		return User{}, err
	}
	if change.Email == nil || emailaddr.Same(old, canonical) { // the same address, or another spelling of it
		err := m.editProfile(ctx, id, c, change, func(a *account) error {
			if change.Email != nil && !emailaddr.Same(a.Email, canonical) {
				return ErrEmailTaken // changed meanwhile: writing the old address back would need its claim
			}
			return nil
		})
		m.report(ctx, err, id.event(EventProfileChanged))
		if err != nil {
			return User{}, err
		}
		return m.user(id.User.ID, &c.acct.Rec), nil
	}

	charge := m.chargingOnce(c.uid, m.registerBudgets(ctx))
	err = m.proveFresh(ctx, id, c, f, "change_email", func(ctx context.Context) error {
		if err := charge(ctx); err != nil {
			return err
		}
		return m.checkUntaken(ctx, canonical, c.uid)
	})
	if err != nil {
		m.reportEmailTaken(ctx, id, err)
		return User{}, err
	}
	if m.cfg.ConfirmEmailChange {
		err := m.requestEmail(ctx, id, c, change, canonical)
		return m.user(id.User.ID, &c.acct.Rec), err
	}
	claim, err := m.moveOwnEmail(ctx, id, c, *change.Email, canonical, func() error {
		if change.FullName != nil {
			c.acct.Rec.FullName = *change.FullName
		}
		c.acct.Rec.clearRequestedEmail()
		return m.records.Write(ctx, &c.acct, c.acct.Put(), c.session.Unchanged(), endMailTokens(c.uid))
	})
	m.reportEmailTaken(ctx, id, err)
	m.report(ctx, err, id.event(EventEmailChanged), accountNotice(EventEmailChanged, c.uid, &c.acct.Rec, old),
		accountNotice(EventEmailChanged, c.uid, &c.acct.Rec, *change.Email))
	if err != nil {
		return User{}, err
	}
	m.settleEmail(ctx, c, claim, true) // the login was fresh, or the call had the code
	m.offerMail(ctx, mailRequest{kind: verifyMail, digest: emailDigest(canonical), uid: c.uid})
	return m.user(id.User.ID, &c.acct.Rec), nil
}

// settleEmail does what follows a change of the address. If proven, by the login of the session
// or by the call, the network of the caller is known to the user under the new address too. A
// login by a trusted device proves too little: see noteNetwork.
func (m *Manager) settleEmail(ctx context.Context, c *principal, claim record.Row[emailClaim], proven bool) {
	ctx = context.WithoutCancel(ctx) // the address is changed, whatever the client does
	if proven {
		m.addKnownNetwork(ctx, knownBeside(claim), c.uid, clientPrefix(ctx))
	}
	m.releaseEmails(ctx, c.uid, c.acct.Rec.Digests)
}

// reportEmailTaken emits an event if err says that the address of a change is taken.
func (m *Manager) reportEmailTaken(ctx context.Context, id Identity, err error) {
	if errors.Is(err, ErrEmailTaken) {
		e := id.event(EventEmailTaken)
		e.Action = "change_email"
		m.emit(ctx, e)
	}
}

// CheckProfileChange returns the [*InputError] with which UpdateProfile would refuse change
// for the account that has this email address now, or nil. It is for forms of your own, and
// reads no store.
func (m *Manager) CheckProfileChange(change ProfileChange, email string) error {
	if err := m.ready(); err != nil {
		return err
	}
	_, err := checkProfile(&change, email)
	return err
}

// checkProfile brings the texts in change into the form in which they are stored. It returns
// the canonical form of the address. An address that is the old one in another spelling is not
// new, so mail programs may read it as they like.
func checkProfile(change *ProfileChange, old string) (canonical string, err error) {
	var fields []FieldError
	if change.FullName == nil && change.Email == nil {
		fields = append(fields, FieldError{"full_name", "required", "One of full_name and email is required."})
	}
	if change.FullName != nil {
		name := printable.Tidy(*change.FullName) // the caller's text stays as it is
		change.FullName = &name
		if e := checkText("full_name", name, maxName, true); e != nil {
			fields = append(fields, *e)
		}
	}
	if change.Email != nil {
		address, ok := emailaddr.Clean(*change.Email)
		canonical, _ = emailaddr.Canonical(address)
		change.Email = &address
		if !ok {
			fields = append(fields, FieldError{"email", "invalid_email", notAnAddress})
		} else if !emailaddr.Same(old, canonical) {
			fields = appendMisread(fields, canonical)
		}
	}
	return canonical, inputError(ErrInvalidInput, fields...)
}

// editProfile writes the change into the caller's account, if allow returns nil for it. On
// success c is as it was written.
func (m *Manager) editProfile(ctx context.Context, id Identity, c *principal, change ProfileChange, allow func(*account) error) error {
	return m.retryAs(ctx, id, c, func() error {
		a := &c.acct.Rec
		if err := allow(a); err != nil {
			return err
		}
		if change.FullName != nil {
			a.FullName = *change.FullName
		}
		if change.Email != nil {
			a.respellEmail(*change.Email)
		}
		return m.records.Write(ctx, &c.acct, c.acct.Put(), c.session.Unchanged())
	})
}

// changeLimit is the budget of one user for edits of the profile, which cost a client nothing
// but write records and an event. Each process counts for itself. Other changes have budgets of
// their own: a session writes one refresh in refreshInterval, keys have Limits.APIKeyByAccount,
// and a proof has the budgets of passwords and codes. So the thief of a token cannot use up
// what the owner needs to change the password. What ends something, such as a logout or the
// revocation of a key, has no budget.
var changeLimit = store.Limit{Burst: 60, Every: time.Second}

// maxChangedUsers is how many users have a counter of changes at the same time.
const maxChangedUsers = 1 << 16

// chargeChange counts one change that the user makes. It returns a [*RetryError] with
// ErrRateLimited if there were too many.
func (m *Manager) chargeChange(ctx context.Context, uid string) error {
	d, err := m.changes.Hit(userKey(uid, "changes"), changeLimit, 1, m.now())
	if err != nil {
		return unavailable(err)
	}
	if !d.OK {
		m.emit(ctx, Event{Type: EventRateLimited, UserID: userIDOf(uid), Reason: "changes"})
		return &RetryError{Err: ErrRateLimited, After: d.RetryAfter}
	}
	return nil
}
