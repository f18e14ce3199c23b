// Library uses an [auth.Manager] directly, without HTTP. That is for a program that
// speaks another protocol, or that manages accounts from the command line.
//
//	go run ./examples/library
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

func main() {
	if err := tour(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func tour(ctx context.Context, out io.Writer) (err error) {
	// The store is a parameter: memory here, boltstore for what must last. The only
	// required setting is a secret of 32 random bytes or more. Close the Manager first,
	// then the store.
	records := memstore.New()
	defer func() { err = errors.Join(err, records.Close()) }()
	m, err := auth.New(records, auth.Config{
		Secrets: []auth.Secret{auth.Secret(rand.Text() + rand.Text())},
		Issuer:  "Example",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()

	// Attempts are counted by the client's address. Pass it with every remote call.
	ctx = auth.WithClient(ctx, auth.Client{Addr: netip.MustParseAddr("192.0.2.7")})

	// Registering makes an organization and its first admin. Errors of the input name
	// each field.
	_, err = m.Register(ctx, auth.Registration{Email: "ada@example.com", Password: "short", FullName: "Ada"})
	var input *auth.InputError
	if errors.As(err, &input) {
		fmt.Fprintln(out, "refused:", input.Fields[0].Field, input.Fields[0].Code)
	}
	ada, err := m.Register(ctx, auth.Registration{
		Email: "ada@example.com", Password: "a long and private phrase", FullName: "Ada", OrganizationName: "Engines",
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "registered:", ada.FullName, "as", ada.Role)

	// Use errors.Is to distinguish errors. A wrong password and an unknown address are
	// the same error.
	_, err = m.Login(ctx, "ada@example.com", "a wrong guess")
	fmt.Fprintln(out, "wrong password:", errors.Is(err, auth.ErrInvalidCredentials))
	login, err := m.Login(ctx, "ada@example.com", "a long and private phrase")
	if err != nil {
		return err
	}

	// A Secret does not print. Convert it to a string to use it.
	fmt.Fprintln(out, "token:", login.AccessToken.Token)
	id, err := m.VerifyAccessToken(ctx, login.AccessToken.Token)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "token of:", id.User.Email)

	// A key for a program that acts for Ada. It is returned only once.
	key, secret, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "nightly export", ExpiresIn: 90 * 24 * time.Hour})
	if err != nil {
		return err
	}
	if _, err := m.VerifyAPIKey(ctx, auth.Secret(string(secret))); err != nil {
		return err
	}
	keys, err := m.APIKeys(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "key:", keys[0].Name, "used", keys[0].Uses, "time")

	// A revoked key is rejected from the moment that the call returns.
	if err := m.RevokeAPIKey(ctx, id, key.ID); err != nil {
		return err
	}
	_, err = m.VerifyAPIKey(ctx, auth.Secret(string(secret)))
	fmt.Fprintln(out, "revoked key refused:", errors.Is(err, auth.ErrInvalidToken))

	// Calls for your program take a user's id and check no permission. Disabling Ada
	// ends every session at once.
	if err := m.DisableUser(ctx, ada.ID); err != nil {
		return err
	}
	_, err = m.VerifyAccessToken(ctx, login.AccessToken.Token)
	fmt.Fprintln(out, "disabled user refused:", errors.Is(err, auth.ErrInvalidToken))
	return nil
}
