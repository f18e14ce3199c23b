// Package jose signs and verifies access tokens, which are JSON Web Tokens (RFC 7519, typed
// as in RFC 9068). It publishes the public keys that verify them as a JSON Web Key Set
// (RFC 7517). A token has one text: of the several spellings of a header or a
// signature only one is accepted. The texts of errors begin with "auth: ", since the caller
// of package auth reads them.
package jose

import (
	"encoding/json"
	"time"
)

// MaxLen is how many bytes a token may have. A longer one is refused before it is read.
const MaxLen = 8 << 10

// leeway is how far the clock of a process that signs may be ahead.
const leeway = 30 * time.Second

// Claims are the part of a payload by which a token is checked: RFC 9068 with the id of
// the session. ClientID is checked by nobody here.
type Claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Subject  string `json:"sub"`
	Session  string `json:"sid"`
	ID       string `json:"jti"`
	Validity
}

// Validity is when a token is valid, in seconds since the Unix epoch. From is 0 in a token
// that does not say it.
type Validity struct {
	Issued  int64 `json:"iat"`
	From    int64 `json:"nbf,omitempty"`
	Expires int64 `json:"exp"`
}

// Current reports whether a token is valid at now. Issued must be positive, and From must not
// be negative. Both must be at most 30 seconds after now. Expires must be later than now.
func (v Validity) Current(now time.Time) bool {
	at, ahead := now.Unix(), now.Add(leeway).Unix()
	return at < v.Expires && 0 < v.Issued && v.Issued <= ahead && 0 <= v.From && v.From <= ahead
}

// Span returns the first instant at which [Validity.Current] is true, and the first after it
// at which it is not. Issued must be positive.
func (v Validity) Span() (from, until time.Time) {
	return time.Unix(max(v.Issued, v.From), 0).Add(-leeway), time.Unix(v.Expires, 0)
}

// A Payload is everything that a token says.
type Payload struct {
	Claims
	AuthTime int64    `json:"auth_time"` // of the login, in seconds since the Unix epoch
	AMR      []string `json:"amr"`
	Org      string   `json:"org"`
	Role     string   `json:"role"`
	// Enrols is true for a session that may only set up a second factor.
	Enrols bool `json:"enrollment_only,omitempty"`
}

// marshal returns v as JSON.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts, numbers and lists of them always marshal
	}
	return text
}
