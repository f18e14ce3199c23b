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
)

// A credential is what a request came with, any text. The Manager compares all of it, so
// nothing is gained by a look at its characters before that.
type credential struct {
	header string // the header it came in
	text   string
}

// parseCredential returns the one credential in the headers. Query, form and
// cookies are not looked at: they end in logs, or come along unasked.
func parseCredential(head http.Header) (c credential, err error) {
	bearers, keys := head[headerAuthorization], head[headerAPIKey]
	switch {
	case len(bearers)+len(keys) > 1:
		return c, ErrManyCredentials
	case len(keys) == 1:
		c = credential{headerAPIKey, keys[0]}
	case len(bearers) == 1:
		if scheme, token, _ := strings.Cut(bearers[0], " "); strings.EqualFold(scheme, "Bearer") {
			c = credential{headerAuthorization, token}
		}
	}
	if c.text == "" {
		return credential{}, ErrNoCredential
	}
	return c, nil
}
