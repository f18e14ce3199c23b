package main

import (
	"encoding/json"
	"net/http"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// mount is the path of the authentication API.
const mount = "/v1/auth"

// routes mounts the authentication API and the program's own resource, which it guards.
func routes(h *httpauth.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, h))
	mux.Handle("/.well-known/jwks.json", h) // where other services look for the public keys
	mux.Handle("GET /v1/agents", h.Require()(http.HandlerFunc(listAgents)))
	return mux
}

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
