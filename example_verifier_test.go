//go:build !race

package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// newVerifier is what another service does: it has no store and no secret, only the JSON Web
// Key Set that package httpauth serves at /.well-known/jwks.json.
func newVerifier(jwks []byte) (*auth.Verifier, error) {
	keys, err := auth.ParseJWKS(jwks)
	if err != nil {
		return nil, err
	}
	return auth.NewVerifier(auth.VerifierConfig{Issuer: "example", Keys: keys})
}

func ExampleNewVerifier() {
	ctx := context.Background()
	_, private, _ := ed25519.GenerateKey(rand.Reader) // a program reads its key from a file
	manager, _ := auth.New(memstore.New(), auth.Config{
		Secrets:    []auth.Secret{"32 random bytes or more, for an example"},
		Issuer:     "example",
		SigningKey: auth.SigningKey{Signer: private},
	})
	defer manager.Close()
	alice, _ := manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
	login, _ := manager.Login(ctx, "alice@example.com", "SecurePass123!")

	verifier, err := newVerifier(manager.JWKS())
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := verifier.Verify(login.AccessToken.Token)
	fmt.Println(claims.UserID == alice.ID, claims.Role, claims.AMR, err)
	// Output: true admin [pwd] <nil>
}
