package httpauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/datixlab/auth"
)

// Errors of a request's credential. One that is there and refused is
// [auth.ErrInvalidToken].
var (
	// ErrNoCredential reports a request without a credential, or with one of a
	// scheme other than Bearer. HTTP 401.
	ErrNoCredential = errors.New("httpauth: no credential")

	// ErrManyCredentials reports a request with more than one credential
	// (RFC 6750 section 2): which of them counts must not be a guess that
	// another hop could make differently. HTTP 400.
	ErrManyCredentials = errors.New("httpauth: more than one credential")

	// ErrInsufficientScope reports an API key that is good but does not have the scope
	// that [Scope] asks for. It is an [auth.ErrForbidden] too. HTTP 403.
	ErrInsufficientScope = fmt.Errorf("httpauth: insufficient scope: %w", auth.ErrForbidden)
)

const (
	headerAuthorization = "Authorization"
	headerAPIKey        = "X-Api-Key" // in the canonical form of net/http
	maxCredential       = 8 << 10     // bytes
)

// A credential is what a request came with. It has the form of a token and
// nothing about it has been proven.
type credential struct {
	header string // the header it came in
	text   string
}

// parseCredential returns the one credential in the headers. Query, form and
// cookies are not looked at: they end in logs, or come along unasked.
func parseCredential(head http.Header) (credential, error) {
	bearers, keys := head[headerAuthorization], head[headerAPIKey]
	switch {
	case len(bearers)+len(keys) == 0:
		return credential{}, ErrNoCredential
	case len(bearers)+len(keys) > 1:
		return credential{}, ErrManyCredentials
	case len(keys) == 1:
		return tokenIn(headerAPIKey, keys[0])
	}
	scheme, token, _ := strings.Cut(bearers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return credential{}, ErrNoCredential
	}
	return tokenIn(headerAuthorization, token)
}

func tokenIn(header, text string) (credential, error) {
	if text == "" {
		return credential{}, ErrNoCredential
	}
	if len(text) > maxCredential || !isToken68(text) {
		return credential{}, fmt.Errorf("httpauth: credential is malformed: %w", auth.ErrInvalidToken)
	}
	return credential{header, text}, nil
}

// isToken68 reports whether s is one of RFC 9110 section 11.2, which is the
// b64token of RFC 6750 section 2.1.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !token68[body[i]] {
			return false
		}
	}
	return body != ""
}

// token68 has the bytes that one consists of: a look-up, since every request's are
// looked at.
var token68 = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()
