package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

type members map[string]any

// A provider confirms every login, with the claims that it has then. A code works once, for the
// browser that has its verifier.
type provider struct {
	*httptest.Server
	claims members               // of the next login
	codes  map[string]url.Values // what each code was asked for with
}

func newProvider(t *testing.T) *provider {
	p := &provider{codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		asked, code := r.URL.Query(), rand.Text()
		if asked.Get("code_challenge_method") != "S256" || asked.Get("nonce") == "" || asked.Get("state") == "" {
			t.Errorf("asked for with %v", asked)
		}
		p.codes[code] = asked
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {asked.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		asked, ok := p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]) {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		claims := members{"iss": p.URL, "aud": "me", "exp": time.Now().Add(time.Minute).Unix(), "nonce": asked.Get("nonce"), "email_verified": true, "name": "Ada"}
		maps.Copy(claims, p.claims)
		payload, _ := json.Marshal(claims)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(members{
			"access_token": "of the provider", "token_type": "Bearer",
			"id_token": "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".unsigned",
		})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// A browser has cookies of its own.
type browser struct {
	*http.Client
	t    *testing.T
	site string
}

// A fixture is the site, its provider, and what the host can do.
type fixture struct {
	*authtest.Harness
	t        *testing.T
	provider *provider
	site     *httptest.Server
}

func newFixture(t *testing.T) *fixture {
	records, p := memstore.New(), newProvider(t)
	f := &fixture{authtest.With(t, records, auth.Config{}), t, p, httptest.NewUnstartedServer(nil)}
	f.site.StartTLS()
	t.Cleanup(f.site.Close)
	handler, err := newSite(f.Manager, records, p.URL, oauth2.Config{
		ClientID: "me", ClientSecret: "secret", RedirectURL: f.site.URL + "/oauth/callback",
		Endpoint: oauth2.Endpoint{AuthURL: p.URL + "/authorize", TokenURL: p.URL + "/token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.site.Config.Handler = handler
	return f
}

func (f *fixture) browser() *browser {
	client := *f.site.Client()
	client.Jar, _ = cookiejar.New(nil)
	return &browser{&client, f.t, f.site.URL}
}

// get returns the status and the answer.
func (b *browser) get(address string) (int, members) {
	b.t.Helper()
	r, err := b.Get(address)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	var answer members
	if err := json.Unmarshal(text, &answer); err != nil {
		b.t.Fatalf("%s: %s", address, text)
	}
	return r.StatusCode, answer
}

// login logs in at the provider as somebody with these claims, in a browser of their own.
func (f *fixture) login(claims members) (int, members) {
	f.t.Helper()
	f.provider.claims = claims
	return f.browser().get(f.site.URL + "/oauth/login")
}

// user is login that succeeds.
func (f *fixture) user(claims members) auth.Identity {
	f.t.Helper()
	status, answer := f.login(claims)
	token, _ := answer["access_token"].(string)
	id, err := f.VerifyAccessToken(f.t.Context(), auth.Secret(token))
	if status != http.StatusOK || err != nil {
		f.t.Fatalf("%v: %d %v, %v", claims, status, answer, err)
	}
	return id
}

func (f *fixture) refused(claims members, code string) {
	f.t.Helper()
	if status, answer := f.login(claims); status < 400 || answer["code"] != code || answer["access_token"] != nil {
		f.t.Errorf("%v: %d %v, want %s", claims, status, answer, code)
	}
}

func TestTheFirstLoginMakesAnAccountAndTheNextOnesFindIt(t *testing.T) {
	f := newFixture(t)
	first := f.user(members{"sub": "1", "email": "ada@example.com"})
	if has, err := f.HasPassword(t.Context(), first.User.ID); err != nil || has {
		t.Errorf("it has a password: %v, %v", has, err)
	}
	if first.User.Email != "ada@example.com" || first.AMR[0] != "oauth" {
		t.Errorf("%+v", first)
	}
	// The address is of no matter from then on, to whomever the provider gives it.
	for _, claims := range []members{{"email": "ada@example.com"}, {"email": "moved@example.com"}, {"email": "moved@example.com", "email_verified": false}, {"email": nil}} {
		claims["sub"] = "1"
		if again := f.user(claims); again.User.ID != first.User.ID || again.User.Email != "ada@example.com" {
			t.Errorf("%v: %+v", claims, again.User)
		}
	}
	if other := f.user(members{"sub": "2", "email": "moved@example.com"}); other.User.ID == first.User.ID {
		t.Error("another subject has the same account")
	}
	if err := f.DeleteUser(t.Context(), first.User.ID); err != nil {
		t.Fatal(err)
	}
	if again := f.user(members{"sub": "1", "email": "ada@example.com"}); again.User.ID == first.User.ID {
		t.Error("a deleted account is back")
	}
}

func TestAnAddressThatOneSideHasNotVerifiedLinksNothing(t *testing.T) {
	f := newFixture(t)
	owner := f.Register()
	f.refused(members{"sub": "1", "email": owner.Email, "email_verified": false}, "provider_login_refused")
	f.refused(members{"sub": "1", "email": owner.Email}, "email_taken") // the owner has not verified it here
	f.refused(members{"sub": "1", "email": "new@example.com", "email_verified": false}, "provider_login_refused")
	if _, err := f.LoginAs(t.Context(), owner.ID, auth.Proof{Method: "link", EmailVerified: true}); err != nil {
		t.Fatal(err)
	}
	f.refused(members{"sub": "3", "email": owner.Email, "email_verified": false}, "provider_login_refused")
	for range 2 { // once both sides have
		if id := f.user(members{"sub": "3", "email": owner.Email}); id.User.ID != owner.ID {
			t.Errorf("it is not linked: %+v", id.User)
		}
	}
	if _, err := f.UserByEmail(t.Context(), "new@example.com"); err != auth.ErrNotFound {
		t.Errorf("an address that nobody has verified has an account: %v", err)
	}
	if id := f.user(members{"sub": "1", "email": "new@example.com"}); id.User.ID == owner.ID {
		t.Error("what was refused has left a link")
	}
}

func TestOnlyTheBrowserThatBeganALoginEndsItOnce(t *testing.T) {
	f := newFixture(t)
	f.provider.claims = members{"sub": "1", "email": "ada@example.com"}
	callback := func(b *browser) string { // begins, and stops before the callback
		b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), b.site) {
				return http.ErrUseLastResponse
			}
			return nil
		}
		r, err := b.Get(b.site + "/oauth/login")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.Header.Get("Location")
	}
	refused := func(what string, b *browser, address string) {
		t.Helper()
		if status, answer := b.get(address); status != http.StatusForbidden || answer["code"] != "provider_login_refused" {
			t.Errorf("%s: %d %v", what, status, answer)
		}
	}
	mine, theirs := f.browser(), f.browser()
	address := callback(mine)
	refused("a browser that began none", theirs, address)
	callback(theirs)
	refused("a browser that began another", theirs, address)
	at, _ := url.Parse(f.site.URL)
	kept := mine.Jar.Cookies(at)
	if status, answer := mine.get(address); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	refused("a second time", mine, address)
	mine.Jar.SetCookies(at, []*http.Cookie{{Name: kept[0].Name, Value: kept[0].Value, Path: "/", Secure: true}})
	refused("a second time, with the cookie", mine, address)

	// A code of somebody else's login: the verifier is another.
	stolen, _ := url.Parse(callback(f.browser()))
	address = callback(mine)
	own, _ := url.Parse(address)
	query := own.Query()
	query.Set("code", stolen.Query().Get("code"))
	own.RawQuery = query.Encode()
	refused("with another's code", mine, own.String())

	for what, claims := range map[string]members{
		"another issuer": {"iss": "https://elsewhere.example"}, "another audience": {"aud": "somebody"}, "more audiences": {"aud": []string{"me", "somebody"}},
		"another nonce": {"nonce": "x"}, "no subject": {"sub": ""}, "expired": {"exp": 1},
	} {
		f.provider.claims = members{"sub": "1", "email": "ada@example.com"}
		maps.Copy(f.provider.claims, claims)
		refused(what, f.browser(), f.site.URL+"/oauth/login")
	}
}

func TestADisabledUserIsRefused(t *testing.T) {
	f := newFixture(t)
	ada := members{"sub": "1", "email": "ada@example.com"}
	if err := f.DisableUser(t.Context(), f.user(ada).User.ID); err != nil {
		t.Fatal(err)
	}
	f.refused(ada, "invalid_credentials")
}

func TestASecondFactorIsStillAskedFor(t *testing.T) {
	f := newFixture(t)
	ada := members{"sub": "1", "email": "ada@example.com"}
	id := f.user(ada)
	enrollment, err := f.EnableTwoFactor(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	code := func() string { return authtest.TOTPCode(enrollment.Secret, f.Clock.Now()) }
	if err := f.ConfirmTwoFactor(t.Context(), id, auth.Secret(code())); err != nil {
		t.Fatal(err)
	}
	f.Clock.Advance(30 * time.Second)
	status, answer := f.login(ada)
	if status != http.StatusOK || answer["requires_2fa"] != true || answer["access_token"] != nil {
		t.Fatalf("%d %v", status, answer)
	}
	body, _ := json.Marshal(members{"temp_token": answer["temp_token"], "code": code()})
	r, err := f.site.Client().Post(f.site.URL+"/v1/auth/verify-2fa", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var session struct {
		AccessToken auth.Secret `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&session); err != nil {
		t.Fatal(err)
	}
	id, err = f.VerifyAccessToken(t.Context(), session.AccessToken)
	if err != nil || strings.Join(id.AMR, " ") != "oauth otp mfa" {
		t.Errorf("%+v, %v", id, err)
	}
}
