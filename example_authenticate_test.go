//go:build !race

package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// authenticated lets a request pass that has an access token or an API key. Package httpauth
// has the same with rules for roles, scopes and fresh logins.
func authenticated(manager *auth.Manager, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		id, err := manager.Authenticate(r.Context(), auth.Secret(credential))
		if err != nil {
			http.Error(w, "not authenticated", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.WithIdentity(r.Context(), id)))
	})
}

func ExampleManager_Authenticate() {
	ctx := context.Background()
	manager, _ := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	defer manager.Close()
	_, _ = manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
	login, _ := manager.Login(ctx, "alice@example.com", "SecurePass123!")

	hello := authenticated(manager, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.IdentityFrom(r.Context())
		_, _ = fmt.Fprint(w, "hello ", id.User.FullName)
	}))
	for _, credential := range []string{string(login.AccessToken.Token), "sk_live_of_nobody"} {
		r := httptest.NewRequest("GET", "/hello", nil)
		r.Header.Set("Authorization", "Bearer "+credential)
		w := httptest.NewRecorder()
		hello.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 hello Alice
	// 401 not authenticated
}
