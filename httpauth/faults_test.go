package httpauth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store/memstore"
)

// touching are calls that cannot be decided without the store.
func touching(token, key string) []struct {
	method, path string
	body         any
	credential   with
} {
	none := func(*http.Request) {}
	return []struct {
		method, path string
		body         any
		credential   with
	}{
		{"POST", "/register", members{"email": "new@example.com", "password": password, "full_name": "Ada"}, none},
		{"POST", "/login", members{"email": "ada@example.com", "password": password}, none},
		{"POST", "/login", members{"email": "ada@example.com", "password": "wrong password"}, none},
		{"POST", "/login", members{"email": "nobody@example.com", "password": password}, none},
		{"POST", "/enable-2fa", nil, bearer(token)},
		{"POST", "/confirm-2fa", members{"code": "123456"}, bearer(token)},
		{"GET", "/two-factor", nil, bearer(token)},
		{"POST", "/backup-codes", members{"password": password, "code": "123456"}, bearer(token)},
		{"POST", "/disable-2fa", members{"password": password, "code": "123456"}, bearer(token)},
		{"POST", "/refresh", nil, bearer(token)},
		{"POST", "/logout", nil, bearer(token)},
		{"POST", "/api-keys", members{"name": "x"}, bearer(token)},
		{"GET", "/api-keys", nil, bearer(token)},
		{"DELETE", "/api-keys/key_1", nil, bearer(token)},
		{"PATCH", "/api-keys/key_1", members{"name": "x"}, bearer(token)},
		{"POST", "/api-keys/key_1/rotate", nil, bearer(token)},
		{"GET", "/api-keys/key_1/usage", nil, bearer(token)},
		{"GET", "/sessions", nil, bearer(token)},
		{"DELETE", "/sessions/ses_1", nil, bearer(token)},
		{"POST", "/logout-others", nil, bearer(token)},
		{"GET", "/organization", nil, bearer(token)},
		{"PATCH", "/organization", members{"name": "Looms"}, bearer(token)},
		{"GET", "/organization/members", nil, bearer(token)},
		{"PATCH", "/organization/members/user_1", members{"role": "member"}, bearer(token)},
		{"POST", "/organization/members/user_1/remove", nil, bearer(token)},
		{"POST", "/organization/leave", nil, bearer(token)},
		{"POST", "/organization/invitations", members{"email": "guest@example.com", "role": "member"}, bearer(token)},
		{"GET", "/organization/invitations", nil, bearer(token)},
		{"DELETE", "/organization/invitations/invitation_1", nil, bearer(token)},
		{"POST", "/accept-invitation", members{"token": "inv_1"}, bearer(token)},
		{"GET", "/me", nil, bearer(token)},
		{"GET", "/me", nil, bearer(key)},
		{"PATCH", "/me", members{"full_name": "Ada"}, bearer(token)},
		{"POST", "/change-password", members{"current_password": password, "new_password": "NewPass456!"}, bearer(token)},
	}
}

// HT-12: a store that cannot answer is 503, never 401, never a pass, and its words
// stay inside.
func TestStoreThatFailsIsUnavailable(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		_, key := f.apiKey(token)
		f.store.fail()
		for _, c := range touching(token, key) {
			a := f.call(c.method, c.path, c.body, c.credential).want(503, httpauth.CodeUnavailable)
			if strings.Contains(a.raw, "bolt") || strings.Contains(a.raw, "/var") || strings.Contains(a.raw, "store") {
				t.Errorf("%s: %s", a.what, a.raw)
			}
		}
		if !strings.Contains(f.log.String(), "input/output error") {
			t.Error("the operator was not notified")
		}
		for _, secret := range []string{password, token, key, "ada@example.com"} {
			if strings.Contains(f.log.String(), secret) {
				t.Errorf("the log has %q in it", secret)
			}
		}
		f.call("GET", "/me", nil, bearer("nonsense")).want(401) // needs no store
		f.store.heal()
		f.call("GET", "/me", nil, bearer(token)).want(200)
	})
}

// HT-15.
func TestPanicIsAnInternalErrorAndTheProcessLives(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	f.store.panic()
	for _, c := range touching(token, key) {
		a := f.call(c.method, c.path, c.body, c.credential).want(500, httpauth.CodeInternalError)
		if strings.Contains(a.raw, "page") || strings.Contains(a.raw, "goroutine") {
			t.Errorf("%s: %s", a.what, a.raw)
		}
	}
	guarded(f, nil, bearer(token)).want(500, httpauth.CodeInternalError)
	f.store.heal()
	f.call("GET", "/me", nil, bearer(token)).want(200)
	if log := f.log.String(); !strings.Contains(log, "page 7 is damaged") || !strings.Contains(log, "faultystore_test.go") {
		t.Error("the operator was not notified of what happened and where")
	}
}

func TestAskingTheServerToDropTheConnectionPasses(t *testing.T) {
	f := newFixture(t, setup{})
	f.store.fault.Store(func(context.Context) error { panic(http.ErrAbortHandler) })
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
	}()
	r := newRecorded("POST", "/login", io.NopCloser(strings.NewReader(`{"email":"a@example.com","password":"SecurePass123!"}`)))
	r.request.Header.Set("Content-Type", "application/json")
	f.handler.ServeHTTP(r, r.request)
}

func TestClosedManagerIsUnavailable(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	if err := f.manager.Close(); err != nil {
		t.Fatal(err)
	}
	f.call("GET", "/me", nil, bearer(token)).want(503, httpauth.CodeUnavailable)
	f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(503, httpauth.CodeUnavailable)
	f.call("GET", "/openapi.json", nil).want(200)
}

// HT-11, HT-12.
// Every error has its answer, and none shows its text.
func TestErrorsAndTheirAnswers(t *testing.T) {
	f := newFixture(t, setup{})
	for _, c := range []struct {
		err    error
		status int
		code   httpauth.Code
		retry  string
	}{
		{auth.ErrInvalidInput, 400, httpauth.CodeInvalidInput, ""},
		{&auth.InputError{Err: auth.ErrWeakPassword, Fields: []auth.FieldError{{Field: "password", Code: "blocked", Detail: "It is common."}}}, 400, httpauth.CodeWeakPassword, ""},
		{auth.ErrTwoFactorNotEnabled, 400, httpauth.CodeTwoFactorNotEnabled, ""},
		{httpauth.ErrManyCredentials, 400, httpauth.CodeInvalidRequest, ""},
		{httpauth.ErrNoCredential, 401, httpauth.CodeAuthenticationRequired, ""},
		{auth.ErrInvalidToken, 401, httpauth.CodeInvalidToken, ""},
		{auth.ErrInvalidCredentials, 401, httpauth.CodeInvalidCredentials, ""},
		{auth.ErrInvalidCode, 401, httpauth.CodeInvalidCode, ""},
		{auth.ErrReauthenticationRequired, 403, httpauth.CodeReauthenticationRequired, ""},
		{auth.ErrForbidden, 403, httpauth.CodeForbidden, ""},
		{httpauth.ErrInsufficientScope, 403, httpauth.CodeInsufficientScope, ""},
		{auth.ErrRegistrationClosed, 403, httpauth.CodeRegistrationClosed, ""},
		{auth.ErrAPIKeyLimit, 403, httpauth.CodeAPIKeyLimit, ""},
		{auth.ErrAPIKeyNotActive, 409, httpauth.CodeAPIKeyNotActive, ""},
		{auth.ErrNotFound, 404, httpauth.CodeNotFound, ""},
		{auth.ErrCursorGone, 410, httpauth.CodeCursorGone, ""},
		{auth.ErrUnsupported, 501, httpauth.CodeUnsupported, ""},
		{auth.ErrEmailTaken, 409, httpauth.CodeEmailTaken, ""},
		{auth.ErrTwoFactorEnabled, 409, httpauth.CodeTwoFactorAlreadyEnabled, ""},
		{&auth.RetryError{Err: auth.ErrRateLimited, After: time.Nanosecond}, 429, httpauth.CodeRateLimited, "1"},
		{&auth.RetryError{Err: auth.ErrRateLimited, After: time.Second}, 429, httpauth.CodeRateLimited, "1"},
		{&auth.RetryError{Err: auth.ErrRateLimited, After: time.Second + 1}, 429, httpauth.CodeRateLimited, "2"},
		{&auth.RetryError{Err: auth.ErrRateLimited, After: 90 * time.Minute}, 429, httpauth.CodeRateLimited, "5400"},
		{auth.ErrRateLimited, 429, httpauth.CodeRateLimited, "5"},
		{&auth.RetryError{Err: auth.ErrOverloaded, After: 1500 * time.Millisecond}, 503, httpauth.CodeOverloaded, "2"},
		{auth.ErrOverloaded, 503, httpauth.CodeOverloaded, "5"},
		{auth.ErrUnavailable, 503, httpauth.CodeUnavailable, "5"},
		{auth.ErrClosed, 503, httpauth.CodeUnavailable, "5"},
		{context.DeadlineExceeded, 503, httpauth.CodeUnavailable, "5"},
		{context.Canceled, 503, httpauth.CodeUnavailable, "5"},
		{errors.New("app: secret-detail"), 500, httpauth.CodeInternalError, ""},
		// Not decided wins over whatever else an error says.
		{errors.Join(auth.ErrInvalidToken, auth.ErrUnavailable), 503, httpauth.CodeUnavailable, "5"},
	} {
		w := httptest.NewRecorder()
		f.handler.WriteProblem(w, httptest.NewRequest("GET", "/", nil), errors.Join(c.err, errors.New("secret-detail")))
		body, err := parseObject(w.Body.Bytes())
		inBody := ""
		if n, ok := body["retry_after"]; ok {
			inBody = fmt.Sprint(n)
		}
		if err != nil || w.Code != c.status || body["code"] != string(c.code) || body["status"] != float64(c.status) ||
			w.Header().Get("Retry-After") != c.retry || inBody != c.retry {
			t.Errorf("%v: %d %v %s", c.err, w.Code, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), "secret-detail") {
			t.Errorf("%v: its text is in %s", c.err, w.Body)
		}
	}
}

func TestOverloadIsAnsweredWithRetryAfter(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) {
		c.HashSlots, c.HashQueue, c.HashWait = 1, -1, time.Millisecond
		c.PasswordHash = auth.HashParams{Memory: 32 << 10, Time: 4, Threads: 1}
	}})
	const racers = 8
	start, codes := make(chan struct{}), make(chan any, racers)
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			<-start
			codes <- f.call("POST", "/login", members{"email": "nobody@example.com", "password": password}).body["code"]
		})
	}
	close(start)
	wg.Wait()
	close(codes)
	seen := map[any]int{}
	for code := range codes {
		seen[code]++
	}
	if seen["overloaded"] == 0 || seen["overloaded"]+seen["invalid_credentials"]+seen["rate_limited"] != racers {
		t.Errorf("codes are %v", seen)
	}
}

func TestReadDeadlineIsSetForEveryBodyAndTakenBackWhenItIsRead(t *testing.T) {
	f := newFixture(t, setup{})
	for _, c := range []struct {
		path, contentType string
		deadlines         int
	}{
		{"/login", "application/json", 2},
		{"/login", "text/plain", 1}, // left to the server to read, in bounded time
		{"/me", "", 1},
		{"/nothing", "", 1},
	} {
		r := newRecorded("POST", c.path, io.NopCloser(strings.NewReader("{}")))
		r.request.Header.Set("Content-Type", c.contentType)
		before := time.Now()
		f.handler.ServeHTTP(r, r.request)
		if len(r.deadlines) != c.deadlines {
			t.Fatalf("%s: deadlines are %v", c.path, r.deadlines)
		}
		if d := r.deadlines[0].Sub(before); d < httpauth.BodyTime || d > httpauth.BodyTime+time.Minute {
			t.Errorf("%s: deadline is in %v", c.path, d)
		}
		if c.deadlines == 2 && !r.deadlines[1].IsZero() {
			t.Errorf("%s: deadline is left at %v", c.path, r.deadlines[1])
		}
	}
	r := newRecorded("GET", "/openapi.json", http.NoBody)
	r.request.Body = http.NoBody
	f.handler.ServeHTTP(r, r.request)
	if len(r.deadlines) != 0 {
		t.Errorf("a request without body got %v", r.deadlines)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	f := newFixture(t, setup{})
	for err, want := range map[error]struct {
		status int
		code   httpauth.Code
	}{
		io.ErrUnexpectedEOF:       {400, httpauth.CodeInvalidRequest},
		os.ErrDeadlineExceeded:    {408, httpauth.CodeRequestTimeout},
		errors.New("bad chunk ☠"): {400, httpauth.CodeInvalidRequest},
	} {
		r := newRecorded("POST", "/login", io.NopCloser(io.MultiReader(strings.NewReader(`{"email":`), iotest.ErrReader(err))))
		r.request.Header.Set("Content-Type", "application/json")
		f.handler.ServeHTTP(r, r.request)
		body, _ := parseObject(r.Body.Bytes())
		if r.Code != want.status || body["code"] != string(want.code) || strings.Contains(r.Body.String(), "chunk") {
			t.Errorf("%v: %d %s", err, r.Code, r.Body)
		}
	}
}

// HT-15, on a real server and a connection that a fake clock drives: a byte a second
// is cut off in time, whether or not the call reads bodies.
func TestSlowBodyIsCutOff(t *testing.T) {
	for _, path := range []string{"/login", "/refresh", "/nothing"} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New()
			defer s.Close()
			m, err := auth.New(s, auth.Config{
				Secrets:              []auth.Secret{"0123456789abcdefghijklmnopqrstuv"},
				InsecureCheapHashing: true, PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			h, err := httpauth.New(m, httpauth.Config{})
			if err != nil {
				t.Fatal(err)
			}
			client, peer := net.Pipe()
			defer client.Close()
			server := &http.Server{Handler: h}
			listener := &oneListener{conn: peer, done: make(chan struct{})}
			var wg sync.WaitGroup
			defer wg.Wait()
			defer server.Close()
			wg.Go(func() { _ = server.Serve(listener) })

			begin := time.Now()
			wg.Go(func() {
				defer client.Close()
				_, err := io.WriteString(client, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
				for err == nil && time.Since(begin) < time.Minute {
					<-time.After(time.Second)
					_, err = io.WriteString(client, " ")
				}
			})
			res, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("%s: answered %d after %v", path, res.StatusCode, took)
			}
			if path == "/login" && res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			_, _ = io.Copy(io.Discard, client) // until the server hangs up
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("%s: the connection was held for %v", path, took)
			}
		})
	}
}

// A oneListener accepts one connection.
type oneListener struct {
	conn net.Conn
	done chan struct{}
	once sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

// DO-4.
func TestNothingIsLeftRunning(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	f.call("GET", "/me", nil, bearer(token)).want(200)
	f.call("POST", "/login", "{").want(400)
	f.close()
	deadline := time.Now().Add(5 * time.Second)
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left := 0
		for _, stack := range strings.Split(string(stacks), "\n\n") {
			ours := strings.Contains(stack, "datixlab/auth") && !strings.Contains(stack, "internal/servertest") // whose servers are shared
			if ours && !strings.Contains(stack, "testing.tRunner") {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left:\n%s", left, stacks)
		}
		runtime.Gosched()
	}
}

// TF-12, AK-2, LO-2, Advisory 35 (CVE-2026-47768). What was shown once is in no answer after
// it, whatever is called with whatever outcome, and in no log, event or notice ever.
func TestSecretsAreShownOnceAndNeverLogged(t *testing.T) {
	log := &logBuffer{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := newFixture(t, setup{
		auth: func(c *auth.Config) {
			c.Logger, c.Events, c.Notifier = logger, printed{log}, printed{log}
			c.Limits.LoginByAccountAddress = c.Limits.LoginByAddress // a wrong password for each route is nothing here
			c.Limits.CodeByAccount = c.Limits.LoginByAddress         // nor is a wrong code
		},
		http: func(c *httpauth.Config) { c.Logger = logger },
	})
	secrets := []string{password}
	call := func(method, path string, body any, changes ...with) answer {
		t.Helper()
		a := f.call(method, path, body, changes...)
		for _, s := range secrets {
			if strings.Contains(a.raw, s) || strings.Contains(fmt.Sprint(a.header), s) {
				t.Errorf("%s has a secret in it that was shown before", a.what)
			}
		}
		return a
	}
	call("POST", "/register", members{"email": "ada@example.com", "password": password, "full_name": "Ada"}).want(201)
	login := func() answer {
		return call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200)
	}
	token := login().text("access_token")
	a := call("POST", "/api-keys", members{"name": "x"}, bearer(token)).want(201)
	secrets = append(secrets, token, a.text("key"))
	enable := func() (code func() string, backup []any) {
		e := call("POST", "/enable-2fa", members{"password": password}, bearer(token)).want(200)
		secret, backup := e.text("secret"), e.body["backup_codes"].([]any)
		secrets = append(secrets, secret, e.text("qr_code"), e.text("otpauth_url"))
		for _, c := range backup {
			secrets = append(secrets, c.(string))
		}
		return func() string { f.clock.advance(time.Minute); return f.code(secret) }, backup
	}
	everywhere := func() {
		for _, rt := range f.handler.Routes() {
			method, path, _ := strings.Cut(rt, " ")
			if path == "/logout" || path == "/openapi.json" { // which has a password as its example
				continue
			}
			a := call(method, filled(path), members{"password": "wrong password", "code": "00000000", "temp_token": "temp_1"}, bearer(token))
			if path == "/refresh" {
				token = a.want(200).text("access_token")
				secrets = append(secrets, token)
			}
		}
	}
	enable()
	code, backup := enable() // in place of the first
	everywhere()
	call("POST", "/confirm-2fa", members{"code": backup[0]}, bearer(token)).want(401, httpauth.CodeInvalidCode)
	call("POST", "/confirm-2fa", members{"code": code()}, bearer(token)).want(200)
	call("POST", "/enable-2fa", members{"password": password}, bearer(token)).want(409)
	everywhere()
	temp := login().text("temp_token")
	secrets = append(secrets, temp)
	for _, c := range []any{"000000", "00000000", backup[0].(string) + "0", backup[0], backup[0]} {
		a = call("POST", "/verify-2fa", members{"temp_token": temp, "code": c})
		if a.status == 200 {
			secrets = append(secrets, a.text("access_token"))
		}
	}
	call("POST", "/disable-2fa", members{"password": password, "code": "00000000"}, bearer(token)).want(401)
	for _, c := range call("POST", "/backup-codes", members{"password": password, "code": code()}, bearer(token)).want(200).body["backup_codes"].([]any) {
		secrets = append(secrets, c.(string))
	}
	everywhere()
	call("POST", "/disable-2fa", members{"password": password, "code": code()}, bearer(token)).want(200)
	everywhere()
	_ = f.manager.Close()
	for _, s := range secrets {
		if strings.Contains(log.String(), s) {
			t.Errorf("%.4s… was logged or sent", s)
		}
	}
	if !strings.Contains(log.String(), string(auth.EventTwoFactorDisabled)) {
		t.Error("no event was emitted: the test looks at nothing")
	}
}

// printed keeps all that is written to it.
type printed struct{ to io.Writer }

func (p printed) HandleEvent(_ context.Context, e auth.Event) { fmt.Fprintf(p.to, "%+v\n", e) }

func (p printed) Notify(_ context.Context, n auth.Notice) error {
	_, err := fmt.Fprintf(p.to, "%+v\n", n)
	return err
}
