package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// ForgotPassword mails a token for [Manager.ResetPassword] to the address, if it has an account
// that is not disabled. The token is valid for 1 hour, and ends with the sessions of the account.
// Nil says nothing about the account: the call does the same for every address, and the rest
// happens in a queue. The address gets 3 mails at once and one more every 20 minutes. While three
// tokens are valid, none is added.
//
// The error is an [*InputError] for what is no address, or ErrRateLimited for a client that asks
// too often. Without a Config.Mailer the call fails.
func (m *Manager) ForgotPassword(ctx context.Context, email string) error {
	return m.requestMail(ctx, resetMail, email)
}

// SendPasswordReset mails a token for [Manager.ResetPassword] to the address of the user. It is for an
// operator whom the user asks: no budget of a network is charged. Nil means that the mail is in the
// queue: EventMailSent or EventMailFailed say what became of it. While three tokens are valid, none is
// sent.
//
// The error is ErrNotFound, ErrForbidden for a disabled user, ErrRateLimited if the address got too
// many mails, or ErrUnsupported without a Config.Mailer.
func (m *Manager) SendPasswordReset(ctx context.Context, userID string) error {
	defer m.calls.Begin()()
	uid, acct, err := m.findUser(ctx, userID)
	switch {
	case err != nil:
		return err
	case m.mails == nil:
		return ErrUnsupported
	case acct.Rec.Disabled:
		return ErrForbidden
	}
	digest := digestOf(acct.Rec.Email)
	if _, err := m.charge(ctx, uid, []budget{mailBudget(digest)}); err != nil {
		return err
	}
	m.emitByProgram(ctx, Event{Type: EventPasswordResetSent, UserID: userID, OrganizationID: acct.Rec.Org})
	m.offerMail(ctx, mailRequest{kind: resetMail, digest: digest, uid: uid, charged: true})
	return nil
}

// ResetPassword sets a new password with the token of a mail. It is for the owner of an account
// who has forgotten the password, or who never had one. In one Commit it spends the token and
// ends every session, every login that waits for its second factor, every trusted device and every
// other token of a mail. The address is verified then, since only its owner has the token.
//
// A second factor stays on, and the next login asks for it. Its limits of wrong codes stay as
// they are. The networks that the account was known to log in from become unknown. API keys stay
// valid, and the notice says how many. But if the account got the address while there was a Mailer,
// and nobody has proven it before, its API keys end first: a stranger may have taken the address and
// left them.
//
// The error is ErrInvalidOneTimeToken for a token that is wrong, used or expired. It is an
// [*InputError] with ErrWeakPassword if the password is refused, and the token stays valid then.
// It may also be ErrRateLimited or ErrOverloaded. [Manager.CheckNewPassword] tells a form about
// a password before.
func (m *Manager) ResetPassword(ctx context.Context, token, replacement Secret) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	r, err := m.redeem(ctx, resetMail, token)
	if err != nil {
		return err
	}
	if err := m.CheckNewPassword(replacement, r.acct.Rec.Email); err != nil {
		return err
	}
	ctx = m.preferLane(ctx, digestOf(r.acct.Rec.Email)) // strangers have no token, so they keep no owner waiting
	return m.throttled(ctx, r.uid, m.addressBudgets(ctx), func(ctx context.Context) (bool, error) {
		err := m.resetPassword(ctx, r, replacement)
		return err == nil, err
	})
}

// resetPassword is ResetPassword with a token that was valid, after its budgets were charged.
func (m *Manager) resetPassword(ctx context.Context, r *redemption, replacement Secret) error {
	if err := m.chargeCheck(ctx, r.uid); err != nil {
		return err
	}
	if err := m.checkBreached(ctx, "new_password", replacement); err != nil {
		return err
	}
	hash, err := m.hashPassword(ctx, replacement)
	if err != nil {
		return err
	}
	digest := digestOf(r.acct.Rec.Email)
	if err := m.forgetNetworks(ctx, digest, r.uid); err != nil {
		return beforeChange(err)
	}
	ended, made := 0, keysMadeRow(r.uid)
	err = m.records.Retry(ctx, userPartition(r.uid), func() error {
		if err := m.reread(ctx, r, &made); err != nil {
			return err
		}
		if r.acct.Rec.emailUnverified() {
			n, err := m.endUnprovenKeys(ctx, r)
			if ended += n; err != nil {
				return beforeChange(err)
			}
		}
		r.acct.Rec.Epoch++
		r.acct.Rec.proveEmail()
		pass := passwordRow(r.uid)
		pass.Rec = passwordRecord{Hash: hash, Changed: m.now()}
		return m.records.Commit(ctx, r.acct.Put(), r.tokens.Remove(), made.Unchanged(), pass.Overwrite(), store.Delete(tempKey(r.uid)))
	})
	left := 0
	if err == nil || errors.Is(err, record.ErrOutcomeUnknown) {
		left = m.countKeys(ctx, r.uid)
	}
	notice := accountNotice(EventPasswordReset, r.uid, &r.acct.Rec, r.acct.Rec.Email)
	notice.APIKeys, notice.EndedAPIKeys = left, ended
	m.report(ctx, err, Event{
		Type: EventPasswordReset, UserID: userIDOf(r.uid), OrganizationID: r.acct.Rec.Org, Count: left,
	}, notice)
	if err == nil { // whoever used these up did not have the mailbox
		ctx = context.WithoutCancel(ctx)
		if err := m.refill(ctx, []budget{m.accountBudget(digest, ""), m.accountAddressBudget(digest, clientPrefix(ctx))}); err != nil {
			m.cfg.Logger.WarnContext(ctx, "auth: the budgets of passwords were not refilled", "err", err)
		}
	}
	return err
}

// endUnprovenKeys removes the API keys of an account whose address nobody has proven before. It
// returns how many. Each Commit requires that the token is still valid. A key that is made
// meanwhile changes keysMade, so that the Commit of the reset fails and this runs again.
func (m *Manager) endUnprovenKeys(ctx context.Context, r *redemption) (n int, err error) {
	const keysAtOnce = (store.MaxOps - 2) / 2
	rows, err := m.records.List(ctx, apiKeyKey(r.uid, ""), store.MaxOps)
	for err == nil && len(rows) > 0 {
		ops := []store.Op{r.acct.Unchanged(), r.tokens.Unchanged()}
		rows = rows[:min(len(rows), keysAtOnce)]
		for _, k := range rows { // also damaged ones
			ops = append(ops, store.Delete(k.Key), store.Delete(keyUsageKey(r.uid, kidOf(r.uid, k.Key))))
		}
		if err = m.records.Commit(ctx, ops...); err != nil {
			return n, err
		}
		for _, k := range rows {
			m.emit(ctx, Event{
				Type: EventAPIKeyRevoked, UserID: userIDOf(r.uid), OrganizationID: r.acct.Rec.Org,
				APIKeyID: keyIDPrefix + kidOf(r.uid, k.Key), Reason: "reset",
			})
		}
		n += len(rows)
		rows, err = m.records.List(ctx, apiKeyKey(r.uid, ""), store.MaxOps)
	}
	return n, err
}

// countKeys returns how many API keys of the user work, for a notice. It returns 0 if the store
// does not answer.
func (m *Manager) countKeys(ctx context.Context, uid string) (n int) {
	rows, _ := m.keyRows(context.WithoutCancel(ctx), uid)
	for _, k := range rows {
		if !k.Rec.expired(m.now()) && !k.Rec.Disabled {
			n++
		}
	}
	return n
}
