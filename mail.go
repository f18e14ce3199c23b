package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/datixlab/auth/internal/callback"
	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/queue"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A MailPurpose says what the token of a mail is for. The texts are stable. A token serves its
// purpose and no other.
type MailPurpose string

// The purposes of mails.
const (
	MailResetPassword MailPurpose = "reset_password" // for Manager.ResetPassword
	MailVerifyEmail   MailPurpose = "verify_email"   // for Manager.VerifyEmail
	MailChangeEmail   MailPurpose = "change_email"   // for Manager.ConfirmEmail
	MailInvitation    MailPurpose = "invitation"     // for Registration.InvitationToken or Manager.AcceptInvitation
)

// A Mail is what a [Mailer] sends: a one-time token for the owner of an address. Whoever has the
// token can use it, so it belongs in the mail and nowhere else. Put it into the fragment of a
// link ("https://app.example/reset#token=…"): a fragment is in no log and no Referer. Let the
// page behind the link ask for a click before it sends the token by POST, because mail scanners
// open links. Take the host of the link from your own configuration, never from a request.
type Mail struct {
	Purpose MailPurpose
	To      string // the email address, in ASCII
	UserID  string // "user_…"; of an invitation the inviter
	// Name is the full name of the user. It is "" if nobody has proven the address: anybody can
	// register somebody else's under a name of their choice. It is also "" if mail programs may
	// show a part of it as a link.
	Name      string
	Token     Secret    // "rst_…", "vrf_…", "chg_…" or "inv_…": letters, digits and '_'
	ExpiresAt time.Time // UTC
	Client    Client    // where the mail was asked for
	// Organization and Inviter are the names of the organization that an invitation is for and of
	// the inviter. They are "" where Name would be, by the address of the inviter.
	Organization, Inviter string
}

// String returns the purpose, the user and the expiry, without the token and the address.
func (m Mail) String() string {
	return fmt.Sprintf("mail %s for %s until %s", m.Purpose, m.UserID, m.ExpiresAt.Format(time.RFC3339))
}

// Format implements [fmt.Formatter] for every verb, so that none reaches the token.
func (m Mail) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue implements [slog.LogValuer] with the text of String.
func (m Mail) LogValue() slog.Value { return slog.StringValue(m.String()) }

// A Mailer sends mails. It is called from a queue of 4,096, one at a time, so it delays no call.
// Users take turns, as for a [Notifier]. A call that goes on for more than 10 seconds is left
// behind, up to four at the same time.
//
// No mailbox is flooded. All purposes together, an address gets 3 mails at once and one more
// every 20 minutes, whoever asks. Invitations are every second one of these at most, after the first
// three. All processes of a store share this budget. While three tokens of one purpose are valid,
// none is added.
type Mailer interface {
	// Send sends one mail. The context has the values of the request's context and ends
	// after 10 seconds. An error, a panic and a late return are reported as EventMailFailed,
	// and the mail is not sent again: the user can ask for another. After an error the token
	// is void and does not count; an invitation waits on, see Manager.Invite. After a panic and a
	// late return it stays valid, since the mail may have left, and is none of the three.
	Send(ctx context.Context, mail Mail) error
}

// RequiresVerifiedEmail reports whether Config.RequireVerifiedEmail is set.
func (m *Manager) RequiresVerifiedEmail() bool { return m.cfg.RequireVerifiedEmail }

// SendsMail reports whether there is a Config.Mailer.
func (m *Manager) SendsMail() bool { return m.cfg.Mailer != nil }

const (
	mailTimeout = 10 * time.Second
	maxHungMail = 4 // calls of the Mailer that have not returned in time
)

// A mailRequest is a mail that was asked for. Whether it is sent is decided in the queue, so
// neither the answer nor its time shows whether the address has an account.
type mailRequest struct {
	kind    mailKind
	digest  string // of the address
	uid     string // "": that of whoever has the address
	charged bool   // the budget of the address was charged
}

// offerMail lets the queue send a mail. Without a Mailer it does nothing.
func (m *Manager) offerMail(ctx context.Context, r mailRequest) {
	if m.mails == nil {
		return
	}
	class := queue.Normal
	if r.uid == "" && !byProgram(ctx) {
		class = queue.Low // anybody can ask for an address
	}
	m.mails.Offer(ctx, queue.Job{
		Class: class, User: r.digest, Kind: string(r.kind.purpose), Source: sourceOf(ClientFrom(ctx)),
		Same: r.digest + " " + string(r.kind.purpose), Most: maxMailTokens,
		Run:     func(ctx context.Context) { m.sendMail(ctx, r) },
		Dropped: func() { m.reportMail(ctx, r, "", "queue") },
	})
}

// sendMail adds a token to those of the account and sends it, if the account is due such a mail.
func (m *Manager) sendMail(ctx context.Context, r mailRequest) {
	mail, org, err := m.newMail(ctx, &r)
	if err != nil && !errors.Is(err, errNoMail) {
		m.cfg.Logger.ErrorContext(ctx, "auth: a mail was not sent", "purpose", string(r.kind.purpose), "user_id", userIDOf(r.uid), "err", err)
		m.reportMail(ctx, r, org, "store")
	}
	if err != nil {
		if r.charged { // by the caller, or before a Commit that failed
			m.refund(ctx, r.mailbox(), budget.hits)
		}
		return
	}
	failure, left := m.callMailer(ctx, mail)
	switch {
	case failure == "":
	case left:
		m.settleMail(ctx, r, mail.Token, (*redemption).doubt)
	default:
		m.takeBack(ctx, r, mail.Token)
	}
	m.reportMail(ctx, r, org, failure)
}

// callMailer sends the mail. It returns what failed, or "", and whether the mail may have left.
func (m *Manager) callMailer(ctx context.Context, mail Mail) (failure string, left bool) {
	_, err := callback.Try(ctx, m.mailerCalls, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, m.cfg.Mailer.Send(ctx, mail)
	})
	if err == nil {
		return "", true
	}
	m.cfg.Logger.ErrorContext(ctx, "auth: a mail was not sent", "purpose", string(mail.Purpose), "user_id", mail.UserID, "err", err)
	switch {
	case errors.Is(err, callback.ErrPanicked):
		return "panic", true
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", true
	case errors.Is(err, callback.ErrBusy):
		return "busy", false
	}
	return "refused", false
}

// errNoMail is the error of newMail if no mail is due. The requester does not learn it.
var errNoMail = errors.New("auth: no mail is due")

// newMail returns the mail with a new token, which is stored. It sets r.uid. It returns errNoMail
// if the address has no account that the mail is for, if three tokens are valid, or if the budget
// of the address is used up.
func (m *Manager) newMail(ctx context.Context, r *mailRequest) (mail Mail, org string, err error) {
	if r.uid == "" {
		if r.uid, _, err = m.emailOwner(ctx, r.digest); err != nil {
			return mail, "", err
		}
		if r.uid == "" {
			return mail, "", errNoMail
		}
	}
	token, secret := newMailToken(r.kind, r.uid)
	acct, tokens := accountRow(r.uid), mailTokensRow(r.uid)
	err = m.records.Retry(ctx, userPartition(r.uid), func() error {
		if err := m.records.Read(ctx, &acct, &tokens); err != nil {
			return err
		}
		now := m.now()
		tokens.Rec.prune(&acct.Rec, now)
		mail.To = r.recipient(&acct, now)
		if mail.To == "" || tokens.Rec.count(r.kind) >= maxMailTokens {
			return errNoMail
		}
		if err := m.chargeMail(ctx, r); err != nil {
			return err
		}
		binding := r.kind.binding(&acct.Rec)
		mail.ExpiresAt = now.Add(r.kind.ttl)
		if r.kind == changeMail { // the mail may have waited; the account waits no longer
			mail.ExpiresAt = acct.Rec.RequestedUntil
		}
		tokens.Rec.Tokens = append(tokens.Rec.Tokens, mailToken{
			Digest: mailDigest(r.kind, r.uid, secret, binding), Purpose: string(r.kind.purpose), Expires: mail.ExpiresAt, Epoch: binding.epoch,
		})
		return m.records.Commit(ctx, putMailTokens(&tokens), acct.Unchanged())
	})
	mail.Purpose, mail.Token, mail.UserID, mail.Client = r.kind.purpose, token, userIDOf(r.uid), clientOf(ctx)
	if acct.Rec.emailVerified() && mail.To == acct.Rec.Email { // otherwise a stranger may write to the mailbox by the name
		mail.Name = nameInMail(acct.Rec.FullName)
	}
	return mail, acct.Rec.Org, err
}

// recipient returns the address that the account gets the mail at, or "" if it is not due one.
func (r *mailRequest) recipient(acct *record.Row[account], now time.Time) string {
	a := &acct.Rec
	address := a.Email
	switch {
	case !acct.Exists() || !a.usable():
		return ""
	case r.kind == verifyMail && a.emailVerified():
		return ""
	case r.kind == changeMail && !now.Before(a.RequestedUntil):
		return ""
	case r.kind == changeMail:
		address = a.RequestedEmail
	}
	if digestOf(address) != r.digest { // the account has another address by now
		return ""
	}
	return address
}

// mailbox returns the budgets of the address that the mail is charged on.
func (r *mailRequest) mailbox() []budget {
	if r.kind == invitationMail {
		return []budget{invitedBudget(r.digest), mailBudget(r.digest)}
	}
	return []budget{mailBudget(r.digest)}
}

// chargeMail charges the budgets of the address once for the request.
func (m *Manager) chargeMail(ctx context.Context, r *mailRequest) error {
	if r.charged {
		return nil
	}
	budgets := r.mailbox()
	for i, b := range budgets {
		d, err := m.records.Hit(ctx, b.key, b.limit, 1, m.now())
		if err == nil && d.OK {
			continue
		}
		m.refund(ctx, budgets[:i], budget.hits)
		if err != nil {
			return err
		}
		m.emit(ctx, Event{Type: EventRateLimited, UserID: userIDOf(r.uid), Reason: b.name})
		return errNoMail
	}
	r.charged = true
	return nil
}

// takeBack voids the token of a mail that the Mailer has refused, and gives its attempt back.
func (m *Manager) takeBack(ctx context.Context, r mailRequest, token Secret) {
	m.settleMail(ctx, r, token, (*redemption).spend, mailBudget(r.digest))
}

// settleMail changes the token of a mail that failed, and gives budgets back. If that fails, the
// token stays valid and counts until it expires.
func (m *Manager) settleMail(ctx context.Context, r mailRequest, token Secret, change func(*redemption, time.Time), back ...budget) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*m.cfg.StoreTimeout)
	defer cancel()
	m.refund(ctx, back, budget.hits)
	uid, secret, _ := r.kind.parse(token)
	_ = m.records.Retry(ctx, userPartition(uid), func() error {
		sent := redemption{kind: r.kind, uid: uid, secret: secret, acct: accountRow(uid), tokens: mailTokensRow(uid)}
		if err := m.records.Read(ctx, &sent.acct, &sent.tokens); err != nil || !sent.tokens.Exists() {
			return err
		}
		change(&sent, m.now())
		return m.records.Commit(ctx, putMailTokens(&sent.tokens))
	})
}

// reportMail emits what became of a mail. The reason is "" if it was sent.
func (m *Manager) reportMail(ctx context.Context, r mailRequest, org, reason string) {
	e := Event{Type: EventMailSent, Actor: actorManager, UserID: userIDOf(r.uid), OrganizationID: org, Action: string(r.kind.purpose), Reason: reason}
	if reason != "" {
		e.Type = EventMailFailed
	}
	m.emit(ctx, e)
}

// nameInMail returns the name of a user as a mail may have it: "" if a mail program may make a
// link of a part of it.
func nameInMail(name string) string {
	if printable.HasLink(name) {
		return ""
	}
	return name
}

// requestMail is a call by anybody who names an address. It answers all addresses alike.
func (m *Manager) requestMail(ctx context.Context, k mailKind, email string) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	if m.mails == nil {
		return errNoMailer
	}
	canonical, ok := emailaddr.Canonical(printable.Trim(email))
	switch {
	case email == "":
		return invalidField("email", "required", "It is required.")
	case !ok:
		return invalidField("email", "invalid_email", notAnAddress)
	}
	if _, err := m.charge(ctx, "", m.mailNetworkBudgets(ctx)); err != nil {
		return err
	}
	m.offerMail(ctx, mailRequest{kind: k, digest: emailDigest(canonical)})
	return nil
}

// errNoMailer reports a call that needs a Config.Mailer.
var errNoMailer = errors.New("auth: Config.Mailer is missing")

// endMailTokens returns the operation that voids every one-time token of the user.
func endMailTokens(uid string) store.Op { return store.Delete(mailTokensKey(uid)) }
