//go:build !race

package auth_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// JW-4, TF-2.
func TestAnIssuerCanBeAURLAndAuthenticatorsShowItsHost(t *testing.T) {
	for _, c := range []struct{ issuer, label, shown string }{
		{"", "", "auth"},
		{"Example Service", "", "Example Service"},
		{"https://auth.example.com", "", "auth.example.com"},
		{"https://auth.example.com/", "", "auth.example.com"},
		{"https://auth.example.com:8443/realms/a?b=c&d=<e>", "", "auth.example.com"},
		{"https://192.0.2.7:8080", "", "192.0.2.7"},
		{"http://[2001:db8::1]:8080", "", "auth"},
		{"urn:example:auth", "", "auth"},
		{"a:b", "", "auth"},
		{"https://auth.example.com", "Acme & Co", "Acme & Co"},
		{"Example", "Acme", "Acme"},
		{"日本語", "", "日本語"},
	} {
		cfg := signedBy(signers()["EdDSA"])
		cfg.Issuer, cfg.TOTPIssuer = c.issuer, c.label
		h := authtest.With(t, memstore.New(), cfg)
		if c.issuer == "" {
			c.issuer = "auth"
		}
		alice := h.Register()
		if got := payload(t, auth.Secret(alice.Token())); got["iss"] != c.issuer || got["aud"] != c.issuer || got["client_id"] != c.issuer {
			t.Errorf("%s: iss %v, aud %v, client_id %v", c.issuer, got["iss"], got["aud"], got["client_id"])
		}
		v, err := auth.NewVerifier(auth.VerifierConfig{Issuer: c.issuer, Keys: keysOf(t, h), Now: h.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(auth.Secret(alice.Token())); err != nil || !verify(t, h.Manager, alice.Token()) {
			t.Errorf("%s: its token is refused: %v", c.issuer, err)
		}
		uri, err := url.Parse(string(enrol(t, h, alice.Identity()).URI))
		if err != nil {
			t.Fatal(err)
		}
		label, _, _ := strings.Cut(strings.TrimPrefix(uri.Path, "/"), ":")
		if label != c.shown || uri.Query().Get("issuer") != c.shown {
			t.Errorf("%s, %q: authenticators show %q and %q, want %q", c.issuer, c.label, label, uri.Query().Get("issuer"), c.shown)
		}
	}
}

// PW-6: both names of the service.
func TestNeitherIssuerIsAPassword(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Issuer: "https://auth.example.com", TOTPIssuer: "Example Service"})
	for _, password := range []auth.Secret{"https://AUTH.example.com", "example service"} {
		_, err := h.Manager.Register(t.Context(), auth.Registration{Email: "ada@example.com", Password: password, FullName: "Ada"})
		if got := fieldCodes(err); len(got) != 1 || got[0] != "password: blocked" {
			t.Errorf("%s: %v", string(password), err)
		}
	}
}

// JW-3: a time from which a token is good is not said, and is held where it is.
func TestATokenWithoutNotBeforeIsAcceptedAndNoneIsWritten(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		key := signers()["EdDSA"]
		h := authtest.With(t, s, signedBy(key))
		v, alice := verifierOf(t, h), h.Register()
		claims, now := payload(t, auth.Secret(alice.Token())), h.Clock.Now().Unix()
		if claims["nbf"] != nil {
			t.Errorf("nbf is %v", claims["nbf"])
		}
		header := map[string]any{"alg": "EdDSA", "kid": headerOf(t, alice.Token()).Kid, "typ": "at+jwt"}
		for _, c := range []struct {
			what   string
			change map[string]any
			want   bool
		}{
			{"as it is written", nil, true},
			{"of a version before", map[string]any{"nbf": now, "client_id": nil}, true},
			{"within the leeway", map[string]any{"nbf": now + 30}, true},
			{"beyond the leeway", map[string]any{"nbf": now + 31}, false},
			{"before there was time", map[string]any{"nbf": -1}, false},
			{"in words", map[string]any{"nbf": "now"}, false},
		} {
			changed := map[string]any{}
			for name, value := range claims {
				changed[name] = value
			}
			for name, value := range c.change {
				if changed[name] = value; value == nil {
					delete(changed, name)
				}
			}
			token := forged(t, jwt.SigningMethodEdDSA, key, header, changed)
			_, err := v.Verify(auth.Secret(token))
			if got := verify(t, h.Manager, token); got != c.want || (err == nil) != c.want {
				t.Errorf("%s: the Manager accepts it %v, the Verifier %v", c.what, got, err)
			}
		}
	})
}

// What a version before demands, and other libraries whose clock is behind.
func TestNotBeforeIsWrittenWhereItIsAskedForAndLiesInThePast(t *testing.T) {
	cfg := signedBy(signers()["ES256"])
	cfg.TokenNotBefore = true
	h := authtest.With(t, memstore.New(), cfg)
	token := h.Register().Token()
	claims, now := payload(t, auth.Secret(token)), float64(h.Clock.Now().Unix())
	if claims["nbf"] != now-30 || claims["iat"] != now {
		t.Errorf("nbf %v, iat %v, now %v", claims["nbf"], claims["iat"], now)
	}
	if _, err := verifierOf(t, h).Verify(auth.Secret(token)); err != nil || !verify(t, h.Manager, token) {
		t.Errorf("refused: %v", err)
	}
	behind := func() time.Time { return h.Clock.Now().Add(-2 * time.Second) }
	if _, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return keysOf(t, h)[0], nil }, jwt.WithTimeFunc(behind)); err != nil {
		t.Errorf("golang-jwt, whose clock is behind: %v", err)
	}
	without := twin(t, h, auth.Config{SigningKey: cfg.SigningKey})
	if next := refreshed(t, without.Manager, token); payload(t, auth.Secret(next))["nbf"] != nil || !verify(t, h.Manager, next) {
		t.Error("two Managers that write tokens differently do not take each other's")
	}
}

// JW-5, RFC 8725, 3.11: in each setting the one type is accepted that is written, and no other
// kind of token, credential or JWT.
func TestOnlyTheTypeOfTokenThatIsWrittenIsAccepted(t *testing.T) {
	types := []string{"at+jwt", "JWT"}
	for i, typ := range types {
		other := types[1-i]
		for alg, key := range signers() {
			cfg := signedBy(key)
			cfg.TokenType = typ
			h := authtest.With(t, memstore.New(), cfg)
			hs256 := twin(t, h, auth.Config{TokenType: typ, VerifyKeys: keysOf(t, h)})
			cfg.TokenType = other
			wrong := twin(t, h, cfg)
			verifier := func(typ string) *auth.Verifier {
				v, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", Keys: keysOf(t, h), TokenType: typ, Now: h.Clock.Now})
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			alice := h.Register()
			for _, token := range []string{alice.Token(), refreshed(t, hs256.Manager, alice.Token())} {
				if got := headerOf(t, token).Typ; got != typ {
					t.Errorf("%s, %s: it is written as %q", alg, typ, got)
				}
				if !verify(t, h.Manager, token) || !verify(t, hs256.Manager, token) || verify(t, wrong.Manager, token) {
					t.Errorf("%s, %s: refused, or accepted as %s", alg, typ, other)
				}
			}
			_, own := verifier(typ).Verify(auth.Secret(alice.Token()))
			_, foreign := verifier(other).Verify(auth.Secret(alice.Token()))
			if own != nil || foreign != auth.ErrInvalidToken {
				t.Errorf("%s, %s: a Verifier of it %v, of the other %v", alg, typ, own, foreign)
			}

			claims, kid := payload(t, auth.Secret(alice.Token())), headerOf(t, alice.Token()).Kid
			for _, typ := range []any{nil, "", other, strings.ToLower(typ) + " ", "jwt", "AT+JWT", "application/" + typ, "id_token+jwt", "logout+jwt", "refresh", "temp", []string{typ}} {
				header := map[string]any{"alg": alg, "kid": kid, "typ": typ}
				if typ == nil {
					delete(header, "typ")
				}
				for range 4 { // some signatures of ES256 are refused whatever they sign
					token := forged(t, methods[alg], key, header, claims)
					if _, err := verifier(cfg.TokenType).Verify(auth.Secret(token)); verify(t, h.Manager, token) || err == nil && typ != other {
						t.Errorf("%s: accepted as %v", alg, typ)
					}
				}
			}
			for name, claim := range map[string]any{"sid": nil, "jti": "another", "sub": "ada", "aud": "app"} { // an id token of the same key
				changed := map[string]any{}
				for k, v := range claims {
					changed[k] = v
				}
				if changed[name] = claim; claim == nil {
					delete(changed, name)
				}
				for range 4 {
					token := forged(t, methods[alg], key, map[string]any{"alg": alg, "kid": kid, "typ": typ}, changed)
					if _, err := verifier(typ).Verify(auth.Secret(token)); err == nil || verify(t, h.Manager, token) {
						t.Errorf("%s, %s: a JWT with %s %v is accepted", alg, typ, name, claim)
					}
				}
			}

			bob := h.Register()
			apiKey := bob.APIKey()
			bob.EnableTwoFactor()
			r, err := h.Login(t.Context(), bob.Email, authtest.Password)
			if err != nil || !r.TwoFactorRequired() {
				t.Fatal(err)
			}
			body := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"none","typ":"%s"}`, typ))
			for _, credential := range []string{string(r.TempToken), apiKey, body + "." + body + ".", string(r.TempToken) + "." + body + "." + body} {
				if _, err := verifier(typ).Verify(auth.Secret(credential)); err == nil || verify(t, h.Manager, credential) {
					t.Errorf("%s: accepted: %.12s", typ, credential)
				}
			}
		}
	}
	if _, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", TokenType: "jwt"}); err == nil || !strings.Contains(err.Error(), "VerifierConfig.TokenType: ") {
		t.Errorf("a Verifier of tokens of a type that there is not: %v", err)
	}
}
