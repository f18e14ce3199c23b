package httpauth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/datixlab/auth"
)

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
	cookies  *cookies // of a Browser's call; nil for any other

	connection   auth.Check // of a request to the administration: how it came
	organization string     // the name of the caller's, for an ownProfile
}

// variable returns the identifier that the path has for a variable of the route.
func (c *call) variable(name string) string { return c.values[slices.Index(c.route.variables, name)] }

// success is the answer of a call that returns nothing else.
type success struct {
	Success bool   `json:"success" example:"true"`
	Message string `json:"message" example:"Done" doc:"For people."`
}

// timeLayout is for times in UTC: RFC 3339, whole seconds, with a Z at the end.
const timeLayout = time.RFC3339

// formatTime writes t as all answers do, in UTC by timeLayout.
func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// formatTimeOrNull is formatTime, and nil for the zero time.
func formatTimeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := formatTime(t)
	return &s
}

// withDetail gives err another detail for people, if its answer has the code.
func withDetail(err error, code Code, detail string) error {
	if err == nil || codeOf(err) != code {
		return err
	}
	return &refusal{code: code, detail: detail}
}

// asCaller returns err. If that is ErrNotFound, the caller's account was deleted after the token
// was checked, and asCaller returns ErrInvalidToken.
func asCaller(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return auth.ErrInvalidToken
	}
	return err
}

// wrongProof is the detail where a password and a code are compared, which does not say which of
// them is wrong.
const wrongProof = "The password or the code is wrong, or the code was used before. After a login with a code, wait for the next one."

// unproven returns err. If a code was sent beside the password, its detail does not say which of
// them is wrong.
func unproven(err error, code *auth.Secret) error {
	if code == nil {
		return err
	}
	return withDetail(err, CodeInvalidCredentials, wrongProof)
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
