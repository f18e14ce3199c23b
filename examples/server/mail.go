package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/smtpmail"
)

// pagesOf are the pages that mails link to, below the public address. The token is in the fragment.
var pagesOf = map[auth.MailPurpose]string{
	auth.MailResetPassword: "/reset-password",
	auth.MailVerifyEmail:   "/verify-email",
	auth.MailChangeEmail:   "/confirm-email",
	auth.MailInvitation:    "/invitation",
}

// mailer returns what -mail names. Loopback says whether the program is reached from this machine
// alone: then a mail is a line of output, so that the flows can be tried at once. Public is the
// address of the pages, or "". The notifier is nil where there is none.
func mailer(flag *string, loopback bool, public string, password auth.Secret, stdout io.Writer) (auth.Mailer, auth.Notifier, error) {
	how := "none"
	if loopback {
		how = "log"
	}
	if flag != nil {
		how = *flag
	}
	switch how {
	case "none":
		return nil, nil, nil
	case "log":
		return &logMailer{to: stdout}, nil, nil
	}
	cfg, err := parseSMTP(how)
	if err != nil {
		return nil, nil, fmt.Errorf("-mail: %w", err)
	}
	if public == "" {
		return nil, nil, errors.New("-mail: smtp needs -url, for the links in mails")
	}
	cfg.Password = password
	cfg.Links = map[auth.MailPurpose]string{}
	for purpose, page := range pagesOf {
		cfg.Links[purpose] = public + page + "#token={token}"
	}
	m, err := smtpmail.New(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("-mail: %w", err)
	}
	return m, m, nil
}

// mailKind says for people what m is: "log", "none", or "" for a mail server.
func mailKind(m auth.Mailer) string {
	switch m.(type) {
	case nil:
		return "none"
	case *logMailer:
		return "log"
	}
	return ""
}

// errMail repeats nothing of the flag, which may have a password.
var errMail = errors.New("it is log, none, or smtp://USER@HOST:PORT?from=ADDRESS; the password is in AUTH_SMTP_PASSWORD")

// parseSMTP parses a URL of an SMTP server. A server on this machine may be one without TLS, by
// tls=none.
func parseSMTP(text string) (smtpmail.Config, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return smtpmail.Config{}, errMail
	}
	if _, has := u.User.Password(); has {
		return smtpmail.Config{}, errMail
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return smtpmail.Config{}, errMail
	}
	cfg := smtpmail.Config{Host: u.Hostname(), ImplicitTLS: u.Scheme == "smtps", Username: u.User.Username()}
	if port := u.Port(); port != "" {
		if cfg.Port, err = strconv.Atoi(port); err != nil {
			return smtpmail.Config{}, errMail
		}
	}
	if cfg.ImplicitTLS && cfg.Port == 0 {
		cfg.Port = 465
	}
	for name, values := range query {
		switch value := values[0]; {
		case len(values) > 1:
			return smtpmail.Config{}, errMail
		case name == "from":
			cfg.From = value
		case name == "name":
			cfg.FromName = value
		case name == "tls" && value == "none" && isLoopback(cfg.Host):
			cfg.InsecureNoTLS = true
		default:
			return smtpmail.Config{}, errMail
		}
	}
	if cfg.From == "" {
		return smtpmail.Config{}, errMail
	}
	return cfg, nil
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A logMailer prints each mail as one line of JSON. Whoever reads the output can use the tokens, so
// it is for a machine of one's own.
type logMailer struct {
	mu sync.Mutex
	to io.Writer
}

// Send implements [auth.Mailer].
func (l *logMailer) Send(_ context.Context, mail auth.Mail) error {
	line, err := json.Marshal(struct {
		Mail      auth.MailPurpose `json:"mail"`
		To        string           `json:"to"`
		Token     string           `json:"token"`
		ExpiresAt string           `json:"expires_at"`
	}{mail.Purpose, mail.To, string(mail.Token), mail.ExpiresAt.UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.to.Write(append(line, '\n'))
	return err
}
