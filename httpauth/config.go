package httpauth

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/datixlab/auth"
)

// Config is what your program may set. The zero value of every field is safe.
type Config struct {
	// URL is the public address at which the Handler is mounted, such as
	// "https://example.com/v1/auth": an absolute http or https URL without user, query
	// and fragment. The OpenAPI document names it as the server. Empty: the document
	// names the path that it was asked for, without host, which is right unless
	// something in front of this process rewrites paths. A slash at the end is dropped;
	// New refuses any other form.
	URL string

	// Without are the tags of the groups of routes that are not served. Their paths are
	// answered with 404, and the OpenAPI document does not contain them. Nil: every group
	// is served. New refuses a tag that does not exist.
	Without []Tag

	// TrustedProxies are the addresses whose X-Forwarded-For header is believed. Empty:
	// none, and the client is the peer of the connection. Write an IPv4 network as such,
	// and not as part of ::ffff:0:0/96. A proxy that is not named makes all its clients
	// share one budget of attempts, and is logged once.
	TrustedProxies []netip.Prefix

	// AllowedOrigins are the origins whose pages may call the Handler with a token in a header, and
	// read its answers (CORS): such as "https://app.example.com", exactly as a browser sends them. Cookies
	// are not allowed, and there is no pattern. Any other page can read the public routes alone. It
	// is about the routes of the Handler: for your own routes use middleware. Empty: none.
	AllowedOrigins []string

	// RequestIDHeader names the header that has the id of a request, for the
	// events of package auth. Its value is not verified, so name one that a proxy
	// of yours sets on every request. Empty: the id is that of the auth.Client in
	// the request's context, where middleware of yours may put it.
	RequestIDHeader string

	// OnIdentity is called once for each request whose credential is proven, by the Handler,
	// [Handler.Require] and [Handler.Check]. The rules come after it, so it also sees a
	// request that a rule refuses. It is for an access log or a trace outside of the guard,
	// whose request has no identity: the log puts a pointer into the context, and OnIdentity
	// finds it in that of r. It decides nothing: to refuse, write a [Rule]. It must not wait,
	// and not write to the slices of id. Any number of goroutines call it. It is not called for
	// login, verify-2fa and refresh: their credential is proven while they answer. Nil: none.
	OnIdentity func(r *http.Request, id auth.Identity)

	// Logger receives failures whose details are not sent to the client: a store that does
	// not answer, an unexpected error, a panic. Nil: slog.Default().
	Logger *slog.Logger
}

// publicURL returns Config.URL without the slash at its end.
func publicURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") {
		return "", errors.New("httpauth: URL: an absolute http or https URL without user, query and fragment is needed")
	}
	mount := strings.TrimRight(u.Path, "/")
	if mount != "" && mount != path.Clean(mount) || strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", errors.New("httpauth: URL: a path without empty and dot segments, and a host in ASCII (an A-label) are needed")
	}
	return strings.TrimRight(u.String(), "/"), nil
}
