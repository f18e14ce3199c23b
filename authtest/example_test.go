package authtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// A test of your program: a report can be read with a token that has not expired.
func ExampleNew() {
	var t *testing.T // what the test function is called with
	h := authtest.New(t)
	alice := h.Register()

	if _, err := readReport(h.Manager, alice.Token()); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(2 * time.Hour) // longer than Config.AccessTokenTTL
	if _, err := readReport(h.Manager, alice.Token()); !errors.Is(err, auth.ErrInvalidToken) {
		t.Fatalf("got %v, want %v", err, auth.ErrInvalidToken)
	}
}

// readReport is the code under test.
func readReport(manager *auth.Manager, token string) (string, error) {
	id, err := manager.VerifyAccessToken(context.Background(), auth.Secret(token))
	if err != nil {
		return "", err
	}
	return "the report of " + id.User.FullName, nil
}
