//go:build !race

package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// serveLogin is a login without package httpauth. It says where the request comes from, since
// attempts are counted by the client's network.
func serveLogin(manager *auth.Manager, w http.ResponseWriter, r *http.Request) {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	ctx := auth.WithClient(r.Context(), auth.Client{Addr: from.Addr(), UserAgent: r.UserAgent()})

	login, err := manager.Login(ctx, r.FormValue("email"), auth.Secret(r.FormValue("password")))
	var limited *auth.RetryError
	switch {
	case errors.As(err, &limited):
		w.Header().Set("Retry-After", strconv.Itoa(int(limited.After.Seconds())+1))
		http.Error(w, "try again later", http.StatusTooManyRequests)
	case err != nil:
		http.Error(w, "wrong email or password", http.StatusUnauthorized)
	default:
		_, _ = fmt.Fprint(w, string(login.AccessToken.Token))
	}
}

func ExampleWithClient() {
	manager, _ := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	defer manager.Close()

	for range 6 {
		r := httptest.NewRequest("POST", "/login?email=alice@example.com&password=a-guess", nil)
		r.RemoteAddr = "203.0.113.9:50123"
		w := httptest.NewRecorder()
		serveLogin(manager, w, r)
		fmt.Print(w.Code, " ")
	}
	// Output: 401 401 401 401 401 429
}
