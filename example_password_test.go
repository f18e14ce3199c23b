//go:build !race

package auth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// resetLinks are the links that were sent, each with its user. A program keeps digests of
// them, and lets each end after an hour.
type resetLinks map[string]string

// reset sets a new password if the link was sent and not used.
func (links resetLinks) reset(ctx context.Context, manager *auth.Manager, link string, password auth.Secret) error {
	userID, sent := links[link]
	if !sent {
		return errors.New("the link was used, or is not of this program")
	}
	delete(links, link)
	return manager.SetPassword(ctx, userID, password)
}

// A user has forgotten their password, and gets a link by mail.
func ExampleManager_SetPassword() {
	ctx := context.Background()
	manager, _ := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	defer manager.Close()
	_, _ = manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})

	links := resetLinks{}
	if user, err := manager.UserByEmail(ctx, "alice@example.com"); err == nil { // the answer to the client is the same
		links[rand.Text()] = user.ID
	}
	for link := range links { // what Alice finds in her mail
		fmt.Println(links.reset(ctx, manager, link, "Another-Pass-456!"))
		fmt.Println(links.reset(ctx, manager, link, "a stranger's password"))
	}
	_, err := manager.Login(ctx, "alice@example.com", "Another-Pass-456!")
	fmt.Println(err)
	// Output:
	// <nil>
	// the link was used, or is not of this program
	// <nil>
}
