package httpauth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Pages of other origins send tokens in headers, never cookies: CORS is answered without credentials.
const (
	corsAllowedHeaders = "Authorization, Content-Type, If-None-Match, X-API-Key"
	corsExposedHeaders = "Deprecation, ETag, Retry-After, Sunset, WWW-Authenticate"
	corsMaxAge         = "600"
)

// checkOrigins returns what is wrong with Config.AllowedOrigins.
func checkOrigins(origins []string) error {
	for _, origin := range origins {
		if !isOrigin(origin) {
			return fmt.Errorf("httpauth: AllowedOrigins: %q is not an origin as browsers send it, such as https://app.example.com: in lower case and ASCII, without path and default port", origin)
		}
	}
	return nil
}

// isOrigin reports whether text is the serialization of an origin (RFC 6454, 6.2).
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != text || strings.HasSuffix(u.Host, ":") {
		return false
	}
	if port := u.Port(); port != "" && port == defaultPorts[u.Scheme] {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsUpper(r) || r == '*' })
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// allowOrigin lets a page of Config.AllowedOrigins read the answer to r, whatever it is. Middleware that
// has decided already has precedence.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	if h.origins == nil || head.Get("Access-Control-Allow-Origin") != "" {
		return
	}
	head.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); slices.Contains(h.origins, origin) {
		head.Set("Access-Control-Allow-Origin", origin)
		head.Set("Access-Control-Expose-Headers", corsExposedHeaders)
	}
}

// allowPreflight adds what a preflight asks for, if allowOrigin has let the page read the answer.
func allowPreflight(head http.Header, methods string) {
	if head.Get("Access-Control-Allow-Origin") == "" || head.Get("Access-Control-Allow-Methods") != "" {
		return
	}
	head.Del("Access-Control-Expose-Headers")
	head.Set("Access-Control-Allow-Methods", methods)
	head.Set("Access-Control-Allow-Headers", corsAllowedHeaders)
	head.Set("Access-Control-Max-Age", corsMaxAge)
}

// allowReading lets pages of any origin read a public answer and its ETag. It answers their
// preflights too, which a page's If-None-Match causes. Middleware that has decided already has
// precedence: it may allow credentials, which "*" does not go with.
func allowReading(head http.Header, preflight bool) {
	if head.Get("Access-Control-Allow-Origin") != "" {
		return
	}
	head.Set("Access-Control-Allow-Origin", "*")
	if !preflight {
		head.Set("Access-Control-Expose-Headers", "ETag")
		return
	}
	head.Set("Access-Control-Allow-Methods", "GET, HEAD")
	head.Set("Access-Control-Allow-Headers", "*, Authorization") // of clients that send it everywhere
	head.Set("Access-Control-Max-Age", "7200")
}
