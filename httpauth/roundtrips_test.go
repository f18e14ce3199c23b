package httpauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// A farStore is a store that every call takes trip to reach. In the bubble of a
// test, where nothing else takes time, what a request took is how many calls came
// one after the other.
type farStore struct {
	store.Store
	reads, lists, commits, hits atomic.Int64
}

const trip = time.Millisecond

func (s *farStore) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	s.reads.Add(1)
	time.Sleep(trip)
	return s.Store.Get(ctx, keys...)
}

func (s *farStore) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	s.lists.Add(1)
	time.Sleep(trip)
	return s.Store.List(ctx, prefix, after, limit)
}

func (s *farStore) Commit(ctx context.Context, ops ...store.Op) error {
	s.commits.Add(1)
	time.Sleep(trip)
	return s.Store.Commit(ctx, ops...)
}

func (s *farStore) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	s.hits.Add(1)
	time.Sleep(trip)
	return s.Store.Hit(ctx, key, l, n, now)
}

// A surveyor makes requests and writes down what each asked of the store.
type surveyor struct {
	t       *testing.T
	store   *farStore
	handler http.Handler
	rows    []string
	wait    time.Duration // for what a request leaves to a queue
}

// row is a line of the table in ARCHITECTURE.md.
func row(cells ...any) string {
	text := "|"
	for _, cell := range cells {
		text += fmt.Sprintf(" %v |", cell)
	}
	return text
}

// ask makes a request that must be answered with status. One with a name is a row.
func (s *surveyor) ask(name string, status int, method, path, credential string, body map[string]any) (answer map[string]any) {
	s.t.Helper()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	r := httptest.NewRequest(method, path, reader)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if path == "/register" { // makes its network known, so that the first login is from another
		r.RemoteAddr = "198.51.100.1:1234"
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	for _, n := range []*atomic.Int64{&s.store.reads, &s.store.lists, &s.store.commits, &s.store.hits} {
		n.Store(0)
	}
	w := httptest.NewRecorder()
	begun := time.Now()
	s.handler.ServeHTTP(w, r)
	took := time.Since(begun)
	time.Sleep(s.wait)
	if w.Code != status {
		s.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if name != "" {
		s.rows = append(s.rows, row(name, s.store.reads.Load(), s.store.lists.Load(), s.store.commits.Load(), s.store.hits.Load(), int(took/trip)))
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// The table under "Round trips" in ARCHITECTURE.md is what happens: nobody adds a
// trip to an endpoint without saying so there.
func TestEveryEndpointMakesTheRoundTripsThatAreWrittenDown(t *testing.T) {
	page, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Round trips\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var written []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| ") {
			written = append(written, strings.TrimSuffix(line, "\n"))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		measured := survey(t)
		if !slices.Equal(written, measured) {
			t.Errorf("ARCHITECTURE.md, \"Round trips\", should have\n%s", strings.Join(measured, "\n"))
		}
	})
}

// newSurveyor returns a surveyor of a service of its own. Close ends that.
func newSurveyor(t *testing.T, mailer auth.Mailer) (s *surveyor, closeAll func() error) {
	far := &farStore{Store: memstore.New()}
	manager, err := auth.New(far, auth.Config{
		Secrets:              []auth.Secret{"0123456789abcdefghijklmnopqrstuv"},
		InsecureCheapHashing: true,
		PasswordHash:         auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		Mailer:               mailer,
		TrustedDevices:       auth.DeviceTrust{TTL: 30 * 24 * time.Hour},
		ConfirmEmailChange:   mailer != nil,
		Logger:               slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // of the bubble: what New starts is over
	handler, err := httpauth.New(manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &surveyor{t: t, store: far, handler: handler}, manager.Close
}

func survey(t *testing.T) []string { return append(surveyAccount(t), surveyMails(t)...) }

// surveyMails surveys the calls that send mails or take their tokens. Their rows have what the
// queue does after the answer, but for the last column.
func surveyMails(t *testing.T) []string {
	box := &authtest.Mails{}
	s, closeAll := newSurveyor(t, box)
	defer closeAll()
	s.wait = time.Second
	const email, newEmail = "ada@example.com", "ada@example.org"
	token := func(purpose auth.MailPurpose, to string) map[string]any {
		mail, _ := box.Await(purpose, to)
		return map[string]any{"token": string(mail.Token), "new_password": "another passphrase nobody has"}
	}
	credentials := map[string]any{"email": email, "password": password}
	s.ask("", 201, "POST", "/register", "", map[string]any{"email": email, "password": password, "full_name": "Ada"})
	_ = token(auth.MailVerifyEmail, email)
	s.ask("`POST /resend-verification`", 202, "POST", "/resend-verification", "", map[string]any{"email": email})
	s.ask("`POST /verify-email`", 200, "POST", "/verify-email", "", token(auth.MailVerifyEmail, email))
	session := s.ask("", 200, "POST", "/login", "", credentials)["access_token"].(string)
	s.ask("`PATCH /me`, email to confirm", 200, "PATCH", "/me", session, map[string]any{"email": newEmail})
	s.ask("`DELETE /me/pending-email`", 200, "DELETE", "/me/pending-email", session, nil)
	_ = token(auth.MailChangeEmail, newEmail)
	s.ask("", 200, "PATCH", "/me", session, map[string]any{"email": newEmail})
	s.ask("`POST /confirm-email`", 200, "POST", "/confirm-email", session, token(auth.MailChangeEmail, newEmail))
	s.ask("`POST /forgot-password`, unknown address", 202, "POST", "/forgot-password", "", map[string]any{"email": "nobody@example.com"})
	s.ask("`POST /forgot-password`", 202, "POST", "/forgot-password", "", map[string]any{"email": newEmail})
	s.ask("`POST /reset-password`", 200, "POST", "/reset-password", "", token(auth.MailResetPassword, newEmail))
	return s.rows
}

func surveyAccount(t *testing.T) []string {
	s, closeAll := newSurveyor(t, nil)
	defer closeAll()
	s.rows = append(s.rows, row("call", "reads", "lists", "commits", "hits", "one after the other"))
	const email, newEmail, newPassword = "ada@example.com", "ada@example.org", "another passphrase nobody has"
	credentials := map[string]any{"email": email, "password": password}

	s.ask("`POST /register`", 201, "POST", "/register", "", map[string]any{"email": email, "password": password, "full_name": "Ada"})
	s.ask("`POST /login`, wrong password", 401, "POST", "/login", "", map[string]any{"email": email, "password": "wrong"})
	s.ask("`POST /login`, first from an address", 200, "POST", "/login", "", credentials)
	token := s.ask("`POST /login`", 200, "POST", "/login", "", credentials)["access_token"].(string)
	s.ask("`GET /me`", 200, "GET", "/me", token, nil)
	listed := s.ask("`GET /sessions`", 200, "GET", "/sessions", token, nil)["sessions"].([]any)
	s.ask("`DELETE /sessions/{session_id}`", 200, "DELETE", "/sessions/"+listed[1].(map[string]any)["id"].(string), token, nil)
	s.ask("`POST /logout-others`", 200, "POST", "/logout-others", token, nil)
	s.ask("`PATCH /me`, name", 200, "PATCH", "/me", token, map[string]any{"full_name": "Ada King"})

	key := s.ask("`POST /api-keys`", 201, "POST", "/api-keys", token, map[string]any{"name": "Production"})
	s.ask("`GET /me`, with an API key", 200, "GET", "/me", key["key"].(string), nil)
	s.ask("`GET /api-keys`", 200, "GET", "/api-keys", token, nil)
	of := "/api-keys/" + key["id"].(string)
	s.ask("`GET /api-keys/{key_id}/usage`", 200, "GET", of+"/usage", token, nil)
	s.ask("`PATCH /api-keys/{key_id}`", 200, "PATCH", of, token, map[string]any{"name": "Staging"})
	s.ask("", 200, "PATCH", of, token, map[string]any{"enabled": false})
	s.ask("`PATCH /api-keys/{key_id}`, enabled", 200, "PATCH", of, token, map[string]any{"enabled": true})
	s.ask("`POST /api-keys/{key_id}/rotate`", 201, "POST", of+"/rotate", token, nil)
	s.ask("`DELETE /api-keys/{key_id}`", 200, "DELETE", "/api-keys/"+key["id"].(string), token, nil)

	s.ask("`POST /change-password`", 200, "POST", "/change-password", token, map[string]any{"current_password": password, "new_password": newPassword})
	s.ask("`POST /enable-2fa`, with the password", 200, "POST", "/enable-2fa", token, map[string]any{"password": newPassword})
	enrollment := s.ask("`POST /enable-2fa`", 200, "POST", "/enable-2fa", token, nil)
	secret := auth.Secret(enrollment["secret"].(string))
	code := func() string { return authtest.TOTPCode(secret, time.Now()) }
	s.ask("`POST /confirm-2fa`", 200, "POST", "/confirm-2fa", token, map[string]any{"code": code()})
	time.Sleep(time.Minute)
	temp := s.ask("`POST /login`, with 2FA on", 200, "POST", "/login", "", map[string]any{"email": email, "password": newPassword})["temp_token"]
	s.ask("`POST /verify-2fa`", 200, "POST", "/verify-2fa", "", map[string]any{"temp_token": temp, "code": code()})
	time.Sleep(time.Minute)
	temp = s.ask("", 200, "POST", "/login", "", map[string]any{"email": email, "password": newPassword})["temp_token"]
	device := s.ask("`POST /verify-2fa`, with a device to trust", 200, "POST", "/verify-2fa", "", map[string]any{"temp_token": temp, "code": code(), "trust_device": true})["device_token"]
	s.ask("`POST /login`, on a trusted device", 200, "POST", "/login", "", map[string]any{"email": email, "password": newPassword, "device_token": device})
	devices := s.ask("`GET /trusted-devices`", 200, "GET", "/trusted-devices", token, nil)["trusted_devices"].([]any)
	s.ask("`DELETE /trusted-devices/{device_id}`", 200, "DELETE", "/trusted-devices/"+devices[0].(map[string]any)["id"].(string), token, nil)
	time.Sleep(time.Minute)
	s.ask("`GET /two-factor`", 200, "GET", "/two-factor", token, nil)
	s.ask("`POST /backup-codes`", 200, "POST", "/backup-codes", token, map[string]any{"password": newPassword, "code": code()})
	time.Sleep(time.Minute)
	s.ask("`POST /disable-2fa`", 200, "POST", "/disable-2fa", token, map[string]any{"password": newPassword, "code": code()})

	s.ask("`PATCH /me`, email", 200, "PATCH", "/me", token, map[string]any{"email": newEmail})
	token = s.ask("`POST /refresh`", 200, "POST", "/refresh", token, nil)["access_token"].(string)
	s.ask("`GET /organization`", 200, "GET", "/organization", token, nil)
	s.ask("`PATCH /organization`", 200, "PATCH", "/organization", token, map[string]any{"name": "Looms"})
	made := s.ask("`POST /organization/invitations`", 201, "POST", "/organization/invitations", token, map[string]any{"email": "guest@example.com", "role": "member"})
	s.ask("`GET /organization/invitations`", 200, "GET", "/organization/invitations", token, nil)
	s.ask("`DELETE /organization/invitations/{invitation_id}`", 200, "DELETE", "/organization/invitations/"+made["id"].(string), token, nil)
	own := s.ask("`GET /organization/members`", 200, "GET", "/organization/members", token, nil)["members"].([]any)[0].(map[string]any)["id"].(string)
	s.ask("`PATCH /organization/members/{user_id}`", 200, "PATCH", "/organization/members/"+own, token, map[string]any{"role": "member", "password": newPassword})
	s.ask("`POST /organization/leave`", 200, "POST", "/organization/leave", token, map[string]any{"password": newPassword})
	s.ask("`POST /organization/members/{user_id}/remove`", 200, "POST", "/organization/members/"+own+"/remove", token, map[string]any{"password": newPassword})
	token = s.ask("", 200, "POST", "/login", "", map[string]any{"email": newEmail, "password": newPassword})["access_token"].(string)
	s.ask("", 201, "POST", "/register", "", map[string]any{"email": "host@example.com", "password": newPassword, "full_name": "Host"})
	host := s.ask("", 200, "POST", "/login", "", map[string]any{"email": "host@example.com", "password": newPassword})["access_token"].(string)
	made = s.ask("", 201, "POST", "/organization/invitations", host, map[string]any{"email": newEmail, "role": "member"})
	s.ask("`POST /accept-invitation`", 200, "POST", "/accept-invitation", token, map[string]any{"token": made["invitation_token"], "password": newPassword})
	s.ask("`POST /logout`", 200, "POST", "/logout", token, nil)
	return s.rows
}
