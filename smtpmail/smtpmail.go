// Package smtpmail sends the mails and notices of package auth over SMTP. A [Mailer] is both an
// [auth.Mailer] and an [auth.Notifier]:
//
//	mails, err := smtpmail.New(smtpmail.Config{
//		Host: "smtp.example.net", Username: "app", Password: password,
//		From: "no-reply@app.example", FromName: "Example",
//		Links: map[auth.MailPurpose]string{
//			auth.MailResetPassword: "https://app.example/reset-password#token={token}",
//			// and so on for each purpose
//		},
//	})
//	manager, err := auth.New(s, auth.Config{Mailer: mails, Notifier: mails})
//
// # What is promised
//
//   - The password and the mails travel over TLS, with a certificate for the host, unless
//     Config.InsecureNoTLS says otherwise.
//   - The token of a mail is in the fragment of one link, and nowhere else. A notice has no link
//     and no credential.
//   - No header has text of a user but To, which has the address alone. No body has text of a
//     client but a full name, and that only where nothing of it looks like a link.
//   - An error has no token, no password, no address of a recipient and no text of the server.
//   - Every step ends with the context, also if the server hangs.
//
// An address that mail programs read as another gets no mail: "b%c.example@example.com" is a route
// to some of them, and some decode "=?". Package auth takes no such address any more.
//
// Nothing is sent twice, and each mail has a connection of its own.
package smtpmail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/emailaddr"
)

// A Mailer sends mails and notices. It has no connection and no goroutine between two mails, so
// it is not closed. Any number of goroutines may use it.
type Mailer struct {
	server  server
	from    mail.Address
	service string
	contact string
	links   map[auth.MailPurpose]string
	pages   map[string]*page // by the purpose of a mail or the type of a notice
	now     func() time.Time
}

var (
	_ auth.Mailer   = (*Mailer)(nil)
	_ auth.Notifier = (*Mailer)(nil)
)

// Errors of mails that are not sent. They say nothing of the recipient.
var (
	errAddress = errors.New("smtpmail: the recipient is no email address in ASCII, or one that mail programs read as another")
	errToken   = errors.New("smtpmail: the token has other characters than letters, digits and '_'")
)

// Send implements [auth.Mailer]. It returns nil as soon as the server has taken the mail over.
// A refusal of the server is a [*ReplyError]. Other errors wrap that of the network or of ctx.
// After such an error the mail may have been sent, if it was the reply that got lost.
func (m *Mailer) Send(ctx context.Context, mail auth.Mail) error {
	link, ok := m.links[mail.Purpose]
	if !ok {
		return fmt.Errorf("smtpmail: Config.Links has no link for %q", mail.Purpose)
	}
	if !linkable(mail.Token) {
		return errToken
	}
	now := m.now().UTC()
	data := Data{
		Service: m.service, Contact: m.contact, To: mail.To,
		Link:    fill(link, mail.Token),
		Expires: date(mail.ExpiresAt), ExpiresIn: span(mail.ExpiresAt.Sub(now)),
	}
	if mail.Purpose == auth.MailResetPassword {
		data.Name = greetable(mail.Name)
	}
	if mail.Purpose == auth.MailInvitation {
		data.Organization, data.Inviter = named(mail.Organization), greetable(mail.Inviter)
	} else { // its client is that of whoever invites
		data.Device, data.Network = origin(mail.Client)
	}
	return m.send(ctx, m.pages[string(mail.Purpose)], data, now)
}

// Notify implements [auth.Notifier]. It returns nil for a type that has no template, and errors
// as [Mailer.Send] does.
func (m *Mailer) Notify(ctx context.Context, n auth.Notice) error {
	if !slices.Contains(notices, n.Type) {
		return nil
	}
	data := Data{
		Service: m.service, Contact: m.contact, To: n.To, Name: greetable(n.Name),
		Time: date(n.Time), Unknown: n.Reason == "unknown",
		Left: n.Left, APIKeys: n.APIKeys, EndedAPIKeys: n.EndedAPIKeys,
		NoPassword: n.Type == auth.EventSecondFactorFailed && n.Method != "" && n.Method != "pwd",
	}
	data.Device, data.Network = origin(n.Client)
	return m.send(ctx, m.pages[string(n.Type)], data, m.now().UTC())
}

// send renders the whole message before it connects. A template that failed in the middle of a
// message would otherwise send its first half.
func (m *Mailer) send(ctx context.Context, p *page, data Data, now time.Time) error {
	if to, ok := emailaddr.Clean(data.To); !ok || to != data.To || emailaddr.Misread(to) != "" {
		return errAddress
	}
	content, err := p.render(data)
	if err != nil {
		return fmt.Errorf("smtpmail: the template %s failed", p.file) // its error may quote the data
	}
	to := mail.Address{Address: data.To}
	message, err := compose(m.from, to, content, now)
	if err != nil {
		return fmt.Errorf("smtpmail: %s cannot be written", p.file)
	}
	return m.server.deliver(ctx, m.from, to, message)
}
