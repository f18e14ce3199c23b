//go:build !race

package auth_test

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// A mailer writes notices as mail. It is called in order, one at a time.
type mailer struct{ out io.Writer }

func (m mailer) Notify(_ context.Context, n auth.Notice) error {
	var subject string
	switch n.Type {
	case auth.EventPasswordChanged:
		subject = "Your password was changed"
	case auth.EventLoginNewNetwork:
		subject = "Somebody logged in from a new network"
	default:
		return nil // a type that this program does not send
	}
	_, err := fmt.Fprintf(m.out, "To: %s\nSubject: %s\n\nDear %s, was it you?\n", n.To, subject, n.Name)
	return err
}

func ExampleNotifier() {
	ctx := context.Background()
	manager, _ := auth.New(memstore.New(), auth.Config{
		Secrets:  []auth.Secret{"32 random bytes or more, for an example"},
		Notifier: mailer{os.Stdout},
	})
	alice, _ := manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
	_ = manager.SetPassword(ctx, alice.ID, "Another-Pass-456!")
	_ = manager.Close() // waits for the notices
	// Output:
	// To: alice@example.com
	// Subject: Your password was changed
	//
	// Dear Alice, was it you?
}
