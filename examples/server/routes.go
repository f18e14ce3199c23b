package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/pages"
)

// mount is the path of the authentication API, and browserMount that of the same for pages, with cookies.
const (
	mount        = "/v1/auth"
	browserMount = "/auth"
)

// routes mounts the authentication API, the pages, the program's own resource, which it guards, and
// what probes ask. Ready is the readiness of the program.
func routes(h *httpauth.Handler, ready func(context.Context) error, first front) (http.Handler, error) {
	mux := http.NewServeMux()
	browser := h.Browser(httpauth.BrowserConfig{})
	web, err := pages.New(browser, pages.Config{Title: "Example", API: browserMount})
	if err != nil {
		return nil, err
	}
	mux.Handle(mount+"/", http.StripPrefix(mount, h))
	mux.Handle(browserMount+"/", http.StripPrefix(browserMount, browser))
	mux.Handle("/.well-known/jwks.json", h) // where other services look for the public keys
	mux.Handle("GET /v1/agents", h.Require()(http.HandlerFunc(listAgents)))
	read := []string{"/v1/agents", "/livez", "/healthz", "/readyz"}
	files, err := first.files()
	if err != nil {
		return nil, err
	}
	for path, file := range files {
		mux.Handle("GET "+path, file) // as a pattern of net/http, GET is HEAD too
		read = append(read, path)
	}
	for _, path := range read {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", "GET, HEAD")
			h.WriteProblem(w, r, errOnlyGet)
		})
	}
	mux.HandleFunc("GET /livez", alive)
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			h.WriteProblem(w, r, err)
			return
		}
		alive(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { h.WriteProblem(w, r, auth.ErrNotFound) })
	for _, path := range web.Paths() {
		mux.Handle(path, web)
	}
	return mux, nil
}

// alive answers that the process serves. It asks nothing.
func alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, "ok\n")
}

// errOnlyGet is the answer to other methods of a path that is read only.
var errOnlyGet = &httpauth.Problem{Status: http.StatusMethodNotAllowed, Code: "only_get", Detail: "This can be read only."}

type agentList struct {
	OrganizationID string   `json:"organization_id"`
	Agents         []string `json:"agents"`
}

// listAgents shows what a guarded handler knows about its client. A real handler would
// read the agents of the organization. This one returns those that are assigned to the
// user.
func listAgents(w http.ResponseWriter, r *http.Request) {
	id, _ := auth.IdentityFrom(r.Context()) // Require has put it there
	answer, err := json.Marshal(agentList{
		OrganizationID: id.User.OrganizationID,
		Agents:         append([]string{}, id.User.AssignedAgents...), // a list, never null
	})
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(answer) // fails if the client has gone
}
