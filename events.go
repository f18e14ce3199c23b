package auth

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// EventType names what happened. The texts are stable.
type EventType string

// The events.
const (
	EventRegistered            EventType = "registered"
	EventLoginSucceeded        EventType = "login_succeeded"
	EventLoginFailed           EventType = "login_failed"
	EventSecondFactorRequired  EventType = "second_factor_required"
	EventTwoFactorDue          EventType = "two_factor_due" // a login without the second factor that Config.TwoFactorPolicy asks for
	EventSecondFactorFailed    EventType = "second_factor_failed"
	EventBackupCodeUsed        EventType = "backup_code_used"
	EventRateLimited           EventType = "rate_limited"
	EventTokenRefreshed        EventType = "token_refreshed"
	EventTokenReused           EventType = "token_reused" // a superseded token was refreshed: the session is ended
	EventLoggedOut             EventType = "logged_out"
	EventSessionRevoked        EventType = "session_revoked"
	EventPasswordChanged       EventType = "password_changed"
	EventReauthFailed          EventType = "reauthentication_failed"
	EventProfileChanged        EventType = "profile_changed"
	EventEmailChanged          EventType = "email_changed"
	EventTwoFactorStarted      EventType = "two_factor_started"
	EventTwoFactorEnabled      EventType = "two_factor_enabled"
	EventTwoFactorDisabled     EventType = "two_factor_disabled"
	EventTwoFactorReset        EventType = "two_factor_reset" // by the host
	EventBackupCodesReplaced   EventType = "backup_codes_replaced"
	EventAPIKeyCreated         EventType = "api_key_created"
	EventAPIKeyRotated         EventType = "api_key_rotated" // the old key; the new one has EventAPIKeyCreated
	EventAPIKeyRevoked         EventType = "api_key_revoked"
	EventRoleChanged           EventType = "role_changed"
	EventAssignedAgentsChanged EventType = "assigned_agents_changed"
	EventUserDisabled          EventType = "user_disabled"
	EventUserEnabled           EventType = "user_enabled"
	EventUserUnlocked          EventType = "user_unlocked"
	EventUserDeleted           EventType = "user_deleted"
)

// An Event is one thing that happened, whether it was allowed or not. It holds no
// secret and no email address.
type Event struct {
	Type           EventType
	Time           time.Time // UTC
	UserID         string    // whose account; "" where it is unknown
	OrganizationID string
	SessionID      string
	APIKeyID       string
	Client         Client    // of the request, as [WithClient] gave it
	Role           string    // the new one, for EventRegistered and EventRoleChanged
	AMR            []string  // for EventLoginSucceeded
	Reason         string    // a stable word that says why or at which call, where the type does not
	Until          time.Time // for EventTwoFactorDue, whose Reason is grace, report_only or enrolment_only: TwoFactorPolicy.From
}

// LogValue implements [slog.LogValuer]: a group of the fields that are set.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("type", string(e.Type)), slog.Time("time", e.Time)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("user_id", e.UserID)
	add("organization_id", e.OrganizationID)
	add("session_id", e.SessionID)
	add("api_key_id", e.APIKeyID)
	if e.Client.Addr.IsValid() {
		add("address", e.Client.Addr.String())
	}
	add("user_agent", e.Client.UserAgent)
	add("role", e.Role)
	add("amr", strings.Join(e.AMR, " "))
	add("reason", e.Reason)
	if !e.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", e.Until))
	}
	return slog.GroupValue(attrs...)
}

// An EventHandler receives events, one at a time and in order, behind a bounded
// queue: a slow handler delays nobody, and when the queue is full events are
// dropped, counted and logged, EventRateLimited before all others. The context has
// the values of the request's and 10 seconds. It may not call the Manager's Close.
type EventHandler interface {
	HandleEvent(ctx context.Context, e Event)
}

// LogEvents returns an EventHandler that writes each event to l as one record with
// the message "auth", at the level Warn for refusals and Info for the rest.
func LogEvents(l *slog.Logger) EventHandler { return logEvents{l} }

type logEvents struct{ l *slog.Logger }

func (h logEvents) HandleEvent(ctx context.Context, e Event) {
	level := slog.LevelInfo
	switch e.Type {
	case EventLoginFailed, EventSecondFactorFailed, EventRateLimited, EventTokenReused, EventReauthFailed:
		level = slog.LevelWarn
	}
	h.l.LogAttrs(ctx, level, "auth", slog.Any("event", e))
}

// A Notice is a message that a user is owed about their account, NIST SP
// 800-63B-4, 4.6: it is not a secret and asks for nothing.
type Notice struct {
	// Type is EventPasswordChanged, EventEmailChanged, EventTwoFactorEnabled,
	// EventTwoFactorDisabled, EventTwoFactorReset, EventBackupCodeUsed,
	// EventBackupCodesReplaced, EventAPIKeyCreated, or EventSecondFactorFailed, which
	// means that somebody knows the password.
	Type   EventType
	To     string // the address to write to; for EventEmailChanged one Notice goes to each of the two
	UserID string
	Name   string // the user's full name
	Time   time.Time
	Client Client
}

// A Notifier sends notices. It is called like an [EventHandler]: in order, behind
// a bounded queue, with 10 seconds for each. An error is logged and undoes nothing.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// A PasswordChecker says whether a new password is known to attackers, for instance
// by looking it up in a list of breached ones. The call that sets the password waits
// for it, 2 seconds at the most. An error is logged and the password is accepted,
// because a list that does not answer must not stop people from changing theirs.
type PasswordChecker interface {
	// Breached reports whether the password is known to attackers. It stops when
	// ctx is done.
	Breached(ctx context.Context, password Secret) (bool, error)
}

// checkTimeout is how long a PasswordChecker has.
const checkTimeout = 2 * time.Second
