package httpauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// An adminFixture is the administration on a server. Every answer is held against its document.
type adminFixture struct {
	*authtest.Harness
	t        *testing.T
	admin    *httpauth.Admin
	server   *httptest.Server
	document map[string]any
	asked    atomic.Int64
}

// The values of the header by which the tests' operators say who they are.
const (
	operator    = "X-Operator"
	refused     = "refused"
	broken      = "broken"
	panicking   = "panicking"
	namesNobody = "nobody"
)

func (f *adminFixture) who(r *http.Request) (string, error) {
	f.asked.Add(1)
	switch actor := r.Header.Get(operator); actor {
	case "":
		return "", httpauth.ErrNoCredential
	case refused:
		return "", auth.ErrForbidden
	case broken:
		return "jane", errors.New("the directory does not answer")
	case panicking:
		panic("who")
	case namesNobody:
		return " ", nil
	default:
		return actor, nil
	}
}

func newAdminFixture(t *testing.T, s store.Store) *adminFixture {
	t.Helper()
	f := &adminFixture{t: t, Harness: authtest.With(t, s, auth.Config{Mailer: &authtest.Mails{}})}
	var err error
	if f.admin, err = httpauth.NewAdmin(f.Manager, f.who); err != nil {
		t.Fatal(err)
	}
	f.admin.LogTo(slog.New(slog.DiscardHandler))
	f.server = httptest.NewServer(f.admin)
	t.Cleanup(f.server.Close)
	f.document = f.do("GET", "/openapi.json", nil).body
	return f
}

// do sends a request as jane.
func (f *adminFixture) do(method, path string, body any, changes ...with) answer {
	f.t.Helper()
	return f.send(method, path, body, append([]with{header(operator, "jane")}, changes...)...)
}

func (f *adminFixture) send(method, path string, body any, changes ...with) answer {
	f.t.Helper()
	a := exchange(f.t, f.server.Client(), newRequest(f.t, method, f.server.URL+path, body, changes), path, "application/octet-stream")
	f.inspect(method, path, a)
	return a
}

var ids = regexp.MustCompile(`/(user|key|ses|device|invitation)_[^/]+`)

// inspect holds an answer against the document and the headers that every answer has.
func (f *adminFixture) inspect(method, path string, a answer) {
	f.t.Helper()
	inspectPrivate(f.t, f.document, method, path, a)
}

// inspectPrivate holds an answer, which no page of another origin may read, against a document.
func inspectPrivate(t *testing.T, document map[string]any, method, path string, a answer) {
	t.Helper()
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s: headers %v", a.what, a.header)
	}
	path, _, _ = strings.Cut(path, "?")
	path = strings.Replace(ids.ReplaceAllString(path, "/{${1}_id}"), "{ses_id}", "{session_id}", 1)
	operation := dig(document, "paths", path, strings.ToLower(method))
	if operation == nil || a.body == nil || path == "/openapi.json" && a.status == 200 {
		return
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	v := validator{document}
	schema := dig(v.resolve(dig(operation, "responses", fmt.Sprint(a.status))), "content", media, "schema")
	if schema == nil {
		t.Errorf("%s: %d is not documented: %s", a.what, a.status, a.raw)
	} else if err := v.check(schema, any(a.body)); err != nil {
		t.Errorf("%s: %d is not as documented: %v\n%s", a.what, a.status, err, a.raw)
	}
}

// requestOf returns a request to a row that does what the row is for, to a new user.
func (f *adminFixture) requestOf(rt string) (method, path string, body any) {
	f.t.Helper()
	method, path, _ = strings.Cut(rt, " ")
	if strings.Contains(path, "{user_id}") {
		u := f.Register()
		u.APIKey()
		keys, err := f.UserAPIKeys(f.t.Context(), u.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		path = strings.NewReplacer("{user_id}", u.ID, "{key_id}", keys[0].ID).Replace(path)
	}
	switch rt {
	case "POST /users":
		body = members{"email": fmt.Sprintf("new%d@example.com", f.asked.Load()), "full_name": "New", "role": "admin", "organization_name": "New"}
	case "POST /users/import":
		body = members{"email": fmt.Sprintf("imported%d@example.com", f.asked.Load())}
	case "PATCH /users/{user_id}":
		body = members{"full_name": "Ada King"}
	case "POST /users/{user_id}/role":
		body = members{"role": "reader"}
	}
	return method, path, body
}

// AD-1. Every row and every kind of caller.
func TestTheAdministrationLetsInWhomItsFunctionNamesAndNobodyElse(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, memstore.New())
	ann := f.Register()
	key, token := ann.APIKey(), ann.Token()
	site := header("Sec-Fetch-Site", "cross-site")
	rebound := func(r *http.Request) { r.Host = "evil.example:80" }
	for _, rt := range append(f.admin.Routes(), "GET /nowhere", "PUT /users", "OPTIONS /users", "HEAD /users") {
		method, path, body := f.requestOf(rt)
		for _, c := range []struct {
			name   string
			status int
			asked  int64
			with   []with
		}{
			{"nobody", 401, 1, nil},
			{"an API key", 403, 0, []with{header(operator, "jane"), bearer(key)}},
			{"an API key in its header", 403, 0, []with{header(operator, "jane"), header("X-API-Key", key)}},
			{"two credentials", 400, 0, []with{header(operator, "jane"), bearer(token), header("X-API-Key", key)}},
			{"an access token", 401, 1, []with{bearer(token)}},
			{"whom it refuses", 403, 1, []with{header(operator, refused)}},
			{"an error of it", 500, 1, []with{header(operator, broken)}},
			{"a panic of it", 500, 1, []with{header(operator, panicking)}},
			{"no name", 500, 1, []with{header(operator, namesNobody)}},
			{"a page of another origin", 403, 0, []with{header(operator, "jane"), site}},
			{"a page of an old browser", 403, 0, []with{header(operator, "jane"), header("Origin", "https://evil.example")}},
			{"a page that rebinds its name", 403, 0, []with{header(operator, "jane"), rebound}},
			{"such a page with a header of its own", 403, 0, []with{header(operator, "jane"), rebound, bearer("x")}},
		} {
			safe := method == "GET" || method == "HEAD" || method == "OPTIONS"
			if safe && strings.HasPrefix(c.name, "a page of") { // a browser shows it no answer
				continue
			}
			before := f.asked.Load()
			a := f.send(method, path, body, c.with...)
			if a.status != c.status || f.asked.Load()-before != c.asked {
				t.Errorf("%s by %s: %d, asked %d times; want %d, %d", rt, c.name, a.status, f.asked.Load()-before, c.status, c.asked)
			}
			if strings.Contains(a.raw, "directory") {
				t.Errorf("%s by %s: %s", rt, c.name, a.raw)
			}
		}
	}
	if u, err := f.User(t.Context(), ann.ID); err != nil || u.Disabled {
		t.Errorf("after all of it: %+v, %v", u, err)
	}
	f.do("GET", "/users", nil, func(r *http.Request) { r.Host = "localhost:9001" }).want(200)
	f.do("GET", "/nowhere", nil).want(404, httpauth.CodeNotFound)
	f.do("PUT", "/users", nil).want(405, httpauth.CodeMethodNotAllowed)
	f.do("OPTIONS", "/users", nil).want(204)
}

// An API key administers nothing, so nobody is told to send one.
func TestTheAdministrationDoesNotAskForAnAPIKey(t *testing.T) {
	f := newAdminFixture(t, memstore.New())
	a := f.send("GET", "/users", nil).want(401, httpauth.CodeAuthenticationRequired)
	if strings.Contains(a.text("detail"), "API key") || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s", a.raw)
	}
}

// AD-1.
func TestTheAdministrationHasNoDefault(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	if _, err := httpauth.NewAdmin(h.Manager, nil); err == nil {
		t.Error("without a function: no error")
	}
	if _, err := httpauth.NewAdmin(nil, func(*http.Request) (string, error) { return "jane", nil }); err == nil {
		t.Error("without a Manager: no error")
	}
	public, err := httpauth.New(h.Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(public.Routes(), "GET /users") {
		t.Error("the public routes administer")
	}
}

// AD-1.
func TestEveryActOfAnOperatorIsAnEventWithTheirName(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, boltOf(t))
	for _, rt := range f.admin.Routes() {
		method, path, body := f.requestOf(rt)
		if method == "GET" && path != "/backup" {
			continue
		}
		events := f.Harness.Events
		before := len(events.All())
		if a := f.do(method, path, body, header(operator, "admin:jane")); a.status >= 300 {
			t.Errorf("%s: %d %s", rt, a.status, a.raw)
		}
		if !awaitActor(f, before, "jane") {
			t.Errorf("%s: no event by jane", rt)
		}
	}
}

// awaitActor reports whether an event after the first n has the actor.
func awaitActor(f *adminFixture, n int, actor string) bool {
	probe := f.Register() // events are in order: once its own is there, all before it are
	f.AwaitEvent(probe, auth.EventRegistered)
	return slices.ContainsFunc(f.Harness.Events.All()[n:], func(e auth.Event) bool { return e.Actor == actor })
}

func boltOf(t *testing.T) store.Store {
	t.Helper()
	s, err := boltstore.OpenOrCreate(filepath.Join(t.TempDir(), "auth.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAnOperatorSeesAndChangesAnAccount(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, memstore.New())
	made := f.do("POST", "/users", members{"email": "ada@example.com", "full_name": "Ada Lovelace", "role": "admin", "organization_name": "Engines", "password": password, "email_verified": true}).want(201).body
	id, org := made["id"].(string), made["organization_id"].(string)
	f.do("POST", "/users", members{"email": "ada@example.com", "full_name": "Ada", "role": "admin", "organization_name": "Another"}).want(409, httpauth.CodeEmailTaken)
	if list := f.do("GET", "/organizations", nil).want(200).body["organizations"].([]any); len(list) != 1 {
		t.Errorf("a refused account leaves an organization: %v", list)
	}
	f.do("POST", "/users", members{"email": "bob@example.com", "full_name": "Bob", "role": "member", "organization_id": org}).want(201)
	f.do("POST", "/users", members{"email": "x", "full_name": "", "role": "no role"}).want(400, httpauth.CodeInvalidInput)
	f.do("POST", "/users", members{"email": "cat@example.com", "full_name": "Cat", "role": "member"}).want(400, httpauth.CodeInvalidInput)
	f.do("POST", "/users", members{"email": "cat@example.com", "full_name": "Cat", "role": "member", "organization_id": "org_x"}).want(404, httpauth.CodeNotFound)

	if _, err := f.Login(t.Context(), "ada@example.com", password); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		_, _ = f.Login(t.Context(), "ada@example.com", "wrong, and long enough")
	}
	details := f.do("GET", "/users/"+id, nil).want(200).body
	if len(details["sessions"].([]any)) != 1 || len(details["locks"].([]any)) == 0 || details["has_password"] != true || dig(details, "user")["email_verified"] != true {
		t.Errorf("details: %v", details)
	}
	f.do("POST", "/users/"+id+"/unlock", nil).want(200)
	f.do("POST", "/users/"+id+"/revoke-sessions", nil).want(200)
	details = f.do("GET", "/users/"+id, nil).want(200).body
	if len(details["sessions"].([]any)) != 0 || len(details["locks"].([]any)) != 0 {
		t.Errorf("after unlock and revoke: %v", details)
	}

	changed := f.do("PATCH", "/users/"+id, members{"email": "ada.king@example.com", "full_name": "Ada King"}).want(200).body
	if changed["email"] != "ada.king@example.com" || changed["full_name"] != "Ada King" || changed["email_verified"] != false {
		t.Errorf("changed: %v", changed)
	}
	f.do("PATCH", "/users/"+id, members{}).want(400, httpauth.CodeInvalidInput)
	f.do("PATCH", "/users/"+id, members{"email": "bob@example.com"}).want(409, httpauth.CodeEmailTaken)
	if users := f.do("GET", "/users?email=ADA.KING@example.com", nil).want(200).body["users"].([]any); len(users) != 1 {
		t.Errorf("by email: %v", users)
	}
	for role, foreign := range map[string]bool{"operatr": true, "admin": false} { // who has misspelt a role learns of it
		said := f.do("POST", "/users/"+id+"/role", members{"role": role, "force": true}).want(200) // bob is a member
		if strings.Contains(said.text("message"), "none of Config.Roles") != foreign {
			t.Errorf("of the role %s it says %s", role, said.raw)
		}
	}
	f.do("POST", "/users/"+id+"/role", members{"role": "operator", "force": true}).want(200) // bob is a member
	f.do("POST", "/users/"+id+"/send-reset", nil).want(200)
	f.AwaitMail(auth.MailResetPassword, "ada.king@example.com")
	f.do("POST", "/users/"+id+"/disable", nil).want(200)
	f.do("POST", "/users/"+id+"/send-reset", nil).want(403, httpauth.CodeForbidden)
	if u := dig(f.do("GET", "/users/"+id, nil).want(200).body, "user"); u["disabled"] != true || u["role"] != "operator" {
		t.Errorf("disabled: %v", u)
	}
	f.do("POST", "/users/"+id+"/delete", nil).want(200)
	f.do("GET", "/users/"+id, nil).want(404, httpauth.CodeNotFound)
	f.do("POST", "/users/"+id+"/disable", nil).want(404, httpauth.CodeNotFound)
	if all := f.do("POST", "/revoke-all", members{"keep_api_keys": true}).want(200).body; all["users"] != float64(1) {
		t.Errorf("revoked: %v", all)
	}
	for _, c := range f.do("GET", "/doctor", nil).want(200).body["checks"].([]any) {
		if dig(c)["status"] == "fail" {
			t.Errorf("doctor: %v", c)
		}
	}
	f.do("GET", "/stats", nil).want(200)
	f.do("GET", "/backup", nil).want(501, httpauth.CodeUnsupported)
}

func TestAnOperatorMayForceWhatTheLastAdminIsKeptFrom(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, memstore.New())
	for verb, body := range map[string]members{"disable": {}, "delete": {}, "role": {"role": "member"}} {
		ann := f.Register()
		ann.Colleague("member")
		path := "/users/" + ann.ID + "/" + verb
		f.do("POST", path, body).want(409, httpauth.CodeLastAdmin)
		body["force"] = false
		f.do("POST", path, body).want(409, httpauth.CodeLastAdmin)
		if u, err := f.User(t.Context(), ann.ID); err != nil || u.Disabled || u.Role != "admin" {
			t.Errorf("%s was refused, and the user is %+v, %v", verb, u, err)
		}
		body["force"] = true
		before := len(f.Harness.Events.All())
		f.do("POST", path, body).want(200)
		probe := f.Register()
		f.AwaitEvent(probe, auth.EventRegistered)
		if !slices.ContainsFunc(f.Harness.Events.All()[before:], func(e auth.Event) bool {
			return e.Type == auth.EventOrganizationWithoutAdmin && e.Actor == "jane" && e.UserID == ann.ID
		}) {
			t.Errorf("%s by force: no event of it", verb)
		}
	}
}

func TestAnOperatorImportsALineOfAFile(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, memstore.New())
	const hash = "$2b$04$abcdefghijklmnopqrstuu5Lhjmo2IQjDEuG5tfj0gHrUi1Gg/3TW"
	line := members{"email": "ada@example.com", "full_name": "Ada Lovelace", "password_hash": hash, "email_verified": true}
	would := f.do("POST", "/users/import?dry_run=true", line).want(200).body
	if u := dig(would, "user"); u["id"] != "" || u["email"] != "ada@example.com" || would["dropped_hash"] != nil {
		t.Errorf("a dry run: %v", would)
	}
	if users := f.do("GET", "/users", nil).want(200).body["users"].([]any); len(users) != 0 {
		t.Errorf("a dry run made %v", users)
	}
	made := dig(f.do("POST", "/users/import", line).want(200).body, "user")
	if u, err := f.User(t.Context(), made["id"].(string)); err != nil || u.FullName != "Ada Lovelace" || !u.EmailVerified {
		t.Errorf("%+v, %v", u, err)
	}
	f.do("POST", "/users/import", line).want(409, httpauth.CodeEmailTaken)
	f.do("POST", "/users/import?dry_run=true", line).want(409, httpauth.CodeEmailTaken)
	for name, wrong := range map[string]members{
		"a member it does not know": {"email": "bob@example.com", "totp": "x"},
		"a broken hash":             {"email": "bob@example.com", "password_hash": hash[:20]},
		"no email":                  {"full_name": "Bob"},
	} {
		if a := f.do("POST", "/users/import", wrong); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	f.do("POST", "/users/import?dry_run=1", line).want(400, httpauth.CodeInvalidInput)
	fresh := members{"email": "mistyped@example.com"} // a mistyped dry run imports nothing
	for _, query := range []string{"dry-run=true", "dry_run", "dry_run=", "dry_run=True"} {
		f.do("POST", "/users/import?"+query, fresh).want(400, httpauth.CodeInvalidInput)
	}
	f.do("POST", "/users/import?dry_run=true", fresh).want(200)
	if a := f.do("POST", "/users/import", members{"email": "cat@example.com", "password_hash": "$9$x"}).want(200); a.body["dropped_hash"] != "unknown_scheme" {
		t.Errorf("a hash of an unknown scheme: %v", a.body)
	}
}

func TestTheAdministrationListsByPages(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, memstore.New())
	ann := f.Register()
	ann.Colleague("member")
	want := map[string]bool{ann.ID: true}
	for range 5 {
		want[f.Register().ID] = true
	}
	next := ""
	for pages := 0; ; pages++ {
		body := f.do("GET", "/users?limit=2&after="+next, nil).want(200).body
		for _, u := range body["users"].([]any) {
			delete(want, dig(u)["id"].(string))
		}
		if next, _ = body["next"].(string); next == "" {
			break
		}
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
	members := f.do("GET", "/users?limit=1&organization_id="+ann.OrganizationID, nil).want(200).body
	f.do("GET", "/users?after="+members["next"].(string), nil).want(400, httpauth.CodeInvalidInput)
	f.do("GET", "/users?after=x", nil).want(400, httpauth.CodeInvalidInput)
	f.do("GET", "/users?limit=201", nil).want(400, httpauth.CodeInvalidInput)
	f.do("GET", "/users?organization_id=org_x", nil).want(404, httpauth.CodeNotFound)
	page := f.do("GET", "/organizations?limit=1", nil).want(200).body
	restarted := newAdminFixture(t, f.Store)
	restarted.do("GET", "/organizations?after="+page["next"].(string), nil).want(410, httpauth.CodeCursorGone)
}

func TestABackupThroughTheAdministrationCanBeOpened(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, boltOf(t))
	ann := f.Register()
	a := f.do("GET", "/backup", nil)
	if a.status != 200 || a.header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, []byte(a.raw), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := boltstore.Open(path, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := authtest.With(t, s, auth.Config{})
	if u, err := h.User(t.Context(), ann.ID); err != nil || u.Email != ann.Email {
		t.Errorf("%+v, %v", u, err)
	}
	if a := f.do("HEAD", "/backup", nil); a.status != 200 || a.raw != "" {
		t.Errorf("HEAD: %d %q", a.status, a.raw)
	}
}

// A torn store fails after it has written half of its copy.
type torn struct{ *memstore.Store }

func (torn) Backup(_ context.Context, w io.Writer) error {
	_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	return errors.New("the disk is gone")
}

func TestABackupThatFailsIsNotWhole(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, torn{memstore.New()})
	r, err := http.NewRequest("GET", f.server.URL+"/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(operator, "jane")
	res, err := f.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the client does not see that the copy is not whole")
	}
}

func TestTheDocumentOfTheAdministrationIsOfItsRoutes(t *testing.T) {
	t.Parallel()
	f := newAdminFixture(t, memstore.New())
	var documented []string
	v := validator{f.document}
	for path, item := range dig(f.document, "paths") {
		for method, operation := range dig(item) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
			for status, response := range dig(operation, "responses") {
				for media, content := range dig(v.resolve(dig(response)), "content") {
					if example, ok := dig(content)["example"]; ok && media != "application/problem+json" {
						if err := v.check(dig(content, "schema"), example); err != nil {
							t.Errorf("%s %s %s: %v", method, path, status, err)
						}
					}
				}
			}
		}
	}
	want := []string{
		"GET /users", "POST /users", "POST /users/import", "GET /users/{user_id}", "PATCH /users/{user_id}", "POST /users/{user_id}/disable", "POST /users/{user_id}/enable",
		"POST /users/{user_id}/unlock", "POST /users/{user_id}/reset-2fa", "POST /users/{user_id}/revoke-sessions", "POST /users/{user_id}/send-reset",
		"POST /users/{user_id}/role", "POST /users/{user_id}/delete", "DELETE /users/{user_id}/api-keys/{key_id}", "GET /organizations", "POST /revoke-all",
		"GET /backup", "GET /doctor", "GET /stats", "GET /openapi.json",
	}
	routes := f.admin.Routes()
	for _, list := range [][]string{documented, want, routes} {
		slices.Sort(list)
	}
	if !slices.Equal(documented, routes) || !slices.Equal(routes, want) {
		t.Errorf("documented are %v, served are %v, the contract has %v", documented, routes, want)
	}
}
