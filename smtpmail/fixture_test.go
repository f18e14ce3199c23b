package smtpmail_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"maps"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/smtpmail"
)

const (
	username = "app@relay.example"
	password = "Pass-word\"of the relay%s"
	secret   = "rst_0123456789abcdefghijABCDEFGHIJ"
	firefox  = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

var (
	now   = time.Date(2026, 11, 29, 19, 47, 0, 0, time.UTC)
	links = map[auth.MailPurpose]string{
		auth.MailResetPassword: "https://app.example/reset-password#token={token}",
		auth.MailVerifyEmail:   "https://app.example/verify?lang=en&x=1#token={token}",
		auth.MailChangeEmail:   "https://app.example/#/change/{token}",
		auth.MailInvitation:    "https://app.example/join#a=b&token={token}&c=d",
	}
)

// certificate makes one for the loopback.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
})

// A relay is a real SMTP server on the loopback.
type relay struct {
	port      int
	mechanism string // that it offers
	insists   bool   // AUTH LOGIN asks a third time
	mu        sync.Mutex
	commands  int // MAIL, with or without success
	attempts  int // of AUTH
	received  []received
	news      chan struct{} // has something after a message was taken
}

// received is one message that a relay took.
type received struct {
	hello, from, to, user string
	encrypted             bool
	raw                   []byte
}

// newRelay starts a relay. offered is what it knows of TLS: "STARTTLS", "implicit" or "".
func newRelay(t *testing.T, offered, mechanism string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{port: l.Addr().(*net.TCPAddr).Port, mechanism: mechanism, news: make(chan struct{}, 1)}
	s := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return &session{relay: r, conn: c}, nil
	}))
	s.Domain, s.ErrorLog, s.AllowInsecureAuth = "relay.example", log.New(io.Discard, "", 0), offered == ""
	s.MaxLineLength, s.EnableSMTPUTF8 = 1000, true // RFC 5321, 4.5.3.1.6
	cert, _ := certificate()
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if offered == "STARTTLS" {
		s.TLSConfig = config
	}
	if offered == "implicit" {
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return r
}

// session is the part of a relay that one connection talks to.
type session struct {
	relay          *relay
	conn           *gosmtp.Conn
	user, from, to string
}

func (s *session) AuthMechanisms() []string { return []string{s.relay.mechanism} }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	s.relay.mu.Lock()
	s.relay.attempts++
	s.relay.mu.Unlock()
	check := func(_, user, pass string) error {
		if user != username || pass != password {
			return gosmtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	if mechanism == "LOGIN" {
		return &login{check: check, insists: s.relay.insists}, nil
	}
	return sasl.NewPlainServer(check), nil
}

// login is the server's side of AUTH LOGIN.
type login struct {
	check   func(identity, user, pass string) error
	insists bool
	said    []string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.said = append(l.said, string(response))
	}
	if len(l.said) < 2 {
		return []byte([]string{"Username:", "Password:"}[len(l.said)]), false, nil
	}
	if l.insists {
		return []byte("server-text: " + l.said[1]), false, nil
	}
	return nil, true, l.check("", l.said[0], l.said[1])
}

func (s *session) Mail(from string, o *gosmtp.MailOptions) error {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.commands++
	if o.UTF8 {
		return errors.New("the client asks for SMTPUTF8")
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error { s.to = to; return nil }
func (s *session) Reset()                                      {}
func (s *session) Logout() error                               { return nil }

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.received = append(s.relay.received, received{s.conn.Hostname(), s.from, s.to, s.user, encrypted, raw})
	select {
	case s.relay.news <- struct{}{}:
	default: // not read yet
	}
	return nil
}

// take returns the messages so far, and forgets them.
func (r *relay) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.received
	r.received = nil
	return all
}

// one returns the only message so far.
func (r *relay) one(t *testing.T) received {
	t.Helper()
	all := r.take()
	if len(all) != 1 {
		t.Fatalf("%d messages arrived, want 1", len(all))
	}
	return all[0]
}

// config is that of a Mailer for the relay.
func (r *relay) config() smtpmail.Config {
	_, roots := certificate()
	return smtpmail.Config{
		Host: "127.0.0.1", Port: r.port, RootCAs: roots, Username: username, Password: password,
		From: "no-reply@app.example", FromName: "Example", Contact: "support@app.example",
		Links: maps.Clone(links), Now: func() time.Time { return now },
	}
}

// mailer is a Mailer for the relay, with a change of its config.
func (r *relay) mailer(t *testing.T, change func(*smtpmail.Config)) *smtpmail.Mailer {
	t.Helper()
	cfg := r.config()
	if change != nil {
		change(&cfg)
	}
	m, err := smtpmail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func aMail(p auth.MailPurpose) auth.Mail {
	return auth.Mail{
		Purpose: p, To: "alice@example.com", UserID: "user_1", Name: "Alice Liddell", Token: secret, ExpiresAt: now.Add(time.Hour),
		Organization: "Analytical Engines", Inviter: "Charles",
		Client: auth.Client{Addr: netip.MustParseAddr("203.0.113.77"), UserAgent: firefox, RequestID: "request-1"},
	}
}

func aNotice(typ auth.EventType) auth.Notice {
	m := aMail("")
	return auth.Notice{Type: typ, To: m.To, UserID: m.UserID, Name: m.Name, Time: now, Client: m.Client}
}

// message is what a mail program makes of what arrived.
type message struct {
	header     mail.Header
	text, html string
}

// parse reads a message, and fails for a form that an MTA may refuse.
func parse(t *testing.T, raw []byte) message {
	t.Helper()
	for line := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") || bytes.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("a line that is too long or not in ASCII: %q", line)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %q: %v", m.Header.Get("Content-Type"), err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	body := func(want string) string {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || kind != want || !strings.EqualFold(params["charset"], "utf-8") || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("a part has the headers %v: %v", part.Header, err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	found := message{header: m.Header, text: body("text/plain"), html: body("text/html")} // the better one is last
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the HTML: %v", err)
	}
	return found
}

// header returns the decoded values of a header, which must occur once.
func (m message) one(t *testing.T, name string) string {
	t.Helper()
	values := m.header[name]
	if len(values) != 1 {
		t.Fatalf("%d headers %s", len(values), name)
	}
	text, err := new(mime.WordDecoder).DecodeHeader(values[0])
	if err != nil {
		t.Error(err)
	}
	return text
}
