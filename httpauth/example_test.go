//go:build !race

package httpauth_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store/memstore"
)

// The handler is mounted under a prefix, which is stripped without its last slash;
// the program's own routes are guarded by the same Handler.
func Example() {
	records := memstore.New()
	defer records.Close()
	manager, err := auth.New(records, auth.Config{Secrets: []auth.Secret{"use 32 random bytes and keep them"}})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	h, err := httpauth.New(manager, httpauth.Config{})
	if err != nil {
		log.Fatal(err)
	}

	agents := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.IdentityFrom(r.Context())
		fmt.Fprintf(w, "the agents of %s", id.User.FullName)
	})
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", h))
	mux.Handle("GET /v1/agents", h.Require()(agents))

	call := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	fmt.Println(call("POST", "/v1/auth/register", `{"email":"ada@example.com","password":"SecurePass123!","full_name":"Ada Lovelace"}`).Code)
	fmt.Println(call("POST", "/v1/auth/login", `{"email":"ada@example.com","password":"SecurePass123!"}`).Code)
	refused := call("GET", "/v1/agents", "")
	fmt.Println(refused.Code, refused.Header().Get("WWW-Authenticate"))
	// Output:
	// 201
	// 200
	// 401 Bearer realm="auth"
}

// Rules say what more than a credential is needed; a program's own are functions.
func ExampleHandler_Require() {
	h, token, closing := loggedIn()
	defer closing()

	ownOrganization := func(a httpauth.Access) error {
		if a.Identity.User.OrganizationID != a.Request.PathValue("organization") {
			return auth.ErrForbidden
		}
		return nil
	}
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })
	for _, guard := range []func(http.Handler) http.Handler{
		h.Require(),
		h.Require(httpauth.SessionOnly, httpauth.Role("admin")),
		h.Require(httpauth.FreshLogin(5 * time.Minute)),
		h.Require(httpauth.MultiFactor),
		h.Require(httpauth.APIKeyOnly),
		h.Require(ownOrganization),
	} {
		r := httptest.NewRequest("DELETE", "/v1/agents/1", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		guard(ok).ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 200
	// 200
	// 401
	// 403
	// 403
}

// Check is for routers and protocols that middleware does not fit.
func ExampleHandler_Check() {
	h, token, closing := loggedIn()
	defer closing()

	serve := func(w http.ResponseWriter, r *http.Request) {
		id, err := h.Check(r, httpauth.SessionOnly)
		if err != nil {
			h.WriteProblem(w, r, err)
			return
		}
		fmt.Fprintf(w, "hello, %s", id.User.FullName)
	}
	r := httptest.NewRequest("GET", "/stream", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	serve(w, r)
	fmt.Println(w.Body)
	// Output: hello, Ada Lovelace
}

// loggedIn is a Handler and the access token of a user.
func loggedIn() (h *httpauth.Handler, token string, closing func()) {
	records := memstore.New()
	manager, err := auth.New(records, auth.Config{Secrets: []auth.Secret{"use 32 random bytes and keep them"}})
	if err != nil {
		log.Fatal(err)
	}
	h, err = httpauth.New(manager, httpauth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	post := func(path, body string) map[string]any {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		raw, _ := io.ReadAll(w.Body)
		answer, err := parseObject(raw)
		if err != nil {
			log.Fatal(err)
		}
		return answer
	}
	post("/register", `{"email":"ada@example.com","password":"SecurePass123!","full_name":"Ada Lovelace"}`)
	token, _ = post("/login", `{"email":"ada@example.com","password":"SecurePass123!"}`)["access_token"].(string)
	return h, token, func() { _ = manager.Close(); _ = records.Close() }
}
