package auth

import (
	"context"

	"github.com/datixlab/auth/internal/emailaddr"
)

// ResendVerification mails a token for [Manager.VerifyEmail] to the address, if it has an account
// whose address is not verified. The token is valid for 24 hours. Register sends the first one.
// Nil says nothing about the account. Limits and errors are those of [Manager.ForgotPassword].
func (m *Manager) ResendVerification(ctx context.Context, email string) error {
	return m.requestMail(ctx, verifyMail, email)
}

// VerifyEmail marks the address of an account as verified, with the token of a mail. It ends
// nothing and begins no session. The error is ErrInvalidOneTimeToken for a token that is wrong,
// used or expired, or whose account has another address by now. It may also be ErrRateLimited.
func (m *Manager) VerifyEmail(ctx context.Context, token Secret) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	r, err := m.redeem(ctx, verifyMail, token)
	if err != nil {
		return err
	}
	err = m.records.RetryFrom(ctx, userPartition(r.uid), func() error { return m.reread(ctx, r) }, func() error {
		r.spend(m.now())
		r.acct.Rec.proveEmail()
		return m.records.Commit(ctx, r.acct.Put(), putMailTokens(&r.tokens))
	})
	m.report(ctx, err, Event{Type: EventEmailVerified, UserID: userIDOf(r.uid), OrganizationID: r.acct.Rec.Org})
	return err
}

// requestEmail notes that the caller wants another address, and mails it a token for
// ConfirmEmail. Nothing is claimed: a typing error, or somebody else's address, holds nothing.
// The caller has proven to be the user.
func (m *Manager) requestEmail(ctx context.Context, id Identity, c *principal, change ProfileChange, canonical string) error {
	budgets := []budget{newEmailBudget(c.uid), mailBudget(emailDigest(canonical))}
	if _, err := m.charge(ctx, c.uid, budgets); err != nil {
		return err
	}
	old, tokens := c.acct.Rec.Email, mailTokensRow(c.uid)
	read := func() error { return m.records.Read(ctx, &tokens) }
	err := read()
	if err == nil {
		err = m.retryAs(ctx, id, c, func() error {
			if !emailaddr.Same(c.acct.Rec.RequestedEmail, canonical) {
				tokens.Rec.drop(changeMail)
			}
			tokens.Rec.prune(&c.acct.Rec, m.now())
			if change.FullName != nil {
				c.acct.Rec.FullName = *change.FullName
			}
			c.acct.Rec.RequestedEmail, c.acct.Rec.RequestedUntil = *change.Email, m.now().Add(changeMail.ttl)
			return m.records.Write(ctx, &c.acct, c.acct.Put(), c.session.Unchanged(), putMailTokens(&tokens))
		}, &tokens)
	}
	m.report(ctx, err, id.event(EventEmailChangeRequested), accountNotice(EventEmailChangeRequested, c.uid, &c.acct.Rec, old))
	if err != nil {
		m.refund(ctx, budgets, budget.hits)
		return err
	}
	m.offerMail(ctx, mailRequest{kind: changeMail, digest: emailDigest(canonical), uid: c.uid, charged: true})
	return nil
}

// ConfirmEmail gives the caller's account the address that [Manager.UpdateProfile] has asked for,
// with the token of the mail that went there. In one Commit it spends the token, moves the address,
// which is verified then, and ends the user's other sessions, pending logins and trusted devices,
// and all other tokens of mails. The caller's session goes on. Both addresses get a notice.
//
// The error is ErrInvalidOneTimeToken for a token that is wrong, used or expired, or of another
// account. It is ErrEmailTaken if another account has the address by now; the token stays valid.
func (m *Manager) ConfirmEmail(ctx context.Context, id Identity, token Secret) error {
	defer m.calls.Begin()()
	uid, secret, ok := changeMail.parse(token)
	r := &redemption{kind: changeMail, uid: uidOf(id), secret: secret, tokens: mailTokensRow(uidOf(id))}
	c, err := m.loadPrincipal(ctx, id, &r.tokens)
	if err != nil {
		return err
	}
	if !ok {
		m.refuseMailToken(ctx, changeMail, id.User.ID, malformed)
		return ErrInvalidOneTimeToken
	}
	if err := m.chargeChange(ctx, c.uid); err != nil {
		return err
	}
	if uid != c.uid {
		m.refuseMailToken(ctx, changeMail, id.User.ID, "ended")
		return ErrInvalidOneTimeToken
	}
	check := func() error {
		r.acct = c.acct
		return m.checkMailToken(ctx, r)
	}
	if err := check(); err != nil {
		return err
	}
	old, address := c.acct.Rec.Email, c.acct.Rec.RequestedEmail
	canonical, _ := emailaddr.Canonical(address)
	claim, err := m.moveOwnEmail(ctx, id, c, address, canonical, func() error {
		if err := check(); err != nil {
			return err
		}
		c.acct.Rec.proveEmail()
		c.acct.Rec.clearRequestedEmail()
		return m.records.Commit(ctx, append(c.endOtherSessions(), r.tokens.Remove())...)
	}, &r.tokens)
	m.reportEmailTaken(ctx, id, err)
	m.report(ctx, err, id.event(EventEmailChanged), accountNotice(EventEmailChanged, c.uid, &c.acct.Rec, old),
		accountNotice(EventEmailChanged, c.uid, &c.acct.Rec, address))
	if err != nil {
		return err
	}
	m.settleEmail(ctx, c, claim, !c.skippedCode())
	return nil
}

// CancelEmailChange ends the wait for [Manager.ConfirmEmail], and the tokens of its mails. The
// error is ErrNotFound if no address waits.
func (m *Manager) CancelEmailChange(ctx context.Context, id Identity) error {
	defer m.calls.Begin()()
	tokens := mailTokensRow(uidOf(id))
	c, err := m.loadPrincipal(ctx, id, &tokens)
	if err != nil {
		return err
	}
	err = m.retryAs(ctx, id, c, func() error {
		if c.acct.Rec.RequestedEmail == "" || !m.now().Before(c.acct.Rec.RequestedUntil) {
			return ErrNotFound
		}
		c.acct.Rec.clearRequestedEmail()
		tokens.Rec.drop(changeMail)
		return m.records.Commit(ctx, c.acct.Put(), c.session.Unchanged(), putMailTokens(&tokens))
	}, &tokens)
	m.report(ctx, err, id.event(EventEmailChangeCanceled))
	return err
}
