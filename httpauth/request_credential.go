package httpauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/datixlab/auth"
)

// Errors of a request's credential. The error of a credential that is rejected is
// auth.ErrInvalidToken.
var (
	// ErrNoCredential reports a request without a credential, or with one of a
	// scheme other than Bearer. HTTP 401.
	ErrNoCredential = errors.New("httpauth: no credential")

	// ErrManyCredentials reports a request with more than one credential (RFC 6750 section
	// 2). Another program on the way could choose another one of them. HTTP 400.
	ErrManyCredentials = errors.New("httpauth: more than one credential")

	// ErrInsufficientScope reports a valid API key without the scope that the rule Scope
	// requires. It is an auth.ErrForbidden too. HTTP 403.
	ErrInsufficientScope = fmt.Errorf("httpauth: insufficient scope: %w", auth.ErrForbidden)
)

const (
	headerAuthorization = "Authorization"
	headerAPIKey        = "X-Api-Key" // in the canonical form of net/http
)

// A credential is the text of a request's credential. Its characters are not checked here,
// since the Manager compares all of it.
type credential struct {
	header string // the header it came in
	text   string
}

// parseCredential returns the one credential in the headers. It does not read the query, which
// is written to logs, nor forms and cookies, which a page of another origin can send.
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
