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
	EventAllRevoked            EventType = "all_revoked" // RevokeAll, for all users; Reason: "unfinished" if it was

	// A login in full from an address prefix that none of the account's last
	// eight came from. The first login of an account is none.
	EventLoginNewNetwork EventType = "login_new_network"

	// Credentials that opened nothing. The client is told less than the Reason:
	// "malformed" (or not of this Manager's making), "expired", "ended" (the
	// session, or the login that waits for its second step, is over),
	// "superseded" (by a refresh), "disabled" (the user is), "unknown" (an API
	// key that never was or was revoked: its APIKeyID says which), "tries" (too
	// many wrong codes).
	EventTokenRefused     EventType = "token_refused"
	EventAPIKeyRefused    EventType = "api_key_refused"
	EventTempTokenRefused EventType = "temp_token_refused"

	// Somebody may not do what they tried, with a credential that is proven, or with more
	// than one. Reason: "api_key" (it manages no credentials),
	// "reauthentication_required", "two_factor_setup_required", "api_key_limit",
	// "not_found" (an API key that is not the caller's), or what
	// Manager.ReportDenied was given.
	EventAccessDenied EventType = "access_denied"

	// An address that an account has was asked for. Action: "register",
	// "create_user" or "change_email".
	EventEmailTaken EventType = "email_taken"

	EventOverloaded  EventType = "overloaded"   // a password or code was not looked at: no slot was free
	EventStoreFailed EventType = "store_failed" // Reason: "get", "list", "commit", "hit", "walk" or "damaged"

	// The use of an API key is not what it was before. Manager.VerifyAPIKey has
	// what each means. Time is that of the use; of a burst, its hour. Of the Client
	// they have the address alone, and no OrganizationID.
	EventAPIKeyNewNetwork EventType = "api_key_new_network"
	EventAPIKeyWoke       EventType = "api_key_woke"
	EventAPIKeyBurst      EventType = "api_key_burst"

	// Count events of the type, or type and Reason, that Reason says were left out:
	// see EventHandler.
	EventOmitted EventType = "events_omitted"
)

// Who acts where no user's credential does.
const (
	actorHost    = "host"
	actorManager = "manager"
)

// An Event is one thing that happened, whether it was allowed or not. It holds no
// secret and no email address, and no text of a stranger's but Client.UserAgent,
// which has no control characters.
type Event struct {
	Type EventType
	Time time.Time // UTC
	// Actor is who acted: the "ses_…" or "key_…" of a user's credential; for
	// the host's own calls what WithActor named, else "host"; "manager" for
	// what the Manager noticed by itself; "" for a stranger, who has proven
	// nothing, and for EventRateLimited and EventOverloaded.
	Actor          string
	UserID         string // whose account; "" where it is unknown
	OrganizationID string
	SessionID      string
	APIKeyID       string
	Client         Client   // of the request, as WithClient gave it
	Role           string   // the new one, for EventRegistered and EventRoleChanged
	AMR            []string // for EventLoginSucceeded
	Action         string   // a stable word that says at which call, where the type does not: "login", "confirm", "disable", "change_email"
	// Reason is a stable word that says why, where the type does not. Of a code:
	// "wrong", "replayed" (right, but spent before) or "malformed". Of
	// EventTwoFactorDue: "grace", "report_only" or "enrollment_only".
	Reason string
	// Count is, for EventBackupCodeUsed, how many are left; for EventAPIKeyWoke,
	// the days that the key slept; for EventAPIKeyBurst, the uses in an hour that
	// were exceeded; for EventAllRevoked, the users; for EventOmitted, how many events.
	Count int
	Until time.Time // for EventTwoFactorDue: TwoFactorPolicy.From
}

// refusal reports whether something was not done.
func (e Event) refusal() bool {
	switch e.Type {
	case EventLoginFailed, EventSecondFactorFailed, EventRateLimited, EventTokenReused, EventReauthFailed,
		EventTokenRefused, EventAPIKeyRefused, EventTempTokenRefused, EventAccessDenied, EventEmailTaken,
		EventOverloaded, EventStoreFailed:
		return true
	}
	return false
}

// counted reports whether Count says something, 0 included.
func (e Event) counted() bool {
	switch e.Type {
	case EventBackupCodeUsed, EventAPIKeyWoke, EventAPIKeyBurst, EventAllRevoked, EventOmitted:
		return true
	}
	return false
}

// LogValue implements [slog.LogValuer]: a group of type, time and those of actor,
// user_id, organization_id, session_id, api_key_id, address, user_agent, request_id,
// role, amr, action, reason, until and count that are set.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("type", string(e.Type)), slog.Time("time", e.Time)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("actor", e.Actor)
	add("user_id", e.UserID)
	add("organization_id", e.OrganizationID)
	add("session_id", e.SessionID)
	add("api_key_id", e.APIKeyID)
	if e.Client.Addr.IsValid() {
		add("address", e.Client.Addr.String())
	}
	add("user_agent", e.Client.UserAgent)
	add("request_id", e.Client.RequestID)
	add("role", e.Role)
	add("amr", strings.Join(e.AMR, " "))
	add("action", e.Action)
	add("reason", e.Reason)
	if !e.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", e.Until))
	}
	if e.counted() {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	return slog.GroupValue(attrs...)
}

// An EventHandler receives events, one at a time and in order, behind a bounded
// queue: a slow handler delays nobody, and when the queue is full events are
// dropped and counted, refusals that a stranger can cause before all others. Of
// refusals that cost nothing to cause (EventRateLimited, the three of credentials,
// EventAccessDenied, EventOverloaded, EventStoreFailed, malformed codes) it receives
// 20 at once and one more every 3 seconds for each type, reason, account and
// address prefix. What was left out is counted, and told as EventOmitted within a
// minute and at Close. The context has the values of the request's and 10 seconds. It
// may not call the Manager's Close.
type EventHandler interface {
	HandleEvent(ctx context.Context, e Event)
}

// LogEvents returns an EventHandler that writes each event to l as one record: the
// message "auth" and the group "event" of [Event.LogValue]. The level is Error for
// EventStoreFailed; Warn for other refusals, for what is unusual (a new network, an API
// key that woke or bursts) and for EventOmitted; Info for the rest.
func LogEvents(l *slog.Logger) EventHandler { return logEvents{l} }

type logEvents struct{ l *slog.Logger }

// HandleEvent implements [EventHandler].
func (h logEvents) HandleEvent(ctx context.Context, e Event) {
	level := slog.LevelInfo
	switch e.Type {
	case EventStoreFailed:
		level = slog.LevelError
	case EventLoginNewNetwork, EventAPIKeyNewNetwork, EventAPIKeyWoke, EventAPIKeyBurst, EventOmitted:
		level = slog.LevelWarn
	default:
		if e.refusal() {
			level = slog.LevelWarn
		}
	}
	h.l.LogAttrs(ctx, level, "auth", slog.Any("event", e))
}

// A Notice is a message that a user is owed about their account, NIST SP
// 800-63B-4, 4.6: it is not a secret and asks for nothing.
type Notice struct {
	// Type is EventPasswordChanged, EventEmailChanged, EventTwoFactorEnabled,
	// EventTwoFactorDisabled, EventTwoFactorReset, EventBackupCodeUsed,
	// EventBackupCodesReplaced, EventAPIKeyCreated, EventLoginNewNetwork, of which
	// an account gets 5 at once and one more every 4 hours, or
	// EventSecondFactorFailed, which means that somebody knows the password. A
	// Notifier that wants none of a type returns nil.
	Type   EventType
	To     string // the address to write to; for EventEmailChanged one Notice goes to each of the two
	UserID string
	Name   string // the user's full name
	Time   time.Time
	Client Client
	Left   int // backup codes that are left, for EventBackupCodeUsed
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
