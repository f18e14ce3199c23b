package httpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"

	"github.com/datixlab/auth"
)

// Config is what a host may set. The zero value of every field is safe.
type Config struct {
	// TrustedProxies are the addresses whose X-Forwarded-For header is
	// believed. Empty means nobody's: the client is then the peer of the
	// connection. An IPv4 network is written as one, not as ::ffff:0:0/96.
	TrustedProxies []netip.Prefix

	// RequestIDHeader names the header that has the id of a request, for the
	// events of package auth. It is believed as it comes, so name one that a proxy
	// of yours sets on every request. Empty: the id is that of the
	// [auth.Client] in the request's context, which a host's middleware may put
	// there.
	RequestIDHeader string

	// Logger hears of failures that the client is told nothing about: a store
	// that does not answer, an unexpected error, a panic. Nil is slog.Default().
	Logger *slog.Logger
}

// A Handler serves the authentication routes and guards other routes. All its
// methods may be called by any number of goroutines.
type Handler struct {
	manager *auth.Manager
	idName  string // of the header
	proxies []netip.Prefix
	log     *slog.Logger
	routes  routing
}

// New returns a Handler over m. The error says which field of cfg is wrong. The
// Handler does not close m.
func New(m *auth.Manager, cfg Config) (*Handler, error) {
	if m == nil {
		return nil, errors.New("httpauth: no manager")
	}
	switch http.CanonicalHeaderKey(cfg.RequestIDHeader) {
	case "Authorization", "Proxy-Authorization", "X-Api-Key", "Cookie":
		return nil, fmt.Errorf("httpauth: RequestIDHeader: %s has secrets", cfg.RequestIDHeader)
	}
	for _, p := range cfg.TrustedProxies {
		if !p.IsValid() || p.Addr().Is4In6() {
			return nil, fmt.Errorf("httpauth: TrustedProxies: %v is not an IPv4 or IPv6 network", p)
		}
	}
	h := &Handler{
		manager: m,
		idName:  cfg.RequestIDHeader,
		proxies: slices.Clone(cfg.TrustedProxies),
		log:     cfg.Logger,
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	document, err := openAPI(append(table(), documentRoute(nil)))
	if err != nil {
		return nil, fmt.Errorf("httpauth: OpenAPI document: %w", err)
	}
	h.routes = newRouting(append(table(), documentRoute(document)))
	return h, nil
}

// ServeHTTP serves the routes of the package documentation. It matches the path
// as it finds it, so a host that mounts the Handler under a prefix strips that,
// without its last slash, with [http.StripPrefix].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	boundBodyTime(w, r)
	r = r.WithContext(h.withClient(r))
	var rt *route
	var answer any
	err := catchPanic(func() (err error) {
		rt, answer, err = h.serve(w, r)
		return err
	})
	if err != nil {
		h.WriteProblem(w, r, err)
		return
	}
	body, err := encode(answer)
	if err != nil {
		h.WriteProblem(w, r, err)
		return
	}
	write(w, rt.status, rt.contentType(), rt.cacheControl(), body)
}

// serve runs the call that r is. Nothing is written to w: whatever goes wrong on
// the way, a panic included, can still be answered.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (rt *route, answer any, err error) {
	rt, param, err := h.routes.find(r)
	if err != nil {
		return nil, nil, err
	}
	c := &call{Context: r.Context(), manager: h.manager, param: param}
	if err := h.authenticate(c, r, rt); err != nil {
		return nil, nil, err
	}
	if rt.call.in != nil {
		c.body, err = readBody(w, r, rt.bodyOptional)
		if err != nil {
			return nil, nil, err
		}
	}
	answer, err = rt.call.run(c)
	if rt.challenges && errors.Is(err, auth.ErrReauthenticationRequired) {
		err = &stepUp{}
	}
	return rt, answer, err
}

// authenticate fills in who makes the call, or refuses it.
func (h *Handler) authenticate(c *call, r *http.Request, rt *route) error {
	verify := h.manager.VerifyAccessToken
	if rt.enrolment {
		verify = h.manager.VerifyForEnrollment
	}
	switch rt.access {
	case anyone:
		return nil
	case anyCredential:
		return h.prove(c, r, verify, &c.identity)
	case sessionOnly:
		return h.prove(c, r, verify, &c.identity, SessionOnly)
	}
	cred, err := parseCredential(r.Header)
	if err != nil || h.isAPIKey(cred) {
		return h.prove(c, r, verify, &c.identity, SessionOnly)
	}
	c.token = cred.text
	return nil
}

// A call is one request to one of the table's endpoints.
type call struct {
	context.Context
	manager  *auth.Manager
	identity auth.Identity // zero where anyone may call
	token    string        // where access is unprovenToken
	param    string        // the path's variable
	body     []byte        // nil if the endpoint reads none, or none was sent
}

// A panicError is a panic that catchPanic turned into an error.
type panicError struct {
	value any
	stack []byte
}

// Error implements error.
func (p *panicError) Error() string { return fmt.Sprintf("httpauth: panic: %v", p.value) }

// catchPanic runs f and returns its error, or what it panicError with as one. The
// panic by which a handler asks the server to drop the connection passes.
func catchPanic(f func() error) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			err = &panicError{v, debug.Stack()}
		}
	}()
	return f()
}

func encode(answer any) ([]byte, error) {
	if ready, ok := answer.(json.RawMessage); ok {
		return ready, nil
	}
	return json.Marshal(answer)
}

// write sends an answer with the headers that every answer has. None of them
// comes from the request.
func write(w http.ResponseWriter, status int, contentType, cacheControl string, body []byte) {
	head := w.Header()
	head.Set("Cache-Control", cacheControl)
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	head.Set("Content-Type", contentType)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails if the client has gone, who then needs no answer
}
