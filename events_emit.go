package auth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/queue"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/sampler"
	"github.com/datixlab/auth/store"
)

// sampleLimit is the budget of sampled events of one source.
var sampleLimit = store.Limit{Burst: 20, Every: 3 * time.Second}

// sampled reports whether a client can cause such events without end: they cost no hash, no
// attempt of a budget and no success before. What changes a password, an address, a factor, a
// key, a role or the end of a session is never sampled.
func (e Event) sampled() bool {
	switch e.Type {
	case EventRateLimited, EventTokenRefused, EventAPIKeyRefused, EventTempTokenRefused, EventMailTokenRefused, EventAccessDenied,
		EventOverloaded, EventStoreFailed:
		return true
	case EventMailFailed:
		return e.Reason == "queue"
	case EventTokenRefreshed, EventProfileChanged, EventAPIKeyChanged, EventTwoFactorStarted:
		return e.byClient()
	case EventSessionRevoked:
		return e.Reason == others && e.Count == 0 // there was nothing to end
	}
	return e.Type == EventSecondFactorFailed && e.Reason == malformed
}

// class says what a full queue drops first.
func (e Event) class() queue.Class {
	switch e.Type {
	case EventLoginFailed, EventEmailTaken:
		return queue.Low
	case EventPasswordChanged, EventPasswordReset, EventEmailChanged, EventEmailVerified, EventTwoFactorEnabled, EventTwoFactorDisabled, EventTwoFactorReset,
		EventBackupCodeUsed, EventBackupCodesReplaced, EventDeviceTrusted, EventDeviceRemoved, EventTokenReused, EventRoleChanged, EventAssignedAgentsChanged,
		EventUserDisabled, EventUserEnabled, EventUserUnlocked, EventUserDeleted, EventOrganizationDeleted, EventAllRevoked, EventBackupMade,
		EventMemberRemoved, EventMemberLeft, EventOrganizationWithoutAdmin:
		return queue.High
	}
	if e.sampled() {
		return queue.Low
	}
	return queue.Normal
}

// kind returns the type of an event, and the reason if it is sampled.
func (e Event) kind() sampler.Kind {
	if !e.sampled() {
		return sampler.Kind{Type: string(e.Type)}
	}
	return sampler.Kind{Type: string(e.Type), Reason: e.Reason}
}

// budget returns the source whose budget a sampled event is charged to. Failures of the store
// and of the hashing slots concern all users, so their source is their kind alone.
func (e Event) budget() sampler.Source {
	if e.Type == EventStoreFailed || e.Type == EventOverloaded {
		return sampler.Source{Kind: e.kind()}
	}
	return sampler.Source{Kind: e.kind(), User: e.UserID, Network: sourceOf(e.Client)}
}

// source returns the network whose share of the queue an event takes. A call by your program
// has none.
func (e Event) source() string {
	if !e.byClient() {
		return ""
	}
	return sourceOf(e.Client)
}

// byClient reports whether a client caused the event, and not your program or the Manager.
func (e Event) byClient() bool {
	return e.Actor == "" || strings.HasPrefix(e.Actor, sessionPrefix) || strings.HasPrefix(e.Actor, keyIDPrefix)
}

// sourceOf returns the wide network of a client, or "" if it is unknown. One subscriber has
// many of the networks that attempts are counted by.
func sourceOf(c Client) string {
	if network := netprefix.Wide(c.Addr); network.IsValid() {
		return network.String()
	}
	return ""
}

// emit sends an event to Config.Events. An event without a time gets the present one and the
// client of ctx.
func (m *Manager) emit(ctx context.Context, e Event) {
	if m.events == nil {
		return
	}
	fresh := e.Time.IsZero()
	if fresh {
		e.Time, e.Client.Addr = m.now(), ClientFrom(ctx).Addr
	}
	if e.sampled() && !m.sampler.Allow(e.budget(), e.Time) {
		return
	}
	if fresh { // now that the event is sent: clipping text costs time
		e.Client = clientOf(ctx)
	}
	m.offerEvent(ctx, e)
}

// offerEvent lets the queue send e. Apart from emit, so that an event that is not sent needs no
// memory.
func (m *Manager) offerEvent(ctx context.Context, e Event) {
	m.events.Offer(ctx, queue.Job{
		Class: e.class(), User: e.UserID, Kind: string(e.Type), Source: e.source(),
		Run:     func(ctx context.Context) { m.cfg.Events.HandleEvent(ctx, e) },
		Dropped: func() { m.sampler.CountOmitted(e.kind()) },
	})
}

// emitOmitted sends one EventOmitted for each kind that was left out since the last call.
func (m *Manager) emitOmitted(ctx context.Context) {
	for kind, count := range m.sampler.Take() {
		m.events.Call(ctx, func(ctx context.Context) { // one call each: a panic ends only one of them
			m.cfg.Events.HandleEvent(ctx, Event{
				Type: EventOmitted, Time: m.now(), Actor: actorManager, Reason: kind.String(), Count: count,
			})
		})
	}
}

// emitByProgram is emit for a call by your program.
func (m *Manager) emitByProgram(ctx context.Context, e Event) {
	e.Actor = actorOf(ctx)
	m.emit(ctx, e)
}

// ReportDenied emits EventAccessDenied: your program refused a call of the identity. The
// reason is a stable word of at most 100 bytes, and no text of the client. Package httpauth
// calls it for its rules.
func (m *Manager) ReportDenied(ctx context.Context, id Identity, reason string) {
	e := id.event(EventAccessDenied)
	e.Reason = printable.Clip(reason, 100)
	m.emit(ctx, e)
}

// notifyWrongCode sends the notice of a wrong code from a caller who was proven by this method.
func (m *Manager) notifyWrongCode(ctx context.Context, uid string, a *account, method string) {
	n := accountNotice(EventSecondFactorFailed, uid, a, a.Email)
	n.Method = method
	m.notify(ctx, n)
}

// accountNotice returns a notice about an account to the address to.
func accountNotice(t EventType, uid string, a *account, to string) Notice {
	return Notice{Type: t, To: to, UserID: userIDOf(uid), Name: a.FullName}
}

// notify sends a notice to Config.Notifier, unless it has no address.
func (m *Manager) notify(ctx context.Context, n Notice) {
	if m.notices == nil || n.To == "" {
		return
	}
	n.Name, n.Time, n.Client = nameInMail(n.Name), m.now(), clientOf(ctx)
	m.offerNotice(ctx, n)
}

// outcomeUnknown is the Reason of an event or a notice of a change that may have been made or
// not.
const outcomeUnknown = "unknown"

// report emits the event and sends the notices of a change whose last Commit returned err. If
// the outcome of that Commit is unknown, they have the reason "unknown": one event too many is
// better than none. If the change was not made, report does nothing.
func (m *Manager) report(ctx context.Context, err error, e Event, notices ...Notice) {
	switch {
	case err == nil:
	case errors.Is(err, record.ErrOutcomeUnknown):
		e.Reason = outcomeUnknown
		for i := range notices {
			notices[i].Reason = outcomeUnknown
		}
	default:
		return
	}
	m.emit(ctx, e)
	for _, n := range notices {
		m.notify(ctx, n)
	}
}

// reportByProgram is report for a call by your program.
func (m *Manager) reportByProgram(ctx context.Context, err error, e Event, notices ...Notice) {
	e.Actor = actorOf(ctx)
	m.report(ctx, err, e, notices...)
}

// An earlierStep is the error of a Commit before the last one of a change. If its outcome is
// unknown, the change was not made all the same. So it does not match
// record.ErrOutcomeUnknown, and matches whatever else its error does.
type earlierStep struct{ err error }

// beforeChange returns the error of a Commit before the last one of a change.
func beforeChange(err error) error {
	if !errors.Is(err, record.ErrOutcomeUnknown) {
		return err
	}
	return earlierStep{err}
}

// Error implements error.
func (e earlierStep) Error() string { return e.err.Error() }

// Is is for [errors.Is].
func (e earlierStep) Is(target error) bool {
	return target != record.ErrOutcomeUnknown && errors.Is(e.err, target)
}

// As is for [errors.As].
func (e earlierStep) As(target any) bool { return errors.As(e.err, target) }
