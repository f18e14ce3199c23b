package auth

import (
	"context"
	"log/slog"
	"sync/atomic"
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
	EventSecondFactorFailed    EventType = "second_factor_failed" // after a right password
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
	Client         Client // of the request, as [WithClient] gave it
	Reason         string // a stable word that says why, where the type does not
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
	add("reason", e.Reason)
	return slog.GroupValue(attrs...)
}

// An EventHandler receives events, one at a time and in order, behind a bounded
// queue: a slow handler delays nobody, and when the queue is full events are
// dropped, counted and logged. It may not call the Manager's Close.
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
	Type   EventType // EventPasswordChanged, EventEmailChanged, EventTwoFactorEnabled, …
	To     string    // the address to write to; for EventEmailChanged one Notice goes to each of the two
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

// A PasswordChecker says whether a new password may be used, for instance by
// looking it up in a list of breached ones. It has 2 seconds; an error is logged
// and the password is accepted, because a list that does not answer must not stop
// people from changing their password.
type PasswordChecker interface {
	// CheckPassword reports whether the password is known to be unsafe.
	CheckPassword(ctx context.Context, password Secret) (unsafe bool, err error)
}

const (
	hookQueue     = 4096
	notifyTimeout = 10 * time.Second
	checkTimeout  = 2 * time.Second
)

// hooks runs the host's handlers on one goroutine, so that no decision waits for
// them and no panic of theirs ends the process.
type hooks struct {
	events   EventHandler
	notifier Notifier
	log      *slog.Logger
	queue    chan func(context.Context)
	stop     chan struct{}
	done     chan struct{}
	dropped  atomic.Int64
}

func newHooks(c Config) *hooks {
	h := &hooks{
		events: c.Events, notifier: c.Notifier, log: c.Logger,
		queue: make(chan func(context.Context), hookQueue),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go h.loop()
	return h
}

func (h *hooks) loop() {
	defer close(h.done)
	for {
		select {
		case f := <-h.queue:
			h.run(f)
		case <-h.stop:
			for {
				select {
				case f := <-h.queue:
					h.run(f)
				default:
					return
				}
			}
		}
	}
}

func (h *hooks) run(f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("auth: a hook panicked", "panic", p)
		}
	}()
	f(ctx)
}

func (h *hooks) put(f func(context.Context)) {
	select {
	case h.queue <- f:
		if n := h.dropped.Swap(0); n > 0 {
			h.log.Error("auth: events or notices were dropped, the handler is too slow", "count", n)
		}
	default:
		h.dropped.Add(1)
	}
}

func (h *hooks) event(e Event) {
	if h.events != nil {
		h.put(func(ctx context.Context) { h.events.HandleEvent(ctx, e) })
	}
}

func (h *hooks) notify(n Notice) {
	if h.notifier == nil || n.To == "" {
		return
	}
	h.put(func(ctx context.Context) {
		if err := h.notifier.Notify(ctx, n); err != nil {
			h.log.Error("auth: a notice was not sent", "type", string(n.Type), "user_id", n.UserID, "err", err)
		}
	})
}

// close runs what was put before it and ends the goroutine. What is put later is
// never run.
func (h *hooks) close() {
	close(h.stop)
	<-h.done
}
