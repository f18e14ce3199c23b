package authtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

func TestAUserATokenACodeAndAKeyWorkInOneLineEach(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	alice := h.Register()
	if _, err := h.VerifyAccessToken(ctx, auth.Secret(alice.Token())); err != nil {
		t.Errorf("token: %v", err)
	}
	if _, err := h.VerifyAPIKey(ctx, auth.Secret(alice.APIKey())); err != nil {
		t.Errorf("API key: %v", err)
	}
	if codes := alice.EnableTwoFactor(); len(codes) != 10 {
		t.Errorf("%d backup codes", len(codes))
	}
	old := alice.Token()
	if alice.Login(); !alice.Identity().MultiFactor() {
		t.Error("a login with a code is not multi-factor")
	}
	h.Clock.Advance(2 * time.Hour)
	if _, err := h.VerifyAccessToken(ctx, auth.Secret(old)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("an expired token: %v", err)
	}
	if bob := h.Register(); bob.ID == alice.ID || bob.OrganizationID == alice.OrganizationID {
		t.Error("two users are one")
	}
	_ = h.Close()
	if len(h.Events.All()) == 0 {
		t.Error("no event was kept")
	}
}
