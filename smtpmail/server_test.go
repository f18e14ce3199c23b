package smtpmail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/smtpmail"
)

func TestMailsTravelOverTLS(t *testing.T) {
	for _, tc := range []struct {
		offered, mechanism string
		change             func(*smtpmail.Config)
		encrypted          bool
	}{
		{"STARTTLS", "PLAIN", nil, true},
		{"STARTTLS", "LOGIN", nil, true},
		{"implicit", "PLAIN", func(c *smtpmail.Config) { c.ImplicitTLS = true }, true},
		{"STARTTLS", "PLAIN", func(c *smtpmail.Config) { c.Username, c.Password = "", "" }, true},
		{"", "PLAIN", func(c *smtpmail.Config) { c.InsecureNoTLS, c.Username, c.Password = true, "", "" }, false},
		{"", "PLAIN", func(c *smtpmail.Config) { c.InsecureNoTLS, c.Hello = true, "[127.0.0.1]" }, false},
		{"", "LOGIN", func(c *smtpmail.Config) { c.InsecureNoTLS, c.Hello = true, "machine.example" }, false},
	} {
		relay := newRelay(t, tc.offered, tc.mechanism)
		cfg := relay.config()
		m := relay.mailer(t, func(c *smtpmail.Config) {
			if tc.change != nil {
				tc.change(c)
			}
			cfg = *c
		})
		for range 2 {
			if err := m.Send(t.Context(), aMail(auth.MailVerifyEmail)); err != nil {
				t.Fatalf("%+v: %v", tc, err)
			}
			got := relay.one(t)
			if got.encrypted != tc.encrypted || got.user != cfg.Username || cfg.Hello != "" && got.hello != cfg.Hello {
				t.Errorf("%+v: %+v", tc, got)
			}
		}
	}
}

// Nothing that must not be read leaves before the server has proven who it is.
func TestNothingIsSentToAServerThatProvesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		offered, mechanism string
		change             func(*smtpmail.Config)
		want               string
	}{
		"no STARTTLS":         {"", "PLAIN", nil, "STARTTLS: the server does not offer STARTTLS"},
		"unknown authority":   {"STARTTLS", "PLAIN", func(c *smtpmail.Config) { c.RootCAs = nil }, "STARTTLS: tls: failed to verify certificate"},
		"another name":        {"STARTTLS", "PLAIN", func(c *smtpmail.Config) { c.Host = "localhost" }, "STARTTLS: tls: failed to verify certificate"},
		"implicit, authority": {"implicit", "PLAIN", func(c *smtpmail.Config) { c.ImplicitTLS, c.RootCAs = true, nil }, "connect: tls: failed to verify certificate"},
		"TLS to plain":        {"STARTTLS", "PLAIN", func(c *smtpmail.Config) { c.ImplicitTLS = true }, "connect: tls: first record does not look like"},
		"another mechanism":   {"STARTTLS", "XOAUTH2", nil, "AUTH: the server offers neither"},
	} {
		relay := newRelay(t, tc.offered, tc.mechanism)
		err := relay.mailer(t, tc.change).Send(t.Context(), aMail(auth.MailResetPassword))
		if err == nil || !strings.HasPrefix(err.Error(), "smtpmail: "+tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		relay.mu.Lock()
		if relay.attempts != 0 || relay.commands != 0 {
			t.Errorf("%s: %d credentials and %d mails were sent", name, relay.attempts, relay.commands)
		}
		relay.mu.Unlock()
	}
}

func TestAWrongPasswordIsAnError(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, func(c *smtpmail.Config) { c.Password = "wrong-password" })
	err := m.Send(t.Context(), aMail(auth.MailResetPassword))
	reply := (*smtpmail.ReplyError)(nil)
	if !errors.As(err, &reply) || reply.Command != "AUTH" || reply.Code/100 != 5 || reply.Temporary() {
		t.Errorf("%v", err)
	}
	relay = newRelay(t, "STARTTLS", "LOGIN")
	relay.insists = true
	err = relay.mailer(t, nil).Send(t.Context(), aMail(auth.MailResetPassword))
	if err == nil || strings.Contains(err.Error(), "server-text") || strings.Contains(err.Error(), password) {
		t.Errorf("a third question: %v", err)
	}
}

// stages are those at which a scripted server can fail.
var stages = []string{"connect", "EHLO", "STARTTLS", "handshake", "AUTH", "MAIL", "RCPT", "DATA", "message", "QUIT"}

// scripted is a server that answers one connection after the other, each as it is told.
type scripted struct {
	*smtpmail.Mailer // for this server
	next             chan step
}

// step is what a connection comes to. At the stage at the server sends reply, or closes the
// connection for "close", or sends nothing more for "". Then reached is closed.
type step struct {
	at, reply string
	reached   chan struct{}
}

func newScripted(t *testing.T) scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := scripted{(&relay{port: l.Addr().(*net.TCPAddr).Port}).mailer(t, nil), make(chan step, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			next := <-s.next
			script(conn, next.at, next.reply, next.reached)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return s
}

// prepare tells what the next connection comes to.
func (s scripted) prepare(at, reply string) (reached chan struct{}) {
	reached = make(chan struct{})
	s.next <- step{at, reply, reached}
	return reached
}

// send sends a mail on such a connection.
func (s scripted) send(t *testing.T, at, reply string) error {
	s.prepare(at, reply)
	return s.Send(t.Context(), aMail(auth.MailResetPassword))
}

func script(conn net.Conn, at, reply string, reached chan struct{}) {
	lines := bufio.NewReader(conn)
	answers := map[string]string{
		"connect": "220 relay.example", "EHLO": "250-relay.example\r\n250-STARTTLS\r\n250 AUTH PLAIN", "STARTTLS": "220 go", "AUTH": "235 ok", "MAIL": "250 ok",
		"RCPT": "250 ok", "DATA": "354 go", "message": "250 ok", "QUIT": "221 bye",
	}
	say := func(stage string) bool {
		answer := answers[stage]
		if stage == at {
			close(reached)
			answer, at = reply, "" // once
		}
		switch answer {
		case "":
			_, _ = io.Copy(io.Discard, lines)
			return false
		case "close":
			return false
		}
		_, err := io.WriteString(conn, answer+"\r\n")
		return err == nil
	}
	if !say("connect") {
		return
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		command, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch command {
		case "HELO":
			command = "EHLO"
		case "*", "RSET", "NOOP":
			_, _ = io.WriteString(conn, "501 no\r\n")
			continue
		}
		if !say(command) {
			return
		}
		switch {
		case command == "STARTTLS" && at == "handshake" && reply != "":
			_, _ = io.WriteString(conn, reply+"\r\n")
			return
		case command == "STARTTLS" && at == "handshake":
			close(reached)
			_, _ = io.Copy(io.Discard, lines)
			return
		case command == "STARTTLS":
			cert, _ := certificate()
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			lines = bufio.NewReader(conn)
		case command == "DATA":
			for line != ".\r\n" {
				if line, err = lines.ReadString('\n'); err != nil {
					return
				}
			}
			if !say("message") {
				return
			}
		}
	}
}

func TestTheEndOfTheContextEndsEveryStep(t *testing.T) {
	s := newScripted(t)
	for _, at := range stages {
		reached := s.prepare(at, "")
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan error, 1)
		go func() { sent <- s.Send(ctx, aMail(auth.MailResetPassword)) }()
		<-reached
		cancel()
		err := <-sent
		if at == "QUIT" {
			if err != nil { // the server has the mail
				t.Errorf("QUIT: %v", err)
			}
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", at, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Send(ctx, aMail(auth.MailResetPassword)); !errors.Is(err, context.Canceled) {
		t.Errorf("before it began: %v", err)
	}
}

func TestAMailThatTheServerHasIsSentWhateverItSaysToQUIT(t *testing.T) {
	t.Parallel() // "" takes the second that QUIT has
	s := newScripted(t)
	for _, reply := range []string{"", "close", "500 no", "garbage"} {
		if err := s.send(t, "QUIT", reply); err != nil {
			t.Errorf("%q: %v", reply, err)
		}
	}
}

func TestARefusalIsToldByItsCodeAndQuotesNothing(t *testing.T) {
	s := newScripted(t)
	quoted := " <alice@example.com> https://app.example/reset-password#token=" + secret + " " + password + " server-text"
	for _, at := range stages {
		if at == "QUIT" || at == "handshake" {
			continue
		}
		for _, tc := range []struct {
			reply, status string
			code          int
			temporary     bool
		}{
			{"550 5.7.1" + quoted, "5.7.1", 550, false},
			{"550-5.1.1" + quoted + "\r\n550 5.1.1" + quoted, "5.1.1", 550, false},
			{"451 4.7.0" + quoted, "4.7.0", 451, true},
			{"421" + quoted, "", 421, true},
			{"554 " + "5.1.1alice" + quoted, "", 554, false},
			{"garbage" + quoted, "", 0, false},
			{"close", "", 0, false},
			{"25", "", 0, false},
		} {
			if at != "RCPT" && !slices.Contains([]string{"4.7.0", "5.1.1"}, tc.status) && !strings.HasPrefix(tc.reply, "garbage") {
				continue // enough for the others
			}
			err := s.send(t, at, tc.reply)
			if at == "EHLO" && tc.code != 0 { // HELO is tried then, and has no STARTTLS
				if err == nil || !strings.Contains(err.Error(), "STARTTLS") && !strings.Contains(err.Error(), "EHLO") {
					t.Errorf("EHLO, %s: %v", tc.reply, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s, %s: no error", at, tc.reply)
				continue
			}
			for _, never := range []string{"alice", "rst_", secret, password, "server-text", "https:"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("%s, %s: %v", at, tc.reply, err)
				}
			}
			reply := (*smtpmail.ReplyError)(nil)
			if is := errors.As(err, &reply); is != (tc.code != 0) {
				t.Errorf("%s, %s: %v", at, tc.reply, err)
			} else if is && (reply.Command != at || reply.Code != tc.code || reply.Status != tc.status || reply.Temporary() != tc.temporary) {
				t.Errorf("%s, %s: %+v", at, tc.reply, reply)
			}
		}
	}
	if err := s.send(t, "handshake", "550 no TLS"+quoted); err == nil || strings.Contains(err.Error(), "alice") {
		t.Errorf("handshake: %v", err)
	}
}

// What a stranger between the two adds to the reply to STARTTLS, in the clear, is no reply of the
// server.
func TestAReplyThatWasSentBeforeTheHandshakeIsNotRead(t *testing.T) {
	injected := "220 go\r\n250-relay.example\r\n250 AUTH LOGIN\r\n535 5.7.8 no\r\n550 5.1.1 no"
	if err := newScripted(t).send(t, "STARTTLS", injected); err != nil {
		t.Error(err)
	}
}

func TestARefusalSaysItsCommandAndItsCodes(t *testing.T) {
	for err, want := range map[smtpmail.ReplyError]string{
		{Command: "RCPT", Code: 550, Status: "5.1.1"}: "smtpmail: RCPT was refused: 550 5.1.1",
		{Command: "connect", Code: 421}:               "smtpmail: connect was refused: 421",
	} {
		if err.Error() != want {
			t.Error(err.Error())
		}
	}
}
