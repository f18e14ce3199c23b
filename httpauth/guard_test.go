package httpauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// guarded calls a route of the program behind h.Require(rules...), which returns the caller.
func guarded(f *fixture, rules []httpauth.Rule, changes ...with) answer {
	f.t.Helper()
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := auth.IdentityFrom(r.Context())
		fmt.Fprintf(w, `{"ok":%v,"email":%q,"address":%q}`, ok, id.User.Email, auth.ClientFrom(r.Context()).Addr)
	})
	r := httptest.NewRequest("GET", "/agents", nil)
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	f.handler.Require(rules...)(next).ServeHTTP(w, r)
	body, err := parseObject(w.Body.Bytes())
	if err != nil {
		f.t.Fatalf("%q: %v", w.Body, err)
	}
	a := answer{f.t, "GET /agents", w.Code, w.Header(), w.Body.String(), body}
	if a.status != 200 {
		if got := a.header.Get("Content-Type"); got != "application/problem+json; charset=utf-8" || a.header.Get("Cache-Control") != "no-store" {
			f.t.Errorf("refused with headers %v", a.header)
		}
		f.inspectChallenge(a)
	}
	return a
}

type logKey struct{}

// logged is an access log outside of a handler: it returns who made a request.
func logged(h http.Handler, r *http.Request) (status int, users []string) {
	ctx := context.WithValue(r.Context(), logKey{}, &users)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	return w.Code, users
}

func logIdentity(r *http.Request, id auth.Identity) {
	if users, ok := r.Context().Value(logKey{}).(*[]string); ok {
		who := id.User.ID
		if id.IsAPIKey() {
			who += " by key"
		}
		if id.EnrollmentOnly {
			who += " to enrol"
		}
		*users = append(*users, who)
	}
}

// A copy of the request, as every middleware in between makes one, hides nothing.
func TestAnAccessLogOutsideSeesWhoCalls(t *testing.T) {
	f := newFixture(t, setup{http: func(c *httpauth.Config) { c.OnIdentity = logIdentity }, auth: func(c *auth.Config) {
		c.TwoFactorPolicy.Of = func(u auth.User) bool { return u.Role == "bound" }
	}})
	token, bound := f.account("ada@example.com"), f.account("bob@example.com")
	_, key := f.apiKey(token)
	ada, err := f.manager.UserByEmail(t.Context(), "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	bob, err := f.manager.UserByEmail(t.Context(), "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.manager.SetRole(t.Context(), bob.ID, "bound"); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", f.handler))
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	mux.Handle("GET /agents", f.handler.Require()(ok))
	mux.Handle("GET /operators", f.handler.Require(httpauth.Role("operator"))(ok))
	mux.HandleFunc("GET /checked", func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.handler.Check(r); err != nil {
			f.handler.WriteProblem(w, r, err)
		}
	})
	between := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type other struct{}
		mux.ServeHTTP(w, r.Clone(context.WithValue(r.Context(), other{}, 1)))
	})
	for _, c := range []struct {
		method, path, credential string
		status                   int
		want                     string
	}{
		{"GET", "/agents", token, 200, ada.ID}, {"GET", "/agents", key, 200, ada.ID + " by key"}, {"GET", "/checked", token, 200, ada.ID},
		{"GET", "/operators", token, 403, ada.ID}, {"GET", "/v1/auth/me", token, 200, ada.ID}, {"GET", "/v1/auth/me", key, 200, ada.ID + " by key"},
		{"GET", "/v1/auth/api-keys", key, 403, ada.ID + " by key"}, {"GET", "/v1/auth/me", bound, 200, bob.ID + " to enrol"}, {"GET", "/agents", bound, 403, ""},
		{"GET", "/agents", "", 401, ""}, {"GET", "/agents", "forged", 401, ""}, {"GET", "/v1/auth/me", "forged", 401, ""},
		{"GET", "/v1/auth/openapi.json", token, 200, ""}, {"GET", "/v1/auth/nothing", token, 404, ""}, {"POST", "/v1/auth/refresh", token, 200, ""},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.credential != "" {
			r.Header.Set("Authorization", "Bearer "+c.credential)
		}
		if status, users := logged(between, r); status != c.status || strings.Join(users, "|") != c.want {
			t.Errorf("%s %s: %d of %q, want %d of %q", c.method, c.path, status, users, c.status, c.want)
		}
	}
}

// As with a rule, a panic lets nobody in.
func TestAPanicOfOnIdentityIsAnAnswer(t *testing.T) {
	f := newFixture(t, setup{http: func(c *httpauth.Config) { c.OnIdentity = func(*http.Request, auth.Identity) { panic("log") } }})
	token := f.account("ada@example.com")
	guarded(f, nil, bearer(token)).want(500, httpauth.CodeInternalError)
	f.call("GET", "/me", nil, bearer(token)).want(500, httpauth.CodeInternalError)
}

func rules(rs ...httpauth.Rule) []httpauth.Rule { return rs }

func TestGuardLetsEitherCredentialPass(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		_, key := f.apiKey(token)
		for _, credential := range []with{bearer(token), bearer(key), header("X-API-Key", key)} {
			a := guarded(f, nil, credential).want(200)
			if a.body["ok"] != true || a.text("email") != "ada@example.com" || a.text("address") != "192.0.2.1" {
				t.Errorf("got %s", a.raw)
			}
		}
		guarded(f, nil).want(401, httpauth.CodeAuthenticationRequired)
		guarded(f, nil, bearer("nonsense")).want(401, httpauth.CodeInvalidToken)
		guarded(f, nil, bearer(token), header("X-API-Key", key)).want(400, httpauth.CodeInvalidRequest)
		f.call("POST", "/logout", nil, bearer(token)).want(200)
		guarded(f, nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
		guarded(f, nil, bearer(key)).want(200)
	})
}

func TestGuardTellsKindsOfCredentialApart(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	guarded(f, rules(httpauth.SessionOnly), bearer(token)).want(200)
	guarded(f, rules(httpauth.SessionOnly), bearer(key)).want(403, httpauth.CodeForbidden)
	guarded(f, rules(httpauth.APIKeyOnly), bearer(key)).want(200)
	guarded(f, rules(httpauth.APIKeyOnly), bearer(token)).want(403, httpauth.CodeForbidden)
}

func TestGuardAsksForARoleAsOfNow(t *testing.T) {
	f := newFixture(t, setup{})
	user := f.register("ada@example.com")
	token := f.login("ada@example.com")
	admins := rules(httpauth.Role("owner", "admin"))
	guarded(f, admins, bearer(token)).want(200)
	if err := f.manager.SetRole(t.Context(), user, "viewer"); err != nil {
		t.Fatal(err)
	}
	guarded(f, admins, bearer(token)).want(403, httpauth.CodeForbidden)
	guarded(f, rules(httpauth.Role()), bearer(token)).want(403, httpauth.CodeForbidden)
}

// AK-11: two rules are two scopes, and the challenge says which one is missing.
func TestGuardAsksKeysForAScope(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		_, key := f.apiKey(token)
		_, reader := f.apiKey(token, "reports:read")
		_, both := f.apiKey(token, "reports:read", "reports:write")
		read, write := httpauth.Scope("reports:read"), httpauth.Scope("reports:write")
		for _, credential := range []with{bearer(token), bearer(key), bearer(both), header("X-API-Key", both)} {
			guarded(f, rules(read, write), credential).want(200)
		}
		guarded(f, rules(read), bearer(reader)).want(200)
		guarded(f, nil, bearer(reader)).want(200)
		for _, rs := range [][]httpauth.Rule{rules(write), rules(read, write), rules(write, read)} {
			a := guarded(f, rs, bearer(reader)).want(403, httpauth.CodeInsufficientScope)
			if got, want := a.header.Get("WWW-Authenticate"), `Bearer realm="auth", error="insufficient_scope", scope="reports:write"`; got != want {
				t.Errorf("challenge is %q, want %q", got, want)
			}
		}
		wrapped := func(a httpauth.Access) error { return fmt.Errorf("app: %w", write(a)) }
		if got := guarded(f, rules(wrapped), bearer(reader)).want(403).header.Get("WWW-Authenticate"); !strings.HasSuffix(got, `scope="reports:write"`) {
			t.Errorf("the challenge of a wrapped refusal is %q", got)
		}
		for _, none := range []string{"", "a b", `a"`, `a\`, "a\r\nX: y", "é", strings.Repeat("a", 65)} {
			for _, credential := range []string{token, key, reader} {
				a := guarded(f, rules(httpauth.Scope(none)), bearer(credential)).want(500, httpauth.CodeInternalError)
				if got := a.header.Get("WWW-Authenticate"); got != "" {
					t.Errorf("%q: challenge is %q", none, got)
				}
			}
		}
	})
}

func TestGuardAsksForAFreshLogin(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	fresh := rules(httpauth.FreshLogin(5 * time.Minute))
	guarded(f, fresh, bearer(key)).want(403, httpauth.CodeForbidden)
	f.clock.advance(5 * time.Minute)
	guarded(f, fresh, bearer(token)).want(200)
	f.clock.advance(time.Second)
	token = f.call("POST", "/refresh", nil, bearer(token)).want(200).text("access_token") // is no new proof
	a := guarded(f, fresh, bearer(token)).want(401, httpauth.CodeReauthenticationRequired)
	if got, want := a.header.Get("WWW-Authenticate"), `Bearer realm="auth", error="insufficient_user_authentication", max_age="300"`; got != want {
		t.Errorf("challenge is %q, want %q", got, want)
	}
	guarded(f, fresh, bearer(f.login("ada@example.com"))).want(200)
}

func TestGuardAsksForASecondFactor(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	both := rules(httpauth.MultiFactor)
	guarded(f, both, bearer(key)).want(403, httpauth.CodeForbidden)
	a := guarded(f, both, bearer(token)).want(401, httpauth.CodeReauthenticationRequired)
	if got, want := a.header.Get("WWW-Authenticate"), `Bearer realm="auth", error="insufficient_user_authentication"`; got != want {
		t.Errorf("challenge is %q, want %q", got, want)
	}
	secret, _ := f.enrol(token)
	step := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200)
	token = f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": f.code(secret)}).want(200).text("access_token")
	guarded(f, both, bearer(token)).want(200)
}

func TestGuardAppliesEveryRuleAndThoseOfTheProgram(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	var seen []string
	own := func(name string, err error) httpauth.Rule {
		return func(a httpauth.Access) error {
			if a.Identity.User.Email != "ada@example.com" || !a.Now.Equal(f.clock.Now()) || a.Request == nil {
				t.Errorf("rule %s got %v", name, a)
			}
			seen = append(seen, name)
			return err
		}
	}
	guarded(f, rules(own("a", nil), own("b", fmt.Errorf("app: no: %w", auth.ErrForbidden)), own("c", nil)), bearer(token)).want(403, httpauth.CodeForbidden)
	if fmt.Sprint(seen) != "[a b]" {
		t.Errorf("rules ran: %v", seen)
	}
	a := guarded(f, rules(own("d", errors.New("app: a secret detail"))), bearer(token)).want(500, httpauth.CodeInternalError)
	if a.text("detail") != "Something went wrong." {
		t.Errorf("got %s", a.raw)
	}
	guarded(f, rules(func(httpauth.Access) error { panic("app: broken rule") }), bearer(token)).want(500, httpauth.CodeInternalError)
	guarded(f, rules(nil), bearer(token)).want(500, httpauth.CodeInternalError) // no rule at all is not a rule that is met
}

func TestCheckAnswersNothingAndTellsErrorsApart(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, limited := f.apiKey(token, "read")
	check := func(rule httpauth.Rule, changes ...with) (auth.Identity, error) {
		r := httptest.NewRequest("GET", "/", nil)
		for _, change := range changes {
			change(r)
		}
		return f.handler.Check(r, rule)
	}
	id, err := check(httpauth.SessionOnly, bearer(token))
	if err != nil || id.User.Email != "ada@example.com" || id.SessionID == "" {
		t.Errorf("got %+v, %v", id, err)
	}
	f.clock.advance(time.Minute)
	for want, got := range map[error]func() (auth.Identity, error){
		httpauth.ErrNoCredential: func() (auth.Identity, error) { return check(httpauth.SessionOnly) },
		httpauth.ErrManyCredentials: func() (auth.Identity, error) {
			return check(httpauth.SessionOnly, bearer(token), bearer(token))
		},
		auth.ErrInvalidToken:             func() (auth.Identity, error) { return check(httpauth.SessionOnly, bearer("x")) },
		auth.ErrForbidden:                func() (auth.Identity, error) { return check(httpauth.APIKeyOnly, bearer(token)) },
		httpauth.ErrInsufficientScope:    func() (auth.Identity, error) { return check(httpauth.Scope("other"), bearer(limited)) },
		auth.ErrReauthenticationRequired: func() (auth.Identity, error) { return check(httpauth.FreshLogin(0), bearer(token)) },
		auth.ErrUnavailable: func() (auth.Identity, error) {
			f.store.fail()
			defer f.store.heal()
			return check(httpauth.SessionOnly, bearer(token))
		},
	} {
		id, err := got()
		if !errors.Is(err, want) || id.User.ID != "" {
			t.Errorf("got %v, %v, want %v", id.User.ID, err, want)
		}
	}
}

// A panic of the program's own handler is the program's.
func TestGuardDoesNotSwallowPanicsOfTheHandlerBehindIt(t *testing.T) {
	f := newFixture(t, setup{})
	r := httptest.NewRequest("GET", "/", nil)
	bearer(f.account("ada@example.com"))(r)
	defer func() {
		if v := recover(); v != "the host's" {
			t.Errorf("recovered %v", v)
		}
	}()
	f.handler.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the host's") })).ServeHTTP(httptest.NewRecorder(), r)
}

func TestGuardAsksForAUserWithASecondFactorWhateverTheCredential(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	rule := rules(httpauth.TwoFactorUser)
	for _, credential := range []string{token, key} {
		a := guarded(f, rule, bearer(credential)).want(403, httpauth.CodeTwoFactorSetupRequired)
		if got := a.header.Get("WWW-Authenticate"); got != "" {
			t.Errorf("challenge is %q", got)
		}
	}
	f.enrol(token)
	for _, credential := range []string{token, key} {
		guarded(f, rule, bearer(credential)).want(200)
	}
}

func TestARuleOfTheProgramCanAskForAFreshLogin(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	for maxAge, want := range map[time.Duration]string{
		0:               `Bearer realm="auth", error="insufficient_user_authentication"`,
		5 * time.Minute: `Bearer realm="auth", error="insufficient_user_authentication", max_age="300"`,
	} {
		for name, err := range map[string]error{"bare": httpauth.StepUp(maxAge), "wrapped": fmt.Errorf("app: large amount: %w", httpauth.StepUp(maxAge))} {
			a := guarded(f, rules(func(httpauth.Access) error { return err }), bearer(token)).want(401, httpauth.CodeReauthenticationRequired)
			if got := a.header.Get("WWW-Authenticate"); got != want {
				t.Errorf("%v, %s: challenge is %q, want %q", maxAge, name, got, want)
			}
			if !errors.Is(err, auth.ErrReauthenticationRequired) {
				t.Errorf("%v, %s: %v", maxAge, name, err)
			}
		}
	}
}

// A rule sees what is asked for, so that it can decide by the object and not only by
// the user.
func TestARuleSeesTheRequestThatItJudges(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	own := func(a httpauth.Access) error {
		if a.Request.PathValue("agent") != "a1" || a.Request.Method != "GET" {
			return auth.ErrForbidden
		}
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/agents/{agent}", f.handler.Require(own)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })))
	for target, want := range map[string]int{"GET /agents/a1": 204, "GET /agents/a2": 403, "DELETE /agents/a1": 403} {
		method, path, _ := strings.Cut(target, " ")
		r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
		bearer(token)(r)
		if mux.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}
