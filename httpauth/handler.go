package httpauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/datixlab/auth"
)

// Config is what your program may set. The zero value of every field is safe.
type Config struct {
	// URL is the public address at which the Handler is mounted, such as
	// "https://example.com/v1/auth": an absolute http or https URL without user, query
	// and fragment. The OpenAPI document names it as the server. Empty: the document
	// names the path that it was asked for, without host, which is right unless
	// something in front of this process rewrites paths.
	URL string

	// Without are the groups of routes that are not served. Their paths are answered with
	// 404, and the OpenAPI document does not contain them.
	Without []Tag

	// TrustedProxies are the addresses whose X-Forwarded-For header is believed. Empty:
	// none, and the client is the peer of the connection. Write an IPv4 network as such,
	// and not as part of ::ffff:0:0/96.
	TrustedProxies []netip.Prefix

	// RequestIDHeader names the header that has the id of a request, for the
	// events of package auth. Its value is not verified, so name one that a proxy
	// of yours sets on every request. Empty: the id is that of the auth.Client in
	// the request's context, where middleware of yours may put it.
	RequestIDHeader string

	// Logger receives failures whose details are not sent to the client: a store that does
	// not answer, an unexpected error, a panic. Nil: slog.Default().
	Logger *slog.Logger
}

// A Handler serves the authentication routes and guards other routes. Any number of goroutines
// may call its methods.
type Handler struct {
	manager  *auth.Manager
	url      string // Config.URL without its last slash
	idName   string // of the header
	proxies  []netip.Prefix
	log      *slog.Logger
	routes   routing
	document *document
	jwks     *published
	mounted  atomic.Bool // whether a path had a route, or warnOfPrefix has logged
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
	h := &Handler{
		manager: m,
		idName:  cfg.RequestIDHeader,
		proxies: slices.Clone(cfg.TrustedProxies),
		log:     cfg.Logger,
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
	if h.document, err = openAPI(routes, m.InputLimits()); err != nil {
		return nil, fmt.Errorf("httpauth: OpenAPI document: %w", err)
	}
	return h, nil
}

// ServeHTTP serves the routes of the package documentation. It matches the path as it is in r.
// If you mount the Handler under a prefix, remove the prefix with [http.StripPrefix], without
// its last slash. The first 404 that a prefix may have caused is logged.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	boundBodyTime(w, r)
	r = r.WithContext(h.withClient(r))
	var res response
	err := catchPanic(func() (err error) {
		res, err = h.serve(w, r)
		return err
	})
	if err != nil {
		h.WriteProblem(w, r, err)
		return
	}
	if res.allow != "" {
		w.Header().Set("Allow", res.allow)
	}
	if res.etag != "" {
		w.Header().Set("ETag", res.etag)
	}
	write(w, r, res.status, res.contentType, res.cacheControl, res.body)
}

// A response is the answer to a request that is not refused.
type response struct {
	status       int
	contentType  string // "": no body
	cacheControl string
	body         []byte
	allow, etag  string // headers, unless ""
}

// serve runs the call that r makes and returns its answer. It does not write the answer to w.
// So a failure at any step, a panic included, can still be answered.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (res response, err error) {
	n, values := h.routes.find(r)
	if n == nil {
		h.warnOfPrefix(r)
		return res, &refusal{code: CodeNotFound}
	}
	if !h.mounted.Load() {
		h.mounted.Store(true)
	}
	if r.Method == http.MethodOptions {
		return response{status: http.StatusNoContent, cacheControl: noStore, allow: n.allow}, nil
	}
	rt := n.route(r.Method)
	if rt == nil {
		return res, &refusal{code: CodeMethodNotAllowed, allow: n.allow}
	}
	c := &call{Context: r.Context(), manager: h.manager, route: rt, values: values, query: r.URL.RawQuery, uri: r.RequestURI}
	if err := h.authenticate(c, r, rt); err != nil {
		return res, err
	}
	if err := checkQuery(c.query); err != nil {
		return res, err
	}
	if rt.call.body != nil {
		c.body, err = readBody(w, r, rt.bodyOptional)
		if err != nil {
			return res, err
		}
	}
	answer, err := rt.call.run(c)
	if rt.challenges && errors.Is(err, auth.ErrReauthenticationRequired) {
		err = &stepUp{}
	}
	if err != nil {
		return res, err
	}
	res = response{status: rt.status, contentType: rt.contentType(), cacheControl: rt.cacheControl()}
	p, ok := answer.(*published)
	if !ok {
		res.body, err = json.Marshal(answer)
		return res, err
	}
	res.body, res.etag = p.body, p.etag
	if matchesETag(r.Header["If-None-Match"], res.etag) {
		res.status, res.contentType, res.body = http.StatusNotModified, "", nil
	}
	return res, nil
}

// warnOfPrefix logs, once, that a path without a route ends in the path of one, if no path
// had a route yet: the prefix is right where one had. It logs the path of that route and
// nothing else of the request.
func (h *Handler) warnOfPrefix(r *http.Request) {
	if h.mounted.Load() || r.URL.RawPath != "" {
		return
	}
	path := h.routes.endOf(r.URL.Path)
	if path == "" || h.mounted.Swap(true) {
		return
	}
	h.log.LogAttrs(r.Context(), slog.LevelWarn,
		"httpauth: a path that is not served ends in that of a route; mount the Handler with http.StripPrefix and a prefix without a slash at its end",
		slog.String("route", path))
}

// authenticate sets the identity or the token of c, or returns why the call is refused.
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
	identity auth.Identity // zero for a route without a credential
	token    string        // for a route with unprovenToken
	route    *route
	values   []string // of the path's variables
	query    string   // as the client sent it
	body     []byte   // nil if the endpoint reads none, or none was sent
	uri      string   // of the request, as the client sent it
}

// variable returns the identifier that the path has for a variable of the route.
func (c *call) variable(name string) string { return c.values[slices.Index(c.route.variables, name)] }

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

// longBody is the longest body, in bytes, for which net/http sets Content-Length by itself.
const longBody = 2048

// write sends an answer with the headers that every answer has. None of them
// comes from the request. Without a contentType there is no body. HEAD has the headers of
// GET.
func write(w http.ResponseWriter, r *http.Request, status int, contentType, cacheControl string, body []byte) {
	head := w.Header()
	head.Set("Cache-Control", cacheControl)
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	isHead := r.Method == http.MethodHead
	if contentType != "" {
		head.Set("Content-Type", contentType)
		if head.Get("Content-Encoding") == "" && (isHead || len(body) > longBody) {
			head.Set("Content-Length", strconv.Itoa(len(body)))
		}
	}
	w.WriteHeader(status)
	if !isHead {
		_, _ = w.Write(body) // an error means that the client has gone
	}
}

// A published is the answer of a public route. It is made once and sent many times.
type published struct {
	body []byte // JSON
	etag string // a strong validator of body (RFC 9110 section 8.8.3)
}

// publish returns body as the answer of a public route.
func publish(body []byte) *published {
	sum := sha256.Sum256(body)
	return &published{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`}
}

// matchesETag reports whether one of the lines of If-None-Match has tag, which has no
// comma in it (RFC 9110 section 13.1.2).
func matchesETag(lines []string, tag string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.Trim(one, " \t")
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
