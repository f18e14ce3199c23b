// Oauth logs users in by an OpenID Connect provider, Google here: OAUTH_CLIENT_ID=… OAUTH_CLIENT_SECRET=… go run .
// Their accounts have no password. A login begins at http://localhost:8082/oauth/login, and docs/oauth.md says what each check is for.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/endpoints"
)

func main() {
	records := memstore.New()
	manager, err := auth.New(records, auth.Config{Secrets: []auth.Secret{auth.Secret(rand.Text() + rand.Text())}})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newSite(manager, records, "https://accounts.google.com", oauth2.Config{
		ClientID: os.Getenv("OAUTH_CLIENT_ID"), ClientSecret: os.Getenv("OAUTH_CLIENT_SECRET"), Endpoint: endpoints.Google,
		RedirectURL: "http://localhost:8082/oauth/callback", Scopes: []string{"openid", "email", "profile"},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal((&http.Server{Addr: "127.0.0.1:8082", Handler: handler, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe())
}

type site struct {
	manager *auth.Manager
	guard   *httpauth.Handler
	records store.Store       // those of the program are beside those of the Manager
	members auth.Organization // of the accounts that are made
	issuer  string
	oauth2.Config
}

func newSite(m *auth.Manager, records store.Store, issuer string, provider oauth2.Config) (http.Handler, error) {
	guard, err := httpauth.New(m, httpauth.Config{})
	org, failed := m.CreateOrganization(context.Background(), "Users")
	s, mux := &site{m, guard, records, org, issuer, provider}, http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", guard))
	mux.HandleFunc("GET /oauth/login", s.begin)
	mux.HandleFunc("GET /oauth/callback", s.callback)
	return mux, errors.Join(err, failed)
}

// begin sends the browser to the provider. The cookie binds the login to the browser.
func (s *site) begin(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	http.SetCookie(w, &http.Cookie{
		Name: "__Host-oauth", Value: state + "." + nonce + "." + verifier, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, s.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)), http.StatusFound)
}

// callback answers as POST /login does. A temp token is for POST /v1/auth/verify-2fa.
func (s *site) callback(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "__Host-oauth", Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}) // it works once
	login, err := s.login(r)
	if err != nil {
		s.guard.WriteProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	token := login.AccessToken
	answer := fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":%.0f}`, string(token.Token), token.ExpiresIn.Seconds())
	if login.TwoFactorRequired() {
		answer = fmt.Sprintf(`{"requires_2fa":true,"temp_token":%q}`, string(login.TempToken))
	}
	fmt.Fprint(w, answer)
}

var errRefused = &httpauth.Problem{Status: http.StatusForbidden, Code: "provider_login_refused", Detail: "The provider has not confirmed a login that this browser began."}

func (s *site) login(r *http.Request) (login auth.LoginResult, err error) {
	cookie, _ := r.Cookie("__Host-oauth")
	begun, query := strings.Split(cmp.Or(cookie, &http.Cookie{}).Value, "."), r.URL.Query()
	if len(begun) != 3 || begun[0] == "" || query.Get("state") != begun[0] {
		return login, errRefused
	}
	ctx := auth.WithActor(auth.WithClient(r.Context(), s.guard.Client(r)), "oauth")
	token, err := s.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(begun[2]))
	if err != nil {
		return login, errRefused
	}
	var c claims
	idToken, _ := token.Extra("id_token").(string) // from the provider itself, so its signature proves nothing more
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(idToken+".", ".")[1])
	if err != nil || json.Unmarshal(payload, &c) != nil || c.Issuer != s.issuer || c.Audience != s.ClientID || c.Nonce != begun[1] ||
		c.Subject == "" || time.Now().Unix() >= c.Expires {
		return login, errRefused
	}
	user, err := s.userOf(ctx, c)
	if err != nil {
		return login, err
	}
	return s.manager.LoginAs(ctx, user.ID, auth.Proof{Method: "oauth", EmailVerified: c.EmailVerified && c.Email != "", Email: c.Email})
}

type claims struct {
	Issuer             string `json:"iss"`
	Subject            string `json:"sub"`
	Audience           any    `json:"aud"`
	Expires            int64  `json:"exp"`
	EmailVerified      bool   `json:"email_verified"`
	Nonce, Email, Name string
}

// userOf returns the user whom the provider's subject was linked with at its first login.
func (s *site) userOf(ctx context.Context, c claims) (user auth.User, err error) {
	link := fmt.Sprintf("oauth-%x/user", sha256.Sum256([]byte(c.Issuer+"\x00"+c.Subject)))
	linked, err := s.records.Get(ctx, link)
	if err != nil {
		return user, err
	}
	if user, err = s.manager.User(ctx, string(linked[0])); !errors.Is(err, auth.ErrNotFound) {
		return user, err
	}
	user, err = s.manager.UserByEmail(ctx, c.Email)
	switch {
	case !c.EmailVerified: // a stranger must not take the address before its owner comes
		return user, errRefused
	case errors.Is(err, auth.ErrNotFound):
		user, err = s.manager.CreateUser(ctx, auth.NewUser{Email: c.Email, FullName: cmp.Or(c.Name, c.Email), OrganizationID: s.members.ID, Role: "member", EmailVerified: true})
	case err == nil && !user.EmailVerified: // a stranger may have registered it
		err = auth.ErrEmailTaken
	}
	if err != nil {
		return user, err
	}
	return user, s.records.Commit(ctx, store.Put(link, []byte(user.ID)).Was(linked[0]))
}
