// Protect guards the routes of a program with package httpauth. One route accepts any
// credential, one asks for a role, one for an API key with a scope, and one for a fresh
// login.
//
//	go run ./examples/protect
//
// It keeps everything in memory and prints the credentials of a user to try it with.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store/memstore"
)

func main() {
	// A real program reads its secret from a safe place. With a new one at every start,
	// every start ends all sessions.
	manager, err := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{auth.Secret(rand.Text() + rand.Text())}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := httpauth.New(manager, httpauth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := introduce(manager); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:              "127.0.0.1:8081",
		Handler:           routes(guard),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}

// routes is what your program writes: its own routes on its own mux. In front of each
// are the rules that a request must satisfy.
func routes(guard *httpauth.Handler) http.Handler {
	mux := http.NewServeMux()

	// The authentication API itself. StripPrefix takes the prefix without its last
	// slash.
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", guard))

	// Any credential will do: an access token or an API key.
	anyone := guard.Require()
	mux.Handle("GET /reports", anyone(answer("reports")))

	// Rules are applied in order, and all of them must hold. The role is what the user
	// has now, not what they had when the token was made.
	admins := guard.Require(httpauth.SessionOnly, httpauth.Role("admin"))
	mux.Handle("GET /members", admins(answer("members")))

	// For programs: an API key with this scope, and no session of a person. A key
	// without scopes passes too.
	programs := guard.Require(httpauth.APIKeyOnly, httpauth.Scope("imports:write"))
	mux.Handle("POST /imports", programs(answer("import begun")))

	// What cannot be undone needs a login of the last five minutes.
	fresh := guard.Require(httpauth.Role("admin"), httpauth.FreshLogin(5*time.Minute))
	mux.Handle("DELETE /organization", fresh(answer("organization deleted")))

	// Your program's own rule is a function. Its error decides the answer.
	customers := guard.Require(func(a httpauth.Access) error {
		if len(a.Identity.User.AssignedAgents) == 0 {
			return fmt.Errorf("no agents are assigned: %w", auth.ErrForbidden)
		}
		return nil
	})
	mux.Handle("GET /agents", customers(answer("agents")))
	return mux
}

// answer is a handler behind a guard. It need not check the credential again.
func answer(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.IdentityFrom(r.Context())
		fmt.Fprintf(w, "%s, for %s\n", what, id.User.FullName)
	})
}

// introduce makes a user and prints how to call the routes as that user.
func introduce(m *auth.Manager) error {
	ctx := context.Background()
	password := auth.Secret(rand.Text())
	user, err := m.Register(ctx, auth.Registration{Email: "ada@example.com", Password: password, FullName: "Ada"})
	if err != nil {
		return err
	}
	login, err := m.Login(ctx, user.Email, password)
	if err != nil {
		return err
	}
	id, err := m.VerifyAccessToken(ctx, login.AccessToken.Token)
	if err != nil {
		return err
	}
	_, key, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "example", Scopes: &[]string{"imports:write"}})
	if err != nil {
		return err
	}
	fmt.Printf("TOKEN=%s\nKEY=%s\n", string(login.AccessToken.Token), string(key))
	fmt.Println(`curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8081/members`)
	fmt.Println(`curl -X POST -H "X-API-Key: $KEY" http://127.0.0.1:8081/imports`)
	return nil
}
