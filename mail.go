package auth

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// A MailPurpose says what the token of a mail is for. The texts are stable. A token serves its
// purpose and no other.
type MailPurpose string

// The purposes of mails.
const (
	MailResetPassword MailPurpose = "reset_password" // for Manager.ResetPassword
	MailVerifyEmail   MailPurpose = "verify_email"   // for Manager.VerifyEmail
	MailChangeEmail   MailPurpose = "change_email"   // for Manager.ConfirmEmail
	MailInvitation    MailPurpose = "invitation"     // to join an organization; nothing sends it yet
)

// A Mail is what a [Mailer] sends: a one-time token for the owner of an address. Whoever has the
// token can use it, so it belongs in the mail and nowhere else. Put it into the fragment of a
// link ("https://app.example/reset#token=…"): a fragment is in no log and no Referer. Let the
// page behind the link ask for a click before it sends the token by POST, because mail scanners
// open links. Take the host of the link from your own configuration, never from a request.
type Mail struct {
	Purpose MailPurpose
	To      string // the email address, in ASCII
	UserID  string // "user_…"
	// Name is the full name of the user. It is "" if nobody has proven the address: anybody can
	// register somebody else's under a name of their choice. It is also "" if mail programs may
	// show a part of it as a link.
	Name      string
	Token     Secret    // "rst_…", "vrf_…", "chg_…" or "inv_…": letters, digits and '_'
	ExpiresAt time.Time // UTC
	Client    Client    // where the mail was asked for
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
// every 20 minutes, whoever asks. All processes of a store share this budget. While three tokens
// of one purpose are valid, none is added.
type Mailer interface {
	// Send sends one mail. The context has the values of the request's context and ends
	// after 10 seconds. An error, a panic and a late return are reported as EventMailFailed,
	// and the mail is not sent again: the user can ask for another. After an error the token
	// is void and does not count. After a panic and a late return it stays valid, since the
	// mail may have left, and is none of the three.
	Send(ctx context.Context, mail Mail) error
}

// RequiresVerifiedEmail reports whether Config.RequireVerifiedEmail is set.
func (m *Manager) RequiresVerifiedEmail() bool { return m.cfg.RequireVerifiedEmail }

// SendsMail reports whether there is a Config.Mailer.
func (m *Manager) SendsMail() bool { return m.cfg.Mailer != nil }
