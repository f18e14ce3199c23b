package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/queue"
)

// refillInvites drops what is counted of an organization that has ended.
func (m *Manager) refillInvites(ctx context.Context, oid string) error {
	if !m.SendsMail() {
		return nil
	}
	return m.refill(ctx, []budget{inviteBudget(oid)})
}

// inviteBudgets are the budgets of a mail with an invitation, but for that of its mailbox. They are
// none where nothing is mailed.
func (m *Manager) inviteBudgets(ctx context.Context, c *principal, oid string) []budget {
	if !m.SendsMail() {
		return nil
	}
	own := inviterBudget(c.uid)
	if !c.acct.Rec.emailVerified() {
		own = unprovenInviterBudget(c.uid)
	}
	return append(m.mailNetworkBudgets(ctx), own, inviteBudget(oid)) // last what others share
}

// offerInvitation lets the queue mail an invitation. The budgets were charged for it. Spare is the
// digest of the token that stays good if the mail does not leave, or nil.
func (m *Manager) offerInvitation(ctx context.Context, oid, id string, mail Mail, charged []budget, spare []byte) {
	uid, _ := parseUser(mail.UserID)
	r := mailRequest{kind: invitationMail, digest: digestOf(mail.To), uid: uid}
	m.mails.Offer(ctx, queue.Job{
		Class: queue.Normal, User: uid, Kind: string(MailInvitation), Source: sourceOf(ClientFrom(ctx)),
		Same: r.digest + " " + oid, Most: 1, // an earlier one is void
		Run:     func(ctx context.Context) { m.sendInvitation(ctx, r, oid, id, mail, charged, spare) },
		Dropped: func() { m.reportMail(ctx, r, orgPrefix+oid, "queue") },
	})
}

// sendInvitation mails an invitation that still waits, within the budget of its mailbox. Whether that
// is used up is no business of the inviter: it may be by mails to an account.
func (m *Manager) sendInvitation(ctx context.Context, r mailRequest, oid, id string, mail Mail, charged []budget, spare []byte) {
	list := invitationsRow(oid)
	err := m.records.Read(ctx, &list)
	if err == nil && list.Rec.find(id) == nil { // revoked, or replaced
		return
	}
	if err == nil {
		err = m.chargeMail(ctx, &r)
	}
	switch {
	case errors.Is(err, errNoMail):
		m.keepToken(ctx, oid, id, spare)
		return
	case err != nil:
		m.keepToken(ctx, oid, id, spare)
		m.cfg.Logger.ErrorContext(ctx, "auth: a mail was not sent", "purpose", string(mail.Purpose), "user_id", mail.UserID, "err", err)
		m.reportMail(ctx, r, orgPrefix+oid, "store")
		return
	}
	failure, left := m.callMailer(ctx, mail)
	if !left {
		m.refund(ctx, append(charged, r.mailbox()...), budget.hits)
		m.keepToken(ctx, oid, id, spare)
	}
	m.reportMail(ctx, r, orgPrefix+oid, failure)
}

// spare returns the digest by which an invitation stays good that was replaced by one with this role,
// if no mail of the new one leaves. It is nil if there is none.
func (i *invitation) spare(role string) []byte {
	if i == nil || i.TakenBy != "" || !i.Mailed || i.Role != role {
		return nil
	}
	return i.Digest
}

// keepToken lets an invitation whose mail has not left be opened by the token of the one before it, so
// that the person has one that is good. It is for the same address and role, and an admin has asked for
// it again, so it expires with the new invitation. An expiry of its own would show the admin in the list
// that the mailbox has had mails of others.
func (m *Manager) keepToken(ctx context.Context, oid, id string, spare []byte) {
	if spare == nil {
		return
	}
	_ = m.records.Retry(ctx, orgPartition(oid), func() error {
		list := invitationsRow(oid)
		if err := m.records.Read(ctx, &list); err != nil {
			return err
		}
		one := list.Rec.find(id)
		if one == nil || one.TakenBy != "" || one.Digest == nil {
			return nil
		}
		one.Digest = spare
		return m.records.Commit(ctx, putInvitations(&list))
	})
}
