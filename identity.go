package auth

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/datixlab/auth/internal/printable"
)

// An Identity is who makes a request and how that was proven. It comes from
// [Manager.VerifyAccessToken] and [Manager.VerifyAPIKey], which read the user's
// state at that moment. Treat its slices as read-only: identities of the same
// credential may share them.
type Identity struct {
	User User

	SessionID string // "ses_…", or "" for an API key
	APIKeyID  string // "key_…", or "" for a session

	// AuthTime is when the user last proved their credentials to begin this
	// session; refreshing does not move it. Zero for an API key.
	AuthTime time.Time

	// AMR are the authentication methods of the session (RFC 8176): "pwd",
	// "otp" for a TOTP code, "mfa" where a second factor was checked. Nil for
	// an API key.
	AMR []string

	// ExpiresAt is when the credential ends by itself; zero is never.
	ExpiresAt time.Time

	// EnrollmentOnly is true of a session that may do nothing but set up a second
	// factor, because Config.TwoFactorPolicy asks for one. Only
	// Manager.VerifyForEnrollment returns such an identity.
	EnrollmentOnly bool

	unscoped bool   // an API key that was made without scopes
	scopes   string // of an API key, see scope.go
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

// event is what the identity did.
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

// ended is that the identity's session is over.
func (id Identity) ended() Event {
	e := id.event(EventTokenRefused)
	e.Actor, e.Reason = "", "ended"
	return e
}

// keyEvent is what the identity did to an API key.
func (id Identity) keyEvent(t EventType, keyID string) Event {
	e := id.event(t)
	e.APIKeyID = keyID
	return e
}

type contextKey int

const (
	identityKey contextKey = iota
	clientKey
	actorKey
)

// A ctxValue is what context.WithValue returns, in one piece of memory instead of two. A
// T tells who calls, or from where; it is read through a pointer, and not changed.
type ctxValue[T any] struct {
	context.Context
	key   contextKey
	value T
}

// Value implements context.Context.
func (c *ctxValue[T]) Value(key any) any {
	if key == c.key {
		return &c.value
	}
	return c.Context.Value(key)
}

// String tells nothing of what is carried.
func (c *ctxValue[T]) String() string { return fmt.Sprintf("%v.With(%T)", c.Context, c.value) }

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

// A Client is where a request comes from. Throttles count by its address (an IPv4
// address, or the /64 of an IPv6 address), sessions and events record it.
type Client struct {
	Addr      netip.Addr // the zero Addr is "unknown": all such calls share one budget
	UserAgent string
	RequestID string // of the host's, for events; "" is none
}

// WithClient returns a context that carries c. Package httpauth does this for the
// requests it serves; a program that calls a Manager for remote users does it itself.
func WithClient(ctx context.Context, c Client) context.Context {
	return &ctxValue[Client]{ctx, clientKey, c}
}

// ClientFrom returns the client that ctx carries, or the zero Client.
func ClientFrom(ctx context.Context) Client {
	c, _ := fromContext[Client](ctx, clientKey)
	return c
}

// clientOf is ClientFrom with what is safe to keep and to print.
func clientOf(ctx context.Context) Client {
	c := ClientFrom(ctx)
	c.UserAgent = printable.Clip(c.UserAgent, 200)
	c.RequestID = printable.Clip(c.RequestID, 100)
	return c
}

// WithActor returns a context that names who makes the host's own calls, such as
// "admin:jane": the Actor of their events. It is text of the host's, up to 100
// characters, without secrets and email addresses. It decides nothing, and names
// nobody else: what a user's credential does has that as its actor.
func WithActor(ctx context.Context, actor string) context.Context {
	return &ctxValue[string]{ctx, actorKey, printable.Clip(actor, 100)}
}

// actorOf is who makes a call of the host's.
func actorOf(ctx context.Context) string {
	if actor, _ := fromContext[string](ctx, actorKey); actor != "" {
		return actor
	}
	return actorHost
}
