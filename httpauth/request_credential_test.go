package httpauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/fuzztest"
)

// HT-5, HT-10, AK-10, HT-9, Advisory 27, Advisory 28 (CVE-2026-9803).
func TestCredentialsComeOneAtATimeAndWellFormed(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	const (
		plain   = `Bearer realm="auth"`
		invalid = `Bearer realm="auth", error="invalid_token"`
	)
	long := strings.Repeat("a", 8<<10)
	for _, c := range []struct {
		name      string
		header    http.Header
		status    int
		code      httpauth.Code
		challenge string
	}{
		{"token", http.Header{"Authorization": {"Bearer " + token}}, 200, "", ""},
		{"lower-case scheme", http.Header{"Authorization": {"bearer " + token}}, 200, "", ""},
		{"upper-case scheme", http.Header{"Authorization": {"BEARER " + token}}, 200, "", ""},
		{"key as bearer", http.Header{"Authorization": {"Bearer " + key}}, 200, "", ""},
		{"key in its header", http.Header{"X-Api-Key": {key}}, 200, "", ""},

		// Spaces are 1*SP (RFC 9110, section 11.4). Of another scheme is what a proxy in front asks for.
		{"two spaces", http.Header{"Authorization": {"Bearer  " + token}}, 200, "", ""},
		{"many spaces", http.Header{"Authorization": {"bearer     " + key}}, 200, "", ""},
		{"basic and key", http.Header{"Authorization": {"Basic YTpi"}, "X-Api-Key": {key}}, 200, "", ""},
		{"digest and key", http.Header{"Authorization": {`Digest username="a", nonce="b"`}, "X-Api-Key": {key}}, 200, "", ""},
		{"negotiate and key", http.Header{"Authorization": {"Negotiate YII="}, "X-Api-Key": {key}}, 200, "", ""},
		{"empty scheme and key", http.Header{"Authorization": {"Bearer "}, "X-Api-Key": {key}}, 200, "", ""},
		{"token and empty key", http.Header{"Authorization": {"Bearer " + token}, "X-Api-Key": {""}}, 200, "", ""},
		{"basic and a wrong key", http.Header{"Authorization": {"Basic YTpi"}, "X-Api-Key": {key + "x"}}, 401, httpauth.CodeInvalidToken, invalid},

		{"nothing", http.Header{}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"empty", http.Header{"Authorization": {""}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"empty key", http.Header{"X-Api-Key": {""}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"scheme alone", http.Header{"Authorization": {"Bearer"}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"token alone", http.Header{"Authorization": {token}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"another scheme", http.Header{"Authorization": {"Basic YTpi"}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"a scheme like ours", http.Header{"Authorization": {"Bearerx " + token}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"no space", http.Header{"Authorization": {"Bearer:" + token}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"proxy header", http.Header{"Proxy-Authorization": {"Bearer " + token}}, 401, httpauth.CodeAuthenticationRequired, plain},
		{"cookie", http.Header{"Cookie": {"access_token=" + token + "; Authorization=Bearer " + token}}, 401, httpauth.CodeAuthenticationRequired, plain},

		{"tab", http.Header{"Authorization": {"Bearer \t" + token}}, 401, httpauth.CodeInvalidToken, invalid},
		{"two tokens", http.Header{"Authorization": {"Bearer " + token + " " + token}}, 401, httpauth.CodeInvalidToken, invalid},
		{"a list", http.Header{"Authorization": {"Bearer " + token + ", Bearer " + token}}, 401, httpauth.CodeInvalidToken, invalid},
		{"quotes", http.Header{"Authorization": {`Bearer "` + token + `"`}}, 401, httpauth.CodeInvalidToken, invalid},
		{"padding in front", http.Header{"Authorization": {"Bearer =" + token}}, 401, httpauth.CodeInvalidToken, invalid},
		{"padding behind", http.Header{"Authorization": {"Bearer " + token + "="}}, 401, httpauth.CodeInvalidToken, invalid},
		{"padding only", http.Header{"Authorization": {"Bearer ===="}}, 401, httpauth.CodeInvalidToken, invalid},
		{"not ASCII", http.Header{"Authorization": {"Bearer tökén"}}, 401, httpauth.CodeInvalidToken, invalid},
		{"percent", http.Header{"Authorization": {"Bearer %41" + token}}, 401, httpauth.CodeInvalidToken, invalid},
		{"nonsense", http.Header{"Authorization": {"Bearer nonsense"}}, 401, httpauth.CodeInvalidToken, invalid},
		{"dots", http.Header{"Authorization": {"Bearer " + strings.Repeat(".", 8000)}}, 401, httpauth.CodeInvalidToken, invalid},
		{"long", http.Header{"Authorization": {"Bearer " + long}}, 401, httpauth.CodeInvalidToken, invalid},
		{"too long", http.Header{"Authorization": {"Bearer " + long + "a"}}, 401, httpauth.CodeInvalidToken, invalid},
		{"another signature", http.Header{"Authorization": {"Bearer " + token[:len(token)-8] + "AAAAAAAA"}}, 401, httpauth.CodeInvalidToken, invalid},
		{"unknown key", http.Header{"Authorization": {"Bearer sk_live_nonsense"}}, 401, httpauth.CodeInvalidToken, invalid},
		{"bearer in the key header", http.Header{"X-Api-Key": {"Bearer " + key}}, 401, httpauth.CodeInvalidToken, invalid},
		{"token in the key header", http.Header{"X-Api-Key": {token}}, 401, httpauth.CodeInvalidToken, invalid},

		{"two tokens", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, 400, httpauth.CodeInvalidRequest, ""},
		{"two keys", http.Header{"X-Api-Key": {key, key}}, 400, httpauth.CodeInvalidRequest, ""},
		{"token and key", http.Header{"Authorization": {"Bearer " + token}, "X-Api-Key": {key}}, 400, httpauth.CodeInvalidRequest, ""},
		{"key twice", http.Header{"Authorization": {"Bearer " + key}, "X-Api-Key": {key}}, 400, httpauth.CodeInvalidRequest, ""},
		{"two spaces and key", http.Header{"Authorization": {"Bearer  " + token}, "X-Api-Key": {key}}, 400, httpauth.CodeInvalidRequest, ""},
		{"basic and token", http.Header{"Authorization": {"Basic YTpi", "Bearer " + token}}, 400, httpauth.CodeInvalidRequest, ""},
		{"basic twice and key", http.Header{"Authorization": {"Basic YTpi", "Basic YTpi"}, "X-Api-Key": {key}}, 400, httpauth.CodeInvalidRequest, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := f.call("GET", "/me", nil, func(r *http.Request) {
				for name, values := range c.header {
					r.Header[name] = values
				}
			})
			a.t = t
			a.want(c.status)
			if c.code != "" {
				a.want(c.status, c.code)
			}
			if says := strings.Contains(a.raw, "Send one credential"); says != (c.code == httpauth.CodeInvalidRequest) {
				t.Errorf("the body says to send one credential: %v: %s", says, a.raw)
			}
			if got := a.header.Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("challenge is %q, want %q", got, c.challenge)
			}
		})
	}
}

// AK-10, HT-10, F-J11, Advisory 35 (CVE-2026-47768).
func TestQueryAndFormAreNoCredential(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	q := url.Values{"access_token": {token}, "token": {token}, "api_key": {key}, "key": {key}, "authorization": {"Bearer " + token}}.Encode()
	f.call("GET", "/me?"+q, nil).want(401, httpauth.CodeAuthenticationRequired)
	f.call("POST", "/logout?"+q, q, func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}).want(401, httpauth.CodeAuthenticationRequired)
	// Nor do they disturb one that is there.
	f.call("GET", "/me?"+q, nil, bearer(token)).want(200)
}

// Advisory 11 (CVE-2026-18963).
func TestEveryRouteButThePublicOnesNeedsACredential(t *testing.T) {
	f := newFixture(t, setup{})
	public := map[string]bool{
		"POST /register": true, "POST /login": true, "POST /verify-2fa": true, "GET /openapi.json": true, "GET /.well-known/jwks.json": true,
		"POST /verify-email": true, "POST /resend-verification": true, "POST /forgot-password": true, "POST /reset-password": true,
	}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		path = filled(path)
		if a := f.call(method, path, members{}); (a.status == 401) == public[rt] {
			t.Errorf("%s: %d %s", a.what, a.status, a.raw)
		}
		if !public[rt] {
			f.call(method, path, members{}, bearer("nonsense")).want(401, httpauth.CodeInvalidToken)
		}
	}
}

// HT-10, Advisory 27, Advisory 28 (CVE-2026-9803).
func FuzzCredential(f *testing.F) {
	for _, seed := range [][2]string{
		{"Bearer abc", ""}, {"bearer a.b.c", ""}, {"", "sk_live_x"}, {"Bearer a", "b"}, {"Bearer  a", ""}, {"Bearer a=", ""},
		{"Bearer", ""}, {"Basic YTpi", ""}, {"Bearer \x00", ""}, {"Bearer ä", ""}, {" Bearer a", ""}, {"Bearer a\r\nX: y", ""}, {"", "=="}, {"Bearer " + strings.Repeat("a", 8<<10), ""}, {"Bearer a" + strings.Repeat("a", 8<<10), ""},
	} {
		f.Add(seed[0], seed[1])
	}
	m := authtest.New(f).Manager
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, authorization, key string) {
		head := http.Header{}
		if authorization != "" {
			head.Set("Authorization", authorization)
		}
		if key != "" {
			head.Set("X-API-Key", key)
		}
		text, err := httpauth.ParseCredential(head)
		if saw(err == nil); err != nil {
			if text != "" || !errors.Is(err, httpauth.ErrNoCredential) && !errors.Is(err, httpauth.ErrManyCredentials) {
				t.Fatalf("%q, %v", text, err)
			}
			return
		}
		scheme, token, _ := strings.Cut(authorization, " ")
		token = strings.Trim(token, " ")
		ours := strings.EqualFold(scheme, "Bearer") && token != ""
		if ours && key != "" {
			t.Fatal("two credentials were taken for one")
		}
		if ours && token != strings.TrimRight(text, " ") || !ours && key != text {
			t.Fatalf("%q is not what %q or %q says", text, authorization, key)
		}
		for name, verify := range map[string]func(context.Context, auth.Secret) (auth.Identity, error){
			"token": m.VerifyAccessToken, "API key": m.VerifyAPIKey,
		} {
			if _, err := verify(t.Context(), auth.Secret(text)); !errors.Is(err, auth.ErrInvalidToken) {
				t.Fatalf("%q as %s: %v", text, name, err)
			}
		}
	})
}
