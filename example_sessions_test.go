//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// loginFrom logs Alice in on a device.
func loginFrom(ctx context.Context, manager *auth.Manager, device string) (auth.LoginResult, error) {
	ctx = auth.WithClient(ctx, auth.Client{UserAgent: device})
	return manager.Login(ctx, "alice@example.com", "SecurePass123!")
}

// A user sees where they are logged in, and ends the session of a phone that was lost.
func ExampleManager_Sessions() {
	ctx := context.Background()
	manager, _ := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	defer manager.Close()
	alice, _ := manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
	phone, _ := loginFrom(ctx, manager, "phone")
	laptop, _ := loginFrom(ctx, manager, "laptop")

	sessions, err := manager.Sessions(ctx, alice.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range sessions { // the newest first
		fmt.Println(s.Client.UserAgent, s.AMR)
		if s.Client.UserAgent == "phone" {
			_ = manager.RevokeSession(ctx, alice.ID, s.ID)
		}
	}
	_, err = manager.VerifyAccessToken(ctx, phone.AccessToken.Token)
	fmt.Println("phone:", errors.Is(err, auth.ErrInvalidToken))
	_, err = manager.VerifyAccessToken(ctx, laptop.AccessToken.Token)
	fmt.Println("laptop:", err)
	// Output:
	// laptop [pwd]
	// phone [pwd]
	// phone: true
	// laptop: <nil>
}
