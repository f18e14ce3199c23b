package httpauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/datixlab/auth"
)

// An Admin serves what operators do: see and change every account and organization, and the store.
// Its routes are those of the [NewAdmin] documentation. Any number of goroutines may call it.
type Admin struct{ h *Handler }

// NewAdmin returns the administration of m. Mount it on a listener of its own, such as a Unix socket,
// and never beside the routes of [New]. The error is about an argument that is missing.
//
// Who decides who may call. It is asked on every request, before anything else is looked at, and
// there is no default. The actor that it returns names the operator: Event.Actor of what the
// operator does, without a secret and an email address. If it returns an error the request is refused,
// as by a [Rule] of your own: [auth.ErrForbidden] is 403, [ErrNoCredential] and [auth.ErrInvalidToken]
// are 401, a [Problem] is itself, and anything else is 500. No error and no actor is 500 too. If
// users of your service may be operators, call [Handler.Check] in it, with rules.
//
// Two things are refused before it is asked:
//   - An API key, with 403: a key is a program's, and belongs to a user.
//   - What a page of another origin may have sent, with 403. A request that changes something passes
//     net/http's CrossOriginProtection. Without TLS or a Unix socket, the Host must be an IP address or
//     localhost: with DNS rebinding, a page calls this machine by a name of its own, and sends any
//     header it likes. If who asks for a secret in every case, and a proxy in front keeps another Host,
//     replace it in front of the Admin.
//
// The routes:
//
//	GET    /users                          a page of all, with email of one, with organization_id of its members
//	POST   /users                          makes an account
//	POST   /users/import                   makes an account of another system, or with dry_run says whether it could
//	GET    /users/{user_id}                the account, with sessions, devices, API keys, second factor and locks
//	PATCH  /users/{user_id}                changes the email, the name, or whether the email is verified
//	POST   /users/{user_id}/disable        and /enable, /unlock, /reset-2fa, /revoke-sessions, /send-reset, /role, /delete
//	DELETE /users/{user_id}/api-keys/{key_id}
//	GET    /organizations                  a page of all
//	POST   /revoke-all                     ends every session and API key
//	GET    /backup                         a copy of the store while it is in use, if the store makes one
//	GET    /doctor                         how the service and its store are
//	GET    /stats                          numbers of this process
//	GET    /openapi.json                   the document of these routes
//
// Bodies, answers and problems are as those of a [Handler]. Failures are logged to slog.Default().
// [Admin.Examine] shows the doctor how the service is reached.
func NewAdmin(m *auth.Manager, who func(*http.Request) (actor string, err error)) (*Admin, error) {
	if m == nil {
		return nil, errors.New("httpauth: no manager")
	}
	if who == nil {
		return nil, errors.New("httpauth: NewAdmin needs a function that says who may call")
	}
	h := &Handler{manager: m, log: slog.Default(), who: who, reached: new(reached)}
	routes := h.adminTable()
	h.routes = newRouting(routes)
	var err error
	if h.document, err = openAPI(aboutAdmin, routes, m.InputLimits()); err != nil {
		return nil, fmt.Errorf("httpauth: OpenAPI document: %w", err)
	}
	return &Admin{h}, nil
}

// ServeHTTP implements [http.Handler]. It matches the path as it is in r: see [Handler.ServeHTTP].
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.h.ServeHTTP(w, r) }

// WriteProblem answers r with err as [Handler.WriteProblem] does, for what is mounted beside an Admin.
func (a *Admin) WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	a.h.WriteProblem(w, r, err)
}

// sameSite refuses what a browser sends for a page of another origin.
var sameSite = http.NewCrossOriginProtection()

// admit returns the context of a request to the administration, with its actor.
func (h *Handler) admit(r *http.Request) (context.Context, error) {
	ctx := r.Context()
	if err := refuseAsAdmin(h, r); err != nil {
		h.manager.ReportDenied(ctx, auth.Identity{}, string(codeOf(err)))
		return nil, err
	}
	actor, err := h.who(r)
	switch {
	case err != nil:
		h.manager.ReportDenied(ctx, auth.Identity{}, string(codeOf(err)))
		if errors.Is(err, ErrNoCredential) { // what is sent here is up to who, and no API key
			err = &refusal{code: CodeAuthenticationRequired, detail: "Send what this administration asks for, such as Authorization: Bearer, a space, the token."}
		}
		return nil, err
	case strings.TrimSpace(actor) == "":
		return nil, errors.New("httpauth: the function of NewAdmin returned no actor and no error")
	}
	return auth.WithActor(ctx, actor), nil
}

// refuseAsAdmin returns why a request is refused whoever sends it, or nil.
func refuseAsAdmin(h *Handler, r *http.Request) error {
	cred, err := parseCredential(r.Header)
	switch {
	case errors.Is(err, ErrManyCredentials):
		return err
	case err == nil && h.isAPIKey(cred):
		return &refusal{code: CodeForbidden, detail: "An API key administers nothing."}
	case sameSite.Check(r) != nil:
		return &refusal{code: CodeForbidden, detail: "A page of another origin may not send this."}
	case !ownName(r):
		return &refusal{code: CodeForbidden, detail: "Without TLS, Host must be an IP address or localhost."}
	}
	return nil
}

// ownName reports whether no page of a browser can have sent r under a name of its own, which
// resolves to this machine (DNS rebinding). A page cannot reach a Unix socket, and has no certificate
// for its name here. An Authorization proves nothing yet: such a page can send one too.
func ownName(r *http.Request) bool {
	if r.TLS != nil || onUnixSocket(r) {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// onUnixSocket reports whether r came by a Unix socket.
func onUnixSocket(r *http.Request) bool {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr != nil && strings.HasPrefix(addr.Network(), "unix")
}
