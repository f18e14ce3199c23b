package httpauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/datixlab/auth"
)

// Its caching and media type, and that it is as documented, the fixture holds of every
// answer.
func TestTheKeySetIsPublicAndMayBeCached(t *testing.T) {
	f := newFixture(t, setup{})
	if a := f.call("GET", "/.well-known/jwks.json", nil).want(200); a.raw != `{"keys":[]}` {
		t.Errorf("with HS256 it is %s", a.raw)
	}
	ed, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f = newFixture(t, setup{auth: func(c *auth.Config) {
		c.SigningKey, c.VerifyKeys = auth.SigningKey{Signer: private}, []crypto.PublicKey{ec.Public(), r.Public()}
	}})
	a := f.call("GET", "/.well-known/jwks.json", nil).want(200)
	keys, err := auth.ParseJWKS([]byte(a.raw))
	if err != nil || len(keys) != 3 || !ed.Equal(keys[0]) || !ec.PublicKey.Equal(keys[1]) || !r.PublicKey.Equal(keys[2]) {
		t.Errorf("%d keys, %v: %s", len(keys), err, a.raw)
	}
	f.call("POST", "/.well-known/jwks.json", members{}).want(405)

	verifier, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", Keys: keys, Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	token := f.account("ada@example.com")
	me := f.call("GET", "/me", nil, bearer(token)).want(200)
	if c, err := verifier.Verify(auth.Secret(token)); err != nil || c.UserID != me.text("id") {
		t.Errorf("%+v, %v", c, err)
	}
	f.call("GET", "/me", nil, bearer(f.call("POST", "/refresh", nil, bearer(token)).want(200).text("access_token"))).want(200)
}
