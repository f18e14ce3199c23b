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
// is written to logs, nor forms and cookies, which a page of another origin can send. An
// Authorization of another scheme than Bearer, for a proxy in front, is no credential, and
// neither is an empty header.
func parseCredential(head http.Header) (c credential, err error) {
	authorizations, keys := head[headerAuthorization], head[headerAPIKey]
	if len(authorizations) > 1 || len(keys) > 1 { // each has one value (RFC 9110, sections 5.3 and 11.6.2)
		return c, ErrManyCredentials
	}
	if len(authorizations) == 1 {
		if scheme, token, _ := strings.Cut(authorizations[0], " "); strings.EqualFold(scheme, "Bearer") {
			c = credential{headerAuthorization, strings.TrimLeft(token, " ")} // 1*SP (RFC 9110, section 11.4)
		}
	}
	if len(keys) == 1 && keys[0] != "" {
		if c.text != "" {
			return credential{}, ErrManyCredentials
		}
		c = credential{headerAPIKey, keys[0]}
	}
	if c.text == "" {
		return credential{}, ErrNoCredential
	}
	return c, nil
}
