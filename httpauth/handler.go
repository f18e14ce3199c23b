package httpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth"
)

// A Handler serves the authentication routes and guards other routes. Any number of goroutines
// may call its methods.
type Handler struct {
	manager  *auth.Manager
	url      string // Config.URL without its last slash
	idName   string // of the header
	proxies  []netip.Prefix
	log      *slog.Logger
	proven   func(*http.Request, auth.Identity)  // Config.OnIdentity, or nil
	who      func(*http.Request) (string, error) // of an Admin; nil for any other
	routes   routing
	document *document
	jwks     *published
	mounted  atomic.Bool // whether a path had a route, or warnOfPrefix has logged
	reached  *reached
	names    *cookieNames // of a Browser; nil for any other
	without  []Tag
	origins  []string   // Config.AllowedOrigins
	examined []*Handler // of an Admin: those that its doctor looks at
}

// New returns a Handler over m. The error says which field of cfg is wrong. The
// Handler does not close m.
func New(m *auth.Manager, cfg Config) (*Handler, error) { return newHandler(m, cfg) }

// newHandler is New with more routes in the table.
func newHandler(m *auth.Manager, cfg Config, more ...route) (*Handler, error) {
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
	if err := checkOrigins(cfg.AllowedOrigins); err != nil {
		return nil, err
	}
	h := &Handler{
		manager: m,
		idName:  cfg.RequestIDHeader,
		proxies: slices.Clone(cfg.TrustedProxies),
		log:     cfg.Logger,
		proven:  cfg.OnIdentity,
		without: slices.Clone(cfg.Without),
		origins: slices.Clone(cfg.AllowedOrigins),
		reached: new(reached),
		jwks:    publish(m.JWKS()),
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	var err error
	if h.url, err = publicURL(cfg.URL); err != nil {
		return nil, err
	}
	routes, err := served(append(h.table(), more...), m, cfg.Without)
	if err != nil {
		return nil, err
	}
	h.routes = newRouting(routes)
	if h.document, err = openAPI(aboutPublic, routes, m.InputLimits()); err != nil {
		return nil, fmt.Errorf("httpauth: OpenAPI document: %w", err)
	}
	return h, nil
}

// ServeHTTP serves the routes of the package documentation. It matches the path as it is in r.
// If you mount the Handler under a prefix, remove the prefix with [http.StripPrefix], without
// its last slash. The first 404 that a prefix may have caused is logged.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	boundBodyTime(w, r)
	h.allowOrigin(w, r)
	if h.names != nil {
		w.Header()["Cross-Origin-Resource-Policy"] = sameOrigin
	}
	ctx := r.Context()
	if h.who == nil { // what an operator does counts on no network
		ctx = h.withClient(r)
	}
	var res response
	err := catchPanic(func() (err error) {
		if err := h.refuseOtherOrigins(ctx, r); err != nil {
			return err
		}
		if h.who != nil {
			if ctx, err = h.admit(r); err != nil {
				ctx = r.Context()
				return err
			}
		}
		res, err = h.serve(ctx, w, r)
		return err
	})
	if err != nil {
		h.discard(w, r, err)
		h.WriteProblem(w, r.WithContext(ctx), err)
		return
	}
	if res.allow != "" {
		w.Header().Set("Allow", res.allow)
		allowPreflight(w.Header(), res.allow)
	}
	if res.etag != "" {
		w.Header().Set("ETag", res.etag)
	}
	if res.public && h.names == nil {
		allowReading(w.Header(), r.Method == http.MethodOptions)
	}
	write(w, r, res.status, res.contentType, res.cacheControl, res.body)
	if res.stream != nil && r.Method != http.MethodHead {
		if err := res.stream(patient{w}); err != nil {
			h.logFailure(r.WithContext(ctx), http.StatusServiceUnavailable, CodeUnavailable, err)
			panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
		}
	}
}

// serve runs the call that r makes in ctx and returns its answer. It does not write the answer
// to w. So a failure at any step, a panic included, can still be answered. The request is not
// copied for ctx: the copy would cost as much as the check.
func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) (res response, err error) {
	n, values := h.routes.find(r)
	if n == nil {
		h.warnOfPrefix(ctx, r)
		return res, &refusal{code: CodeNotFound}
	}
	if r.Method == http.MethodOptions {
		get := n.route(http.MethodGet)
		return response{status: http.StatusNoContent, cacheControl: notStored, allow: n.allow, public: get != nil && get.public}, nil
	}
	rt := n.route(r.Method)
	if rt != nil && !rt.public && !h.mounted.Load() { // public routes may be mounted a second time, elsewhere
		h.mounted.Store(true)
	}
	if rt == nil {
		return res, &refusal{code: CodeMethodNotAllowed, allow: n.allow}
	}
	c := &call{Context: ctx, manager: h.manager, route: rt, values: values, query: r.URL.RawQuery, uri: r.RequestURI}
	if h.names != nil {
		c.cookies = &cookies{names: h.names, r: r, now: h.manager.Now()}
	}
	if err := h.authenticate(c, r, rt); err != nil {
		return res, err
	}
	if rt.access == operatorOnly {
		c.connection = connectionOf(r)
	}
	if rt.long {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	}
	TellReplaced(w.Header(), c.identity)
	if rt.call.body != nil {
		c.body, err = readBody(w, r, rt.bodyOptional)
		if err != nil {
			return res, err
		}
	}
	answer, err := rt.call.run(c)
	if c.cookies != nil {
		c.cookies.write(w)
	}
	if rt.challenges && errors.Is(err, auth.ErrReauthenticationRequired) {
		err = &stepUp{}
	}
	if err != nil {
		return res, err
	}
	res = response{status: rt.status, contentType: rt.contentType(), cacheControl: rt.cacheControl(), public: rt.public}
	var p *published
	switch answer := answer.(type) {
	case *published:
		p = answer
	case stream:
		res.stream = answer
		return res, nil
	case appender:
		res.body = answer.appendJSON()
		return res, nil
	default:
		res.body, err = json.Marshal(answer)
		return res, err
	}
	res.body, res.etag = p.body, p.etag
	if matchesETag(r.Header["If-None-Match"], res.etag) {
		res.status, res.contentType, res.body = http.StatusNotModified, nil, nil
	}
	return res, nil
}

// warnOfPrefix logs, once, that a path without a route ends in the path of one. It does not
// if a prefix was stripped with its slash left, or if a path had a route before: then the
// mount is right. It logs the path of that route and nothing else of the request.
func (h *Handler) warnOfPrefix(ctx context.Context, r *http.Request) {
	if h.mounted.Load() || r.URL.RawPath != "" || stripped(r) {
		return
	}
	path := h.routes.endOf(r.URL.Path)
	if path == "" || h.mounted.Swap(true) {
		return
	}
	h.log.LogAttrs(ctx, slog.LevelWarn,
		"httpauth: a path that is not served ends in that of a route; mount the Handler with http.StripPrefix and a prefix without a slash at its end",
		slog.String("route", path))
}

// stripped reports whether a prefix was taken from the path of r, and its slash was left.
func stripped(r *http.Request) bool {
	asked, err := url.ParseRequestURI(r.RequestURI)
	return err == nil && strings.HasPrefix(r.URL.Path, "/") && asked.Path != r.URL.Path && strings.HasSuffix(asked.Path, r.URL.Path)
}

// authenticate sets the identity or the token of c, or returns why the call is refused.
func (h *Handler) authenticate(c *call, r *http.Request, rt *route) error {
	verify := h.manager.VerifyAccessToken
	if rt.enrolment {
		verify = h.manager.VerifyForEnrollment
	}
	switch rt.access {
	case anyone, operatorOnly: // of whom admit has asked
		return nil
	case anyCredential:
		return h.prove(c, r, verify, &c.identity)
	case sessionOnly:
		return h.prove(c, r, verify, &c.identity, SessionOnly)
	}
	cred, err := h.credential(r)
	if err != nil || h.isAPIKey(cred) {
		return h.prove(c, r, verify, &c.identity, SessionOnly)
	}
	c.token = cred.text
	return nil
}

// A panicError is a panic that catchPanic turned into an error.
type panicError struct {
	value any
	stack []byte
}

// Error implements error.
func (p *panicError) Error() string { return fmt.Sprintf("httpauth: panic: %v", p.value) }

// catchPanic runs f and returns its error, or a panicError if it panics. It passes on
// http.ErrAbortHandler, by which a handler makes the server drop the connection.
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
