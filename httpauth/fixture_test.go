package httpauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/emptystore"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

func init() { logging.Disable() } // the client's own remarks on servers that are down

const (
	mount    = "/v1/auth"
	password = "SecurePass123!"
)

var january = time.Date(2026, 1, 15, 10, 30, 0, 123456789, time.UTC)

// A clock stands still until it is advanced.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// A fixture is the handler on a real server over a real Manager. Every answer that
// comes through it is held against the OpenAPI document and the common headers.
type fixture struct {
	t        *testing.T
	clock    *clock
	store    *faultyStore
	manager  *auth.Manager
	handler  *httpauth.Handler
	server   *httptest.Server
	log      *logBuffer
	outbox   *authtest.Mails
	document map[string]any
}

type setup struct {
	auth  func(*auth.Config)
	http  func(*httpauth.Config)
	store func(t *testing.T, now func() time.Time) store.Store // default: memory
	begin time.Time                                            // default: january
}

func newFixture(t *testing.T, s setup) *fixture {
	t.Helper()
	if s.begin.IsZero() {
		s.begin = january
	}
	f := &fixture{t: t, clock: &clock{t: s.begin}, log: &logBuffer{}, outbox: &authtest.Mails{}}
	if s.store == nil {
		s.store = onMemory
	}
	f.store = &faultyStore{Store: s.store(t, f.clock.Now)}
	logger := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	cfg := auth.Config{
		Secrets:              []auth.Secret{"0123456789abcdefghijklmnopqrstuv"},
		InsecureCheapHashing: true,
		PasswordHash:         auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		Limits:               auth.Limits{LoginByAddress: wide, RegisterByAddress: wide, MailByAddress: wide},
		Logger:               logger,
		Mailer:               f.outbox,
		TrustedDevices:       auth.DeviceTrust{TTL: 30 * 24 * time.Hour},
		Now:                  f.clock.Now,
	}
	if s.auth != nil {
		s.auth(&cfg)
	}
	web := httpauth.Config{Logger: logger}
	if s.http != nil {
		s.http(&web)
	}
	var err error
	if f.manager, err = auth.New(f.store, cfg); err != nil {
		t.Fatal(err)
	}
	if f.handler, err = httpauth.New(f.manager, web); err != nil {
		t.Fatal(err)
	}
	f.serve()
	t.Cleanup(f.close)
	return f
}

// serve starts the server of f's handler, and reads its document if it has one.
func (f *fixture) serve() {
	f.t.Helper()
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, f.handler))
	f.server = httptest.NewServer(mux)
	rec := httptest.NewRecorder()
	f.handler.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	if document, err := parseObject(rec.Body.Bytes()); err != nil {
		f.t.Fatal(err)
	} else if rec.Code == http.StatusOK {
		f.document = document
	}
}

// without is f with a handler that leaves these groups out. Where the document is one of
// them, answers are held against what that of f says of the routes that are left.
func (f *fixture) without(tags ...httpauth.Tag) *fixture {
	f.t.Helper()
	reduced := *f
	var err error
	if reduced.handler, err = httpauth.New(f.manager, httpauth.Config{Without: tags, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		f.t.Fatal(err)
	}
	paths := members{}
	for _, rt := range reduced.handler.Routes() {
		_, path, _ := strings.Cut(rt, " ")
		paths[path] = dig(f.document, "paths", path)
	}
	reduced.document = maps.Clone(f.document)
	reduced.document["paths"] = paths
	reduced.serve()
	f.t.Cleanup(reduced.server.Close)
	return &reduced
}

// mail returns the token of the oldest mail of a purpose to an address that was not asked for
// before.
func (f *fixture) mail(purpose auth.MailPurpose, to string) string {
	f.t.Helper()
	mail, ok := f.outbox.Await(purpose, to)
	if !ok {
		f.t.Fatalf("no mail %s came to %s", purpose, to)
	}
	return string(mail.Token)
}

func (f *fixture) close() {
	f.server.Close()
	f.store.heal()
	_ = f.manager.Close()
	_ = f.store.Store.Close()
}

// onEachStore runs test on memory and on bbolt: what an answer says is decided above the store
// contract. If EVERYWHERE of the environment is set, it is onEveryStore.
func onEachStore(t *testing.T, test func(t *testing.T, f *fixture)) {
	onEachStoreWith(t, nil, test)
}

// patience is how long a store may take in tests of something else: the machine may
// be busy.
const patience = 30 * time.Second

// onEachStoreWith is onEachStore with a Config that is changed.
func onEachStoreWith(t *testing.T, edit func(*auth.Config), test func(t *testing.T, f *fixture)) {
	t.Parallel()
	everywhere := os.Getenv("EVERYWHERE") != ""
	onSetups(t, everywhere, everywhere, inTurn(edit, test))
}

// onEveryStore runs test on every store: what a store does in a failure decides as well.
func onEveryStore(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Parallel()
	onSetups(t, true, true, inTurn(nil, test))
}

// inTurn gives the stores their turns at the same time, and together with other tests: bbolt waits
// for its disk and a server for its clients while memory computes. Nothing may follow in a test.
func inTurn(edit func(*auth.Config), test func(t *testing.T, f *fixture)) func(t *testing.T, s setup) {
	return func(t *testing.T, s setup) {
		t.Parallel()
		if !s.begin.IsZero() {
			s.begin = time.Now() // it may have waited for others
		}
		s.auth = func(c *auth.Config) {
			c.StoreTimeout = patience
			if edit != nil {
				edit(c)
			}
		}
		test(t, newFixture(t, s))
	}
}

// onSetups is for a test that makes its own fixture. With -short it is memory alone. Servers drop
// what has expired by their own clock, so there the test's clock begins at their time.
func onSetups(t *testing.T, onRedisToo, onPostgresToo bool, test func(t *testing.T, s setup)) {
	if !servertest.SaidOnMemory(t) {
		t.Run("memory", func(t *testing.T) { test(t, setup{store: onMemory}) })
	}
	if testing.Short() {
		return
	}
	t.Run("bolt", func(t *testing.T) { test(t, setup{store: onBolt}) })
	if onRedisToo && redistest.Available(t) {
		t.Run("redis", func(t *testing.T) { test(t, setup{store: onRedis, begin: time.Now()}) })
	}
	if onPostgresToo && pgtest.Available(t) {
		t.Run("postgres", func(t *testing.T) { test(t, setup{store: onPostgres, begin: time.Now()}) })
	}
}

func onMemory(_ *testing.T, now func() time.Time) store.Store {
	s := memstore.New()
	s.Now = now
	return s
}

func onBolt(t *testing.T, now func() time.Time) store.Store {
	s, err := boltstore.OpenOrCreate(filepath.Join(t.TempDir(), "auth.db"), boltstore.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(func() int { return redistest.Main(m) }))
}

func onRedis(t *testing.T, _ func() time.Time) store.Store {
	return openRedis(t, redis.UniversalOptions{
		Addrs: []string{redistest.SharedServer(t).Addr()}, DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, PoolTimeout: patience,
	})
}

func onPostgres(t *testing.T, _ func() time.Time) store.Store { return emptystore.Postgres(t) }

var prefixes atomic.Int64 // that openRedis has used

// openRedis opens a store that shares its Redis, but no record, with others.
func openRedis(t *testing.T, u redis.UniversalOptions) store.Store {
	t.Helper()
	s, err := redisstore.OpenOrCreate(t.Context(), u, redisstore.Options{Prefix: fmt.Sprintf("test%d:", prefixes.Add(1)), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// in returns the instant in d, as it is written in answers.
func (f *fixture) in(d time.Duration) string {
	return f.clock.Now().Add(d).UTC().Format(time.RFC3339)
}

// An answer is what came back for one request.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// with is a change to a request before it is sent.
type with func(*http.Request)

func bearer(token string) with { return header("Authorization", "Bearer "+token) }

func header(name, value string) with { return func(r *http.Request) { r.Header.Add(name, value) } }

// call sends a request to the handler. A body that is a string is sent as it is,
// any other as JSON.
func (f *fixture) call(method, path string, body any, changes ...with) answer {
	f.t.Helper()
	return f.send(newRequest(f.t, method, f.server.URL+mount+path, body, changes))
}

func newRequest(t *testing.T, method, url string, body any, changes []with) *http.Request {
	t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		reader = strings.NewReader(jsonOf(t, b))
	}
	r, err := http.NewRequest(method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (f *fixture) send(r *http.Request) answer {
	f.t.Helper()
	path := strings.TrimPrefix(r.URL.Path, mount)
	a := exchange(f.t, f.server.Client(), r, path, "")
	f.inspect(r.Method, path, a)
	return a
}

// exchange sends a request whose path is named path in failures. A body of the answer is a JSON
// object, except one of the media type binary.
func exchange(t *testing.T, c *http.Client, r *http.Request, path, binary string) answer {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{t, r.Method + " " + path, res.StatusCode, res.Header, string(raw), nil}
	if len(raw) > 0 && (binary == "" || res.Header.Get("Content-Type") != binary) {
		if a.body, err = parseObject(raw); err != nil {
			t.Fatalf("%s: %d is not an object: %q", a.what, a.status, raw)
		}
	}
	return a
}

// inspect holds an answer against what is promised of all.
func (f *fixture) inspect(method, path string, a answer) {
	f.t.Helper()
	caching, media, readers := "no-store", "application/json; charset=utf-8", ""
	public := (path == "/.well-known/jwks.json" || path == "/openapi.json") && a.status < 400
	if public {
		readers = "*"
	}
	if public && method != "OPTIONS" {
		caching = "public, max-age=300"
		if path == "/.well-known/jwks.json" {
			media = "application/jwk-set+json"
		}
		if tag := a.header.Get("ETag"); !strings.HasPrefix(tag, `"`) {
			f.t.Errorf("%s: %d has ETag %q", a.what, a.status, tag)
		}
	} else if a.header["Etag"] != nil {
		f.t.Errorf("%s: %d has an ETag", a.what, a.status)
	}
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		media = ""
	}
	for name, want := range map[string]string{
		"Cache-Control":                    caching,
		"X-Content-Type-Options":           "nosniff",
		"Referrer-Policy":                  "no-referrer",
		"Content-Security-Policy":          "default-src 'none'; frame-ancestors 'none'",
		"Access-Control-Allow-Origin":      readers,
		"Access-Control-Allow-Credentials": "",
		"Set-Cookie":                       "",
	} {
		if got := a.header.Get(name); got != want {
			f.t.Errorf("%s: %d has %s %q, want %q", a.what, a.status, name, got, want)
		}
	}
	if a.status >= 400 {
		media = "application/problem+json; charset=utf-8"
		if method != "HEAD" && a.body["status"] != float64(a.status) {
			f.t.Errorf("%s: %d has a problem with status %v", a.what, a.status, a.body["status"])
		}
	}
	if got := a.header.Get("Content-Type"); got != media {
		f.t.Errorf("%s: %d has Content-Type %q, want %q", a.what, a.status, got, media)
	}
	f.inspectChallenge(a)
	if a.status == http.StatusMethodNotAllowed || a.status == http.StatusNoContent && method == "OPTIONS" {
		return
	}
	if id, isKey := strings.CutPrefix(path, "/api-keys/"); isKey {
		_, call, _ := strings.Cut(id, "/")
		path = strings.TrimSuffix("/api-keys/{key_id}/"+call, "/")
	}
	if strings.HasPrefix(path, "/sessions/") {
		path = "/sessions/{session_id}"
	}
	if strings.HasPrefix(path, "/trusted-devices/") {
		path = "/trusted-devices/{device_id}"
	}
	if strings.HasPrefix(path, "/organization/invitations/") {
		path = "/organization/invitations/{invitation_id}"
	}
	if id, isMember := strings.CutPrefix(path, "/organization/members/"); isMember {
		_, call, _ := strings.Cut(id, "/")
		path = strings.TrimSuffix("/organization/members/{user_id}/"+call, "/")
	}
	operation := dig(f.document, "paths", path, strings.ToLower(strings.Replace(method, "HEAD", "GET", 1)))
	if operation == nil {
		if a.status != http.StatusNotFound {
			f.t.Errorf("%s: answered %d and is not documented", a.what, a.status)
		}
		return
	}
	bare, _, _ := strings.Cut(media, ";")
	response := (validator{f.document}).resolve(dig(operation, "responses", fmt.Sprint(a.status)))
	for name, header := range dig(response, "headers") {
		if a.header.Get(name) == "" && dig(header)["required"] == true {
			f.t.Errorf("%s: %d has no %s", a.what, a.status, name)
		}
	}
	if response != nil && dig(response, "content") == nil && a.raw == "" {
		return
	}
	schema := dig(response, "content", bare, "schema")
	if schema == nil {
		f.t.Errorf("%s: %d is not documented: %s", a.what, a.status, a.raw)
		return
	}
	if path == "/openapi.json" && a.status == http.StatusOK || method == "HEAD" {
		return // its schema only says "object"; there is no body
	}
	if err := (validator{f.document}).check(schema, any(a.body)); err != nil {
		f.t.Errorf("%s: %d is not as documented: %v\n%s", a.what, a.status, err, a.raw)
	}
}

func (f *fixture) inspectChallenge(a answer) {
	f.t.Helper()
	challenge := a.header.Get("WWW-Authenticate")
	challenged := a.status == http.StatusUnauthorized || a.body["code"] == string(httpauth.CodeInsufficientScope)
	if challenged != strings.HasPrefix(challenge, `Bearer realm="auth"`) {
		f.t.Errorf("%s: %d has WWW-Authenticate %q", a.what, a.status, challenge)
	}
	if (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNoContent) != (a.header.Get("Allow") != "") {
		f.t.Errorf("%s: %d has Allow %q", a.what, a.status, a.header.Get("Allow"))
	}
	waits := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
	if after := a.header.Get("Retry-After"); waits != (after != "") || waits && (strings.Trim(after, "0123456789") != "" || after == "0") {
		f.t.Errorf("%s: %d has Retry-After %q", a.what, a.status, after)
	}
}

// want fails the test unless the answer has this status and, if given, this code.
func (a answer) want(status int, code ...httpauth.Code) answer {
	a.t.Helper()
	if a.status != status || len(code) > 0 && a.body["code"] != string(code[0]) {
		a.t.Fatalf("%s: got %d %s, want %d %v", a.what, a.status, a.raw, status, code)
	}
	return a
}

// wantFields fails the test unless errors names exactly these, as "field:code".
func (a answer) wantFields(fields ...string) answer {
	a.t.Helper()
	var got []string
	list, _ := a.body["errors"].([]any)
	for _, e := range list {
		got = append(got, fmt.Sprint(dig(e)["field"], ":", dig(e)["code"]))
	}
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(got, fields) {
		a.t.Fatalf("%s: errors are %v, want %v: %s", a.what, got, fields, a.raw)
	}
	return a
}

// wantMembers fails the test unless the answer has exactly these members.
func (a answer) wantMembers(names ...string) answer {
	a.t.Helper()
	wantMembers(a.t, a.what, a.body, names...)
	return a
}

func wantMembers(t *testing.T, what string, object map[string]any, names ...string) {
	t.Helper()
	got := slices.Sorted(maps.Keys(object))
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Fatalf("%s: members are %v, want %v", what, got, names)
	}
}

func (a answer) text(name string) string {
	a.t.Helper()
	s, ok := a.body[name].(string)
	if !ok {
		a.t.Fatalf("%s: no text %q in %s", a.what, name, a.raw)
	}
	return s
}

type members = map[string]any

// register makes an account and returns its id.
func (f *fixture) register(email string) (userID string) {
	f.t.Helper()
	return f.call("POST", "/register", members{"email": email, "password": password, "full_name": "Ada Lovelace", "organization_name": "Engines"}).want(201).text("id")
}

// login returns an access token of an account without a second factor.
func (f *fixture) login(email string) (token string) {
	f.t.Helper()
	return f.call("POST", "/login", members{"email": email, "password": password}).want(200).text("access_token")
}

// account registers and logs in.
func (f *fixture) account(email string) (token string) {
	f.t.Helper()
	f.register(email)
	return f.login(email)
}

// code is the TOTP code of this moment.
func (f *fixture) code(secret string) string {
	f.t.Helper()
	code, err := totp.GenerateCode(secret, f.clock.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return code
}

// enrol turns the second factor on, and moves the clock on so that the next code is
// another one.
func (f *fixture) enrol(token string) (secret string, backup []string) {
	f.t.Helper()
	e := f.call("POST", "/enable-2fa", nil, bearer(token)).want(200)
	secret = e.text("secret")
	for _, code := range e.body["backup_codes"].([]any) {
		backup = append(backup, code.(string))
	}
	f.call("POST", "/confirm-2fa", members{"code": f.code(secret)}, bearer(token)).want(200)
	f.clock.advance(time.Minute)
	return secret, backup
}

// apiKey makes a key, without scopes if none are named, and returns it with its id.
func (f *fixture) apiKey(token string, scopes ...string) (id, key string) {
	f.t.Helper()
	body := members{"name": "Production"}
	if len(scopes) > 0 {
		body["scopes"] = scopes
	}
	a := f.call("POST", "/api-keys", body, bearer(token)).want(201)
	return a.text("id"), a.text("key")
}

// filled is the path of a route with identifiers that nothing has for its variables.
func filled(path string) string {
	return strings.NewReplacer("{key_id}", "key_1", "{session_id}", "ses_1", "{device_id}", "device_1", "{user_id}", "user_1", "{invitation_id}", "invitation_1").Replace(path)
}

// A logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func loopback(c *httpauth.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}
