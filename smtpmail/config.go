package smtpmail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/printable"
)

const (
	portSubmission  = 587 // RFC 6409: STARTTLS
	portSubmissions = 465 // RFC 8314: TLS from the first byte

	maxName    = 100 // characters of FromName
	maxContact = 200 // characters of Contact
)

// Config configures a [Mailer]. Host, From and, for mails, Links are required. The password
// prints as "[secret]".
type Config struct {
	// Host is the name or the IP address of the SMTP server. Its certificate must be for it.
	Host string
	// Port is its port. 465 means TLS from the first byte. On any other the server must offer
	// STARTTLS. Default 587.
	Port int
	// ImplicitTLS means TLS from the first byte on a port other than 465.
	ImplicitTLS bool
	// RootCAs are the authorities that the server's certificate must come from. Default: those
	// of the system.
	RootCAs *x509.CertPool
	// InsecureNoTLS sends the mails and the password in the clear. Whoever reads them on their
	// way can take over accounts. It is for a relay on the same machine, and for tests.
	InsecureNoTLS bool
	// Username and Password are the credentials: both or none. They are sent with AUTH PLAIN,
	// or with AUTH LOGIN if the server has no PLAIN.
	Username string
	Password auth.Secret
	// Hello is the name that the Mailer gives itself in EHLO: a domain name, or an IP address
	// in brackets. Default: the domain of From.
	Hello string

	// From is the address that mails come from, and the one that bounces go to.
	From string
	// FromName is the name of your service. It is the display name of From, and the texts call
	// the service by it. At most 100 characters. Default: the domain of From.
	FromName string
	// Contact says in every message where to find help: an address, or a sentence. At most 200
	// characters. Default: nothing is said.
	Contact string

	// Links has a link for each purpose, with "{token}" once and in its fragment:
	// "https://app.example/reset-password#token={token}". A fragment is in no log and in no
	// Referer. The scheme is https. A host of the loopback may have http. Without the link of
	// auth.MailInvitation no invitation is sent: Send returns an error. A Mailer without any
	// link is a Notifier only.
	Links map[auth.MailPurpose]string
	// Templates replaces the files of the directory templates of this package. A file that it
	// lacks is that of this package. Nil: none is replaced. See [Data].
	Templates fs.FS

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// New checks cfg and returns a Mailer. It connects to nothing. Every template is tried with
// every kind of data, so none fails later.
func New(cfg Config) (*Mailer, error) {
	m := &Mailer{contact: cfg.Contact, now: cfg.Now}
	if m.now == nil {
		m.now = time.Now
	}
	from, ok := emailaddr.Clean(cfg.From)
	if !ok || from != cfg.From || emailaddr.Misread(from) != "" {
		return nil, errors.New("smtpmail: Config.From is no email address in ASCII")
	}
	_, domain, _ := strings.Cut(from, "@")
	m.from = mail.Address{Name: cfg.FromName, Address: from}
	if m.service = cfg.FromName; m.service == "" {
		m.service = domain
	}
	if !printable.Line(m.service, maxName) {
		return nil, fmt.Errorf("smtpmail: Config.FromName is no line of at most %d printable characters", maxName)
	}
	if m.contact != "" && !printable.Line(m.contact, maxContact) {
		return nil, fmt.Errorf("smtpmail: Config.Contact is no line of at most %d printable characters", maxContact)
	}
	var err error
	if m.server, err = newServer(cfg, domain); err != nil {
		return nil, err
	}
	if m.links, err = checkLinks(cfg.Links); err != nil {
		return nil, err
	}
	if m.pages, err = loadPages(cfg.Templates, m.service); err != nil {
		return nil, err
	}
	return m, nil
}

// newServer checks what cfg says of the connection.
func newServer(cfg Config, domain string) (server, error) {
	s := server{host: cfg.Host, hello: cfg.Hello, implicit: cfg.ImplicitTLS || cfg.Port == portSubmissions}
	if net.ParseIP(s.host) == nil && !hostName(s.host) {
		return server{}, errors.New("smtpmail: Config.Host is no name and no IP address")
	}
	port := cfg.Port
	if port == 0 {
		port = portSubmission
	}
	if port < 1 || port > 65535 {
		return server{}, errors.New("smtpmail: Config.Port is no port")
	}
	s.address = net.JoinHostPort(s.host, strconv.Itoa(port))
	if s.hello == "" {
		s.hello = domain
	}
	if literal := strings.TrimPrefix(strings.Trim(s.hello, "[]"), "IPv6:"); !hostName(s.hello) && net.ParseIP(literal) == nil {
		return server{}, errors.New("smtpmail: Config.Hello is no domain name and no address literal")
	}
	if cfg.InsecureNoTLS && s.implicit {
		return server{}, errors.New("smtpmail: Config.InsecureNoTLS contradicts TLS from the first byte")
	}
	if !cfg.InsecureNoTLS {
		s.tls = &tls.Config{ServerName: s.host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if (cfg.Username == "") != (cfg.Password == "") {
		return server{}, errors.New("smtpmail: of Config.Username and Config.Password one is missing")
	}
	if strings.Contains(cfg.Username+string(cfg.Password), "\x00") {
		return server{}, errors.New("smtpmail: Config.Username or Config.Password has a NUL")
	}
	if cfg.Username != "" {
		// Package fmt follows no pointer of a function, so it cannot print the password.
		s.mechanism = func(name string) smtp.Auth {
			switch name {
			case "PLAIN":
				return smtp.PlainAuth("", cfg.Username, string(cfg.Password), s.host, cfg.InsecureNoTLS)
			case "LOGIN":
				return smtp.LoginAuth(cfg.Username, string(cfg.Password), s.host, cfg.InsecureNoTLS)
			}
			return nil
		}
	}
	return s, nil
}

// hostName reports whether s is a domain name of one label or more.
func hostName(s string) bool {
	a, ok := emailaddr.Clean("a@" + s)
	return ok && a == "a@"+s
}
