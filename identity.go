package auth

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/datixlab/auth/internal/printable"
)

// An Identity says who makes a request and how that was proven. [Manager.VerifyAccessToken]
// and [Manager.VerifyAPIKey] return it, with the user as the store has them at that moment.
// Do not write to its slices: identities of the same credential may share them.
type Identity struct {
	User User

	SessionID string // "ses_…", or "" for an API key
	APIKeyID  string // "key_…", or "" for a session

	// AuthTime is when the login that began the session was, in UTC. A refresh does not
	// change it. Zero for an API key.
	AuthTime time.Time

	// AMR are the authentication methods of the session (RFC 8176): "pwd", "otp" for a
	// TOTP code, "mfa" if a second factor was checked. For a session of Manager.LoginAs the
	// first is Proof.Method. Nil for an API key.
	AMR []string

	// ExpiresAt is when the access token or API key expires, in UTC. Zero: never.
	ExpiresAt time.Time

	// ReplacedAt is when the API key was replaced by another with an overlap, in UTC. The
	// key works until ExpiresAt. Zero: it was not replaced.
	ReplacedAt time.Time

	// EnrollmentOnly is true if Config.TwoFactorPolicy lets the session only set up a
	// second factor. Only Manager.VerifyForEnrollment returns such an identity.
	EnrollmentOnly bool

	// TrustedDevice is true if a trusted device stood in for the code when the session began: see
	// DeviceTrust. While the user has a second factor, such a session is no fresh login, however
	// recent AuthTime is.
	TrustedDevice bool

	unscoped bool   // an API key that was made without scopes
	scopes   string // of an API key, see apikey_scope.go
	tokenID  string
}

// IsAPIKey reports whether the identity was proven with an API key.
func (id Identity) IsAPIKey() bool { return id.APIKeyID != "" }

// MultiFactor reports whether a second factor was checked at login.
func (id Identity) MultiFactor() bool {
	for _, m := range id.AMR {
		if m == "mfa" {
			return true
		}
	}
	return false
}

// uidOf returns the digits of the identity's user, or "".
func uidOf(id Identity) string {
	uid, _ := parseUser(id.User.ID)
	return uid
}

// event returns an event of type t whose actor is the identity.
func (id Identity) event(t EventType) Event {
	actor := id.SessionID
	if id.IsAPIKey() {
		actor = id.APIKeyID
	}
	return Event{
		Type: t, Actor: actor, UserID: id.User.ID, OrganizationID: id.User.OrganizationID,
		SessionID: id.SessionID, APIKeyID: id.APIKeyID,
	}
}

// ended returns the event for a session that has ended. It has no actor, since the
// credential is no longer proven.
func (id Identity) ended() Event {
	e := id.event(EventTokenRefused)
	e.Actor, e.Reason = "", "ended"
	return e
}

// keyEvent returns an event of what the identity did to the API key keyID.
func (id Identity) keyEvent(t EventType, keyID string) Event {
	e := id.event(t)
	e.APIKeyID = keyID
	return e
}

type contextKey int

const (
	identityKey contextKey = iota
	clientKey
	laneKey
	workKey
	actorKey
	forceKey
)

// A ctxValue is a context with a value, like that of context.WithValue but in one allocation
// instead of two. The value is read through a pointer and never changed.
type ctxValue[T any] struct {
	context.Context
	key   contextKey
	value T
}

// Value implements context.Context. For its own key it returns a *T.
func (c *ctxValue[T]) Value(key any) any {
	if key == c.key {
		return &c.value
	}
	return c.Context.Value(key)
}

// String names the type of the value and does not print the value.
func (c *ctxValue[T]) String() string { return fmt.Sprintf("%v.With(%T)", c.Context, c.value) }

// fromContext returns the value that ctx has under key.
func fromContext[T any](ctx context.Context, key contextKey) (value T, ok bool) {
	if v, ok := ctx.Value(key).(*T); ok {
		return *v, true
	}
	return value, false
}

// WithIdentity returns a context that carries id.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return &ctxValue[Identity]{ctx, identityKey, id}
}

// IdentityFrom returns the identity that ctx carries.
func IdentityFrom(ctx context.Context) (id Identity, ok bool) {
	return fromContext[Identity](ctx, identityKey)
}

// A Client says where a request comes from. Attempts are counted by its network, which is an
// IPv4 address or the /64 of an IPv6 address, and by the wider networks around it. Sessions and
// events record the Client.
type Client struct {
	Addr      netip.Addr // the zero Addr is unknown: all such clients share one budget
	UserAgent string     // at most 200 bytes of it are recorded
	RequestID string     // an id that your program gives it, for events; at most 100 bytes are recorded
}

// What is recorded of the texts of a Client, in bytes.
const (
	maxUserAgent = 200
	maxRequestID = 100
)

// WithClient returns a context that carries c. Package httpauth calls it for the requests
// that it serves. If your program calls a Manager for remote users, it must call WithClient
// itself. Otherwise a call counts as your program's own, and no budget of a network limits it. The
// context keeps only the beginning of a text that is far longer than what is recorded.
func WithClient(ctx context.Context, c Client) context.Context {
	c.UserAgent, c.RequestID = printable.Bound(c.UserAgent, maxUserAgent), printable.Bound(c.RequestID, maxRequestID)
	return &ctxValue[Client]{ctx, clientKey, c}
}

// ClientFrom returns the client that ctx carries, or the zero Client.
func ClientFrom(ctx context.Context) Client {
	c, _ := fromContext[Client](ctx, clientKey)
	return c
}

// clientOf is ClientFrom with texts that are safe to store and to print.
func clientOf(ctx context.Context) Client {
	c := ClientFrom(ctx)
	c.UserAgent = printable.Clip(c.UserAgent, maxUserAgent)
	c.RequestID = printable.Clip(c.RequestID, maxRequestID)
	return c
}

// WithActor returns a context that names the actor of your program's own calls, such as
// "admin:jane". Their events have it as Event.Actor. It is cut to 100 characters, and must not
// contain a secret or an email address. It grants nothing. The actor of what a user's
// credential does stays that credential.
func WithActor(ctx context.Context, actor string) context.Context {
	return &ctxValue[string]{ctx, actorKey, printable.Clip(actor, 100)}
}

// actorOf returns the actor of a call by your program.
func actorOf(ctx context.Context) string {
	if actor, _ := fromContext[string](ctx, actorKey); actor != "" {
		return actor
	}
	return actorHost
}

// WithForce returns a context for a call by your program that may leave the other members of an
// organization without an enabled admin: SetRole, DisableUser or DeleteUser. Without it the error is
// ErrLastAdmin, or ErrUnavailable where nobody can say. If it does leave them so, there is an
// EventOrganizationWithoutAdmin. It has no effect on the calls of users.
func WithForce(ctx context.Context) context.Context { return &ctxValue[bool]{ctx, forceKey, true} }

func isForced(ctx context.Context) bool {
	forced, _ := fromContext[bool](ctx, forceKey)
	return forced
}
