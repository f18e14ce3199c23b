package smtpmail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	patience = 30 * time.Second // for one message, if the context has more
	farewell = time.Second      // for the reply to QUIT: by then the message is the server's
)

// A ReplyError is a reply of the SMTP server that refuses a command. What the server says in
// words is left out: it may quote the recipient, or the link of the mail.
type ReplyError struct {
	Command string // "connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA" or "message"
	Code    int    // RFC 5321, 4.2: 421 or 550, for instance
	Status  string // RFC 3463, 2: "5.1.1", for instance; "" if the server gave none
}

// Error returns the command and the codes.
func (e *ReplyError) Error() string {
	return strings.TrimRight(fmt.Sprintf("smtpmail: %s was refused: %d %s", e.Command, e.Code, e.Status), " ")
}

// Temporary reports whether the same mail may be taken later (a code of 400 to 499). If it is
// false, the server will not take it: the recipient does not exist, or it refuses your mail.
func (e *ReplyError) Temporary() bool { return e.Code/100 == 4 }

// Errors of servers that cannot be used.
var (
	errNoTLS    = errors.New("the server does not offer STARTTLS, so nothing was sent")
	errNoAuth   = errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")
	errNotSMTP  = errors.New("the server does not speak SMTP")
	errExchange = errors.New("the exchange with the server failed")
)

// server is what a connection needs.
type server struct {
	host      string
	address   string // with the port
	hello     string
	implicit  bool
	tls       *tls.Config                 // nil: none
	mechanism func(name string) smtp.Auth // nil: no credentials
}

// deliver hands one message to the server. It returns nil if and only if the server has
// taken the message over: what happens after that, at QUIT, is no failure.
func (s server) deliver(ctx context.Context, from, to mail.Address, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stage := "connect"
	err := s.talk(ctx, envelope(from), envelope(to), message, &stage)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("smtpmail: %s: %w", stage, ctx.Err())
	}
	if reply := (*textproto.Error)(nil); errors.As(err, &reply) {
		return &ReplyError{Command: stage, Code: reply.Code, Status: status.FindString(reply.Msg)}
	}
	return fmt.Errorf("smtpmail: %s: %w", stage, silent(err))
}

// talk is the conversation with the server. stage is what it is at. The client of go-mail has no
// context after the dial. It leaves connections open, and counts a failure after the delivery as
// one of the delivery. A message that was cut off ends with its QUIT, as if it were complete. So
// the steps are here, on top of its package smtp.
func (s server) talk(ctx context.Context, from, to string, message []byte, stage *string) error {
	bare, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer func() { _ = bare.Close() }()                         // a second time, where it has been closed
	stop := context.AfterFunc(ctx, func() { _ = bare.Close() }) // ends whatever waits for the server
	defer stop()
	conn := bare
	if s.implicit {
		encrypted := tls.Client(bare, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = encrypted
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return err
	}
	c.SkipSMTPUTF8(true) // addresses are in ASCII
	*stage = "EHLO"
	if err := c.Hello(s.hello); err != nil {
		return err
	}
	if s.tls != nil && !s.implicit {
		*stage = "STARTTLS"
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return errNoTLS
		}
		if err := c.StartTLS(s.tls); err != nil {
			return err
		}
	}
	if s.mechanism != nil {
		*stage = "AUTH"
		if err := s.authenticate(c); err != nil {
			return err
		}
	}
	*stage = "MAIL"
	if err := c.Mail(from); err != nil {
		return err
	}
	*stage = "RCPT"
	if err := c.Rcpt(to); err != nil {
		return err
	}
	*stage = "DATA"
	w, err := c.Data()
	if err != nil {
		return err
	}
	*stage = "message"
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if c.UpdateDeadline(farewell) == nil {
		_ = c.Quit()
	}
	return nil
}

// authenticate proves the credentials. Over TLS PLAIN is as safe as any other mechanism
// against all but the server itself, which the certificate has named.
func (s server) authenticate(c *smtp.Client) error {
	_, offered := c.Extension("AUTH")
	for _, name := range []string{"PLAIN", "LOGIN"} {
		if slices.Contains(strings.Fields(strings.ToUpper(offered)), name) {
			return c.Auth(s.mechanism(name))
		}
	}
	return errNoAuth
}

// status is the enhanced status code at the beginning of a reply.
var status = regexp.MustCompile(`^[45]\.\d{1,3}\.\d{1,3}\b`)

// envelope returns an address as MAIL and RCPT have it, with the quotes that a local part such
// as "a..b" needs.
func envelope(a mail.Address) string { return (&mail.Address{Address: a.Address}).String() }

// silent returns err if it is certain to have no text of the server, or else a general error.
func silent(err error) error {
	if p := textproto.ProtocolError(""); errors.As(err, &p) {
		return errNotSMTP
	}
	network, certificate, record := net.Error(nil), (*tls.CertificateVerificationError)(nil), tls.RecordHeaderError{}
	switch {
	case errors.Is(err, errNoTLS), errors.Is(err, errNoAuth), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.As(err, &network), errors.As(err, &certificate), errors.As(err, &record), strings.HasPrefix(err.Error(), "tls: "):
		return err
	}
	return errExchange
}
