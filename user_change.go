package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/record"
)

// A UserChange is what an operator changes of an account. A nil field stays as it is; one is
// required.
type UserChange struct {
	FullName *string // 1 to 100 characters on one line
	Email    *string
	// EmailVerified says whether somebody has proven that the user reads the mail of the address,
	// of Email if that is given. Without it a new address is not verified. With it, also give the
	// Email that was proven: the user may change the address meanwhile, and the error is then
	// ErrEmailTaken.
	EmailVerified *bool
}

// UpdateUser changes an account and returns it. It is for your program: your operator makes sure
// that it is the user who asks, and that the address is theirs. Whoever reads the mail of the
// address can reset the password.
//
// A new address voids the tokens of mails to the old one. Both addresses get a notice. Sessions, the
// second factor and API keys stay. The networks that the account was known to log in from become
// unknown. An address that is said to be not verified counts as one that was asked for a proof, for
// Config.RequireVerifiedEmail and for [Manager.ResetPassword].
//
// The error is an [*InputError], ErrNotFound, or ErrEmailTaken if another account has the address.
func (m *Manager) UpdateUser(ctx context.Context, userID string, change UserChange) (User, error) {
	defer m.calls.Begin()()
	_, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return User{}, err
	}
	old := acct.Rec.Email
	p := ProfileChange{FullName: change.FullName, Email: change.Email}
	canonical, err := checkProfile(&p, old)
	if err != nil && (p != ProfileChange{} || change.EmailVerified == nil) {
		return User{}, err
	}
	verified := acct.Rec.emailVerified()
	edit := func(a *account) error {
		verified = a.emailVerified()
		if p.FullName != nil {
			a.FullName = *p.FullName
		}
		if change.EmailVerified != nil {
			a.setEmailVerified(*change.EmailVerified)
		}
		*acct = record.Row[account]{Key: acct.Key, Rec: *a}
		return nil
	}
	moves := p.Email != nil && !emailaddr.Same(old, canonical)
	if moves {
		err = m.moveEmailOf(ctx, userID, *p.Email, canonical, edit)
	} else {
		_, err = m.editAccount(ctx, userID, func(a *account) error {
			if p.Email != nil && !emailaddr.Same(a.Email, canonical) {
				return ErrEmailTaken // changed meanwhile: writing the old address back would need its claim
			}
			if p.Email != nil {
				a.respellEmail(*p.Email)
			}
			return edit(a)
		})
	}
	event := Event{UserID: userID, OrganizationID: acct.Rec.Org}
	if errors.Is(err, ErrEmailTaken) {
		event.Type, event.Action = EventEmailTaken, "change_email"
		m.emitByProgram(ctx, event)
	}
	if event.Type = EventEmailChanged; moves {
		uid := uidOfAccount(acct.Key)
		m.reportByProgram(ctx, err, event, accountNotice(event.Type, uid, &acct.Rec, old), accountNotice(event.Type, uid, &acct.Rec, *p.Email))
	}
	if event.Type = EventEmailVerified; acct.Rec.emailVerified() && (moves || !verified) {
		m.reportByProgram(ctx, err, event)
	}
	if event.Type = EventProfileChanged; p.FullName != nil || !moves && (p.Email != nil || !acct.Rec.emailVerified()) {
		m.reportByProgram(ctx, err, event)
	}
	if err != nil {
		return User{}, err
	}
	return m.user(userID, &acct.Rec), nil
}

// moveEmailOf is moveEmail for a call by your program. Edit is part of the last Commit.
func (m *Manager) moveEmailOf(ctx context.Context, userID, address, canonical string, edit func(*account) error) error {
	uid, _ := parseUser(userID)
	var left []string
	_, err := m.moveEmail(ctx, uid, address, canonical, func(change func(*account) error) error {
		_, err := m.editAccount(ctx, userID, change)
		return err
	}, func(change func(*account) error) error {
		return m.records.RetryAnyway(ctx, userPartition(uid), func() error {
			_, acct, err := m.findUser(ctx, userID)
			if err != nil {
				return err
			}
			if err := change(&acct.Rec); err != nil {
				return err
			}
			acct.Rec.clearRequestedEmail()
			if err := edit(&acct.Rec); err != nil {
				return err
			}
			left = acct.Rec.Digests
			return m.records.Commit(ctx, acct.Put(), endMailTokens(uid))
		})
	})
	if err == nil {
		m.releaseEmails(context.WithoutCancel(ctx), uid, left)
	}
	return err
}

// setEmailVerified notes what your program says of the address.
func (a *account) setEmailVerified(verified bool) {
	if verified {
		a.proveEmail()
		return
	}
	a.ProvenEmail, a.Unproven = "", true
}
