package auth

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/sampler"
	"github.com/datixlab/auth/store"
)

// sampleLimit is the budget of sampled events of one source.
var sampleLimit = store.Limit{Burst: 20, Every: 3 * time.Second}

// sampled reports whether the event costs nothing to cause: no hash, no attempt of a budget
// and no success before it.
func (e Event) sampled() bool {
	switch e.Type {
	case EventRateLimited, EventTokenRefused, EventAPIKeyRefused, EventTempTokenRefused, EventAccessDenied,
		EventOverloaded, EventStoreFailed:
		return true
	}
	return e.Type == EventSecondFactorFailed && e.Reason == malformed
}

// lowPriority reports whether a client can cause many such events.
func (e Event) lowPriority() bool {
	switch e.Type {
	case EventLoginFailed, EventEmailTaken, EventTokenRefreshed, EventProfileChanged, EventTwoFactorStarted:
		return true
	}
	return e.sampled()
}

// kind returns the type of an event, and the reason if it is sampled.
func (e Event) kind() sampler.Kind {
	if !e.sampled() {
		return sampler.Kind{Type: string(e.Type)}
	}
	return sampler.Kind{Type: string(e.Type), Reason: e.Reason}
}

// source returns the source whose budget a sampled event is charged to. Failures of the store
// and of the hashing slots concern all users, so their source is their kind alone.
func (e Event) source() sampler.Source {
	if e.Type == EventStoreFailed || e.Type == EventOverloaded {
		return sampler.Source{Kind: e.kind()}
	}
	return sampler.Source{Kind: e.kind(), User: e.UserID, Network: netprefix.Text(e.Client.Addr)}
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
	if e.sampled() && !m.sampler.Allow(e.source(), e.Time) {
		return
	}
	if fresh { // now that the event is sent: clipping text costs time
		e.Client = clientOf(ctx)
	}
	if !m.events.Offer(ctx, e.lowPriority(), func(ctx context.Context) { m.cfg.Events.HandleEvent(ctx, e) }) {
		m.sampler.CountOmitted(e.kind())
	}
}

// emitOmitted sends one EventOmitted for each kind that was left out since the last call.
func (m *Manager) emitOmitted(ctx context.Context) {
	omitted := m.sampler.Take()
	byText := func(a, b sampler.Kind) int { return strings.Compare(a.String(), b.String()) }
	for _, kind := range slices.SortedFunc(maps.Keys(omitted), byText) {
		m.events.Call(ctx, func(ctx context.Context) { // one call each: a panic ends only one of them
			m.cfg.Events.HandleEvent(ctx, Event{
				Type: EventOmitted, Time: m.now(), Actor: actorManager, Reason: kind.String(), Count: omitted[kind],
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

// notifyAccount sends a notice about an account to the address to.
func (m *Manager) notifyAccount(ctx context.Context, t EventType, uid string, a *account, to string) {
	m.notify(ctx, accountNotice(t, uid, a, to))
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
	n.Time, n.Client = m.now(), clientOf(ctx)
	m.notices.Offer(ctx, false, func(ctx context.Context) {
		if err := m.cfg.Notifier.Notify(ctx, n); err != nil {
			m.cfg.Logger.ErrorContext(ctx, "auth: a notice was not sent", "type", string(n.Type), "user_id", n.UserID, "err", err)
		}
	})
}
