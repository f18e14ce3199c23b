//go:build !race

package auth_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store/memstore"
)

func TestAVerifierReadsWhatATokenSays(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, _ string, key crypto.Signer) {
		h := authtest.With(t, memstore.New(), signedBy(key))
		v, alice := verifierOf(t, h), h.Register()
		alice.EnableTwoFactor()
		token := auth.Secret(alice.Login())
		login := h.Clock.Now().Truncate(time.Second)
		id := alice.Identity()
		c, err := v.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		if c.UserID != alice.ID || c.OrganizationID != alice.OrganizationID || c.Role != "admin" || c.SessionID != id.SessionID || !slices.Equal(c.AMR, id.AMR) ||
			!c.AuthTime.Equal(login) || !c.ExpiresAt.Equal(login.Add(time.Hour)) {
			t.Errorf("%+v, want %+v", c, id)
		}

		// What it cannot see, as documented.
		if err := h.DisableUser(t.Context(), alice.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(token); err != nil || verify(t, h.Manager, string(token)) {
			t.Errorf("of a disabled user: %v", err)
		}
		h.Clock.Advance(time.Hour)
		if _, err := v.Verify(token); err != auth.ErrInvalidToken {
			t.Errorf("expired: %v", err)
		}
		h.Clock.Advance(-time.Hour - 31*time.Second)
		if _, err := v.Verify(token); err != auth.ErrInvalidToken {
			t.Errorf("31 seconds before it was signed: %v", err)
		}
	})
}

func TestAVerifierTakesTokensOfItsIssuerAudienceAndKeysOnly(t *testing.T) {
	key := signers()["EdDSA"]
	cfg := signedBy(key)
	cfg.Issuer, cfg.Audience = "Example", "https://api.example.com"
	h := authtest.With(t, memstore.New(), cfg)
	alice := h.Register()
	for name, tc := range map[string]struct {
		cfg  auth.VerifierConfig
		want error
	}{
		"its own":          {auth.VerifierConfig{Issuer: "Example", Audience: "https://api.example.com"}, nil},
		"no audience":      {auth.VerifierConfig{Issuer: "Example"}, auth.ErrInvalidToken},
		"another issuer":   {auth.VerifierConfig{Issuer: "example", Audience: "https://api.example.com"}, auth.ErrInvalidToken},
		"another audience": {auth.VerifierConfig{Issuer: "Example", Audience: "https://api.example.com/"}, auth.ErrInvalidToken},
		"another key":      {auth.VerifierConfig{Issuer: "Example", Audience: "https://api.example.com", Keys: []crypto.PublicKey{signers()["ES256"].Public()}}, auth.ErrInvalidToken},
	} {
		if tc.cfg.Keys == nil {
			tc.cfg.Keys = []crypto.PublicKey{key.Public()}
		}
		tc.cfg.Now = h.Clock.Now
		v, err := auth.NewVerifier(tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := v.Verify(auth.Secret(alice.Token())); err != tc.want || err != nil && c.UserID != "" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	_, err := auth.NewVerifier(auth.VerifierConfig{})
	for _, field := range []string{"Issuer", "Keys"} {
		if err == nil || !strings.Contains(err.Error(), "VerifierConfig."+field+": ") {
			t.Errorf("a Verifier of nothing: %v, want VerifierConfig.%s named", err, field)
		}
	}
	if _, err := auth.NewVerifier(auth.VerifierConfig{Audience: "auth", Keys: []crypto.PublicKey{key.Public()}}); err == nil {
		t.Error("a Verifier without an issuer is made")
	}
}

// forged signs text as method does with key, whatever the text says.
func forged(t testing.TB, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	var parts []string
	for _, part := range []map[string]any{header, claims} {
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(b))
	}
	text := strings.Join(parts, ".")
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

var methods = map[string]jwt.SigningMethod{"EdDSA": jwt.SigningMethodEdDSA, "ES256": jwt.SigningMethodES256, "RS256": jwt.SigningMethodRS256}

// JW-1, JW-5, JW-6, advisory 25. ES256 tokens of golang-jwt have the higher s as often as
// the lower one, so each is tried until a good one would have been accepted.
func TestATokenForgedForAPublicKeyIsRefused(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, alg string, key crypto.Signer) {
		var others []crypto.PublicKey
		for a, k := range signers() {
			if a != alg {
				others = append(others, k.Public())
			}
		}
		h := authtest.With(t, memstore.New(), signedBy(key, others...))
		v, alice := verifierOf(t, h), h.Register()
		claims := payload(t, auth.Secret(alice.Token()))
		kid := headerOf(t, alice.Token()).Kid
		accepted := func(token string) bool {
			_, err := v.Verify(auth.Secret(token))
			return err == nil || verify(t, h.Manager, token)
		}
		header := func(change map[string]any) map[string]any {
			all := map[string]any{"alg": alg, "kid": kid, "typ": "at+jwt"}
			for name, value := range change {
				if all[name] = value; value == nil {
					delete(all, name)
				}
			}
			return all
		}
		tries := func(header, claims map[string]any) (ok bool) {
			n := 1
			if alg == "ES256" {
				n = 20
			}
			for range n {
				ok = ok || accepted(forged(t, methods[alg], key, header, claims))
			}
			return ok
		}
		if !tries(header(nil), claims) {
			t.Fatal("what is made like a Manager's is refused: the rest proves nothing")
		}
		for _, change := range []map[string]any{
			{"alg": "none"}, {"alg": "HS256"}, {"alg": "PS256"}, {"alg": "ES384"}, {"alg": "Ed448"}, {"alg": "ed25519"}, {"alg": nil}, {"typ": nil}, {"typ": "JWT"}, {"typ": "AT+JWT"}, {"crit": []string{"exp"}},
			{"kid": nil}, {"kid": "other"}, {"kid": ""}, {"jwk": map[string]string{"kty": "OKP"}}, {"jku": "https://evil.example"}, {"x5c": []string{"MII"}}, {"b64": false}, {"zip": "DEF"},
		} {
			if tries(header(change), claims) {
				t.Errorf("header %v: accepted", change)
			}
		}
		for _, name := range []string{"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"} {
			for _, value := range []any{nil, "", "x", 0, -1, 1e300, []string{"auth"}, true} {
				if name == "nbf" && (value == nil || value == 0) {
					continue // which says nothing
				}
				changed := map[string]any{}
				for k, c := range claims {
					changed[k] = c
				}
				if changed[name] = value; value == nil {
					delete(changed, name)
				}
				if tries(header(nil), changed) {
					t.Errorf("%s %v: accepted", name, value)
				}
			}
		}
		// RFC 9864 has another name for EdDSA with an Ed25519 key, and for nothing else.
		if got := tries(header(map[string]any{"alg": "Ed25519"}), claims); got != (alg == "EdDSA") {
			t.Errorf("under the name Ed25519: accepted %v", got)
		}
		// Another key under this one's id, and this one under another's.
		for a, k := range signers() {
			if a == alg {
				continue
			}
			if accepted(forged(t, methods[a], k, header(nil), claims)) || accepted(forged(t, methods[a], k, header(map[string]any{"alg": a}), claims)) {
				t.Errorf("signed with the %s key under this one's kid: accepted", a)
			}
			theirs := headerOf(t, authtest.With(t, memstore.New(), signedBy(k)).Register().Token())
			if tries(header(map[string]any{"kid": theirs.Kid, "alg": theirs.Alg}), claims) || tries(header(map[string]any{"kid": theirs.Kid}), claims) {
				t.Errorf("under the kid of the %s key: accepted", a)
			}
		}
		// HS256 with what everybody knows as the secret.
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		published := string(h.JWKS())
		for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), []byte(published), []byte(kid), {}, nil} {
			for _, change := range []map[string]any{{"alg": "HS256"}, nil} {
				token := forged(t, jwt.SigningMethodHS256, secret, header(change), claims)
				if accepted(token) {
					t.Errorf("HMAC with a public text: accepted")
				}
			}
		}
		text := alice.Token()[:strings.LastIndexByte(alice.Token(), '.')]
		mac := hmac.New(sha256.New, der)
		mac.Write([]byte(text))
		for _, token := range []string{text, text + ".", text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), text + "." + strings.Repeat("A", 86), strings.Repeat(".", 1<<20), alice.Token() + strings.Repeat("A", 900<<10)} {
			if accepted(token) {
				t.Errorf("accepted: %.80q", token)
			}
		}
	})
}

func FuzzVerifierTakesWhatWasSignedAndNothingElse(f *testing.F) {
	h := authtest.With(f, memstore.New(), signedBy(signers()["EdDSA"], signers()["ES256"].Public(), signers()["RS256"].Public()))
	v, token := verifierOf(f, h), h.Register().Token()
	parts := strings.Split(token, ".")
	for _, s := range []string{
		token, "", ".", "..", parts[0], parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2], token + "=", token + "\n", token[:len(token)-1],
		"." + parts[1] + "." + parts[2], parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86), strings.Repeat(".", 9<<10), strings.Repeat("A", 9<<10),
	} {
		f.Add(s)
	}
	fuzztest.Fuzz(f, func(t *testing.T, text string) {
		c, err := v.Verify(auth.Secret(text))
		if (err == nil) != (text == token) || err != nil && (err != auth.ErrInvalidToken || c.UserID != "") {
			t.Fatalf("%q: %+v, %v", text, c, err)
		}
	})
}

// A service without the store is not the way around a policy.
func TestAVerifierRefusesASessionThatMayOnlyEnrol(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg := signedBy(key)
	cfg.TwoFactorPolicy = auth.TwoFactorPolicy{Of: auth.Everyone}
	h := authtest.With(t, memstore.New(), cfg)
	u := h.Register()
	v := verifierOf(t, h)
	if c, err := v.Verify(auth.Secret(u.Token())); !errors.Is(err, auth.ErrTwoFactorSetupRequired) {
		t.Errorf("%+v, %v", c, err)
	}
	u.EnableTwoFactor()
	u.Login()
	if _, err := v.Verify(auth.Secret(u.Token())); err != nil {
		t.Errorf("with a second factor: %v", err)
	}
}
