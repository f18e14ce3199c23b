package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/printable"
)

const (
	hookQueue   = 4096             // events or notices that may wait
	hookTimeout = 10 * time.Second // what each gets
	hookClosing = 20 * time.Second // what they get together once Close is called
	hookLast    = time.Second      // of that, what is kept for the summary

	summaryInterval = time.Minute
)

// hooks runs a host's handler on one goroutine, in order, so that no decision waits
// for it and no panic of it ends the process. Audit and mail have one each: a mail
// server that hangs holds up no event.
type hooks struct {
	name    string // for the log
	log     *slog.Logger
	queue   chan hookCall
	stop    chan struct{}
	end     time.Time // of everything; set before stop is closed
	done    chan struct{}
	dropped atomic.Int64
	summary func(ctx context.Context) // runs like a call every summaryInterval and at the end; nil is none
}

type hookCall struct {
	ctx context.Context // of the request: its values, not its end
	run func(ctx context.Context)
}

func newHooks(name string, log *slog.Logger, summary func(context.Context)) *hooks {
	h := &hooks{
		name: name, log: log, summary: summary,
		queue: make(chan hookCall, hookQueue), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go h.loop()
	return h
}

func (h *hooks) loop() {
	defer close(h.done)
	defer h.summarize()
	tick := time.NewTicker(summaryInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.summarize()
		case c := <-h.queue:
			h.call(c)
		case <-h.stop:
		}
		select {
		case <-h.stop:
		default:
			continue
		}
		for time.Now().Before(h.end.Add(-hookLast)) {
			select {
			case c := <-h.queue:
				h.callUntil(h.end.Add(-hookLast), c)
			default:
				return
			}
		}
		h.log.Error("auth: "+h.name+" were dropped at Close, the handler is too slow", "count", len(h.queue))
		return
	}
}

// summarize is a call like any other until Close, and the last one then.
func (h *hooks) summarize() {
	if h.summary == nil {
		return
	}
	end := time.Now().Add(hookTimeout)
	select {
	case <-h.stop:
		end = h.end
	default:
	}
	h.callUntil(end, hookCall{context.Background(), h.summary})
}

func (h *hooks) call(c hookCall) { h.callUntil(time.Now().Add(hookTimeout), c) }

// callUntil runs c, for hookTimeout and until end at the most.
func (h *hooks) callUntil(end time.Time, c hookCall) {
	ctx, cancel := context.WithDeadline(c.ctx, end)
	defer cancel()
	ctx, cancelOwn := context.WithTimeout(ctx, hookTimeout)
	defer cancelOwn()
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("auth: the handler of "+h.name+" panicked", "panic", p)
		}
	}()
	c.run(ctx)
}

// put queues a call, or reports false. One that is minor, of a kind that a stranger
// can make thousands of, finds no room in the second half of the queue.
func (h *hooks) put(ctx context.Context, minor bool, run func(ctx context.Context)) bool {
	if minor && len(h.queue) > hookQueue/2 {
		h.dropped.Add(1)
		return false
	}
	select {
	case h.queue <- hookCall{context.WithoutCancel(ctx), run}:
		if n := h.dropped.Swap(0); n > 0 {
			h.log.Error("auth: "+h.name+" were dropped, the handler is too slow", "count", n)
		}
		return true
	default:
		h.dropped.Add(1)
		return false
	}
}

// closeHooks ends them side by side, within hookClosing. What was put before it is run
// as far as that goes; what is put later, never. A handler that does not return when its
// context has ended is left behind.
func closeHooks(all ...*hooks) error {
	var names []error
	end := time.Now().Add(hookClosing)
	late := time.After(hookClosing + time.Second)
	for _, h := range all {
		if h != nil {
			h.end = end
			close(h.stop)
		}
	}
	for _, h := range all {
		if h == nil {
			continue
		}
		select {
		case <-h.done:
		case <-late:
			names = append(names, errors.New("auth: the handler of "+h.name+" does not return"))
			late = time.After(0) // for the next
		}
	}
	return errors.Join(names...)
}

// emit hands an event to the host's handler. One that says when and where itself
// happened before.
func (m *Manager) emit(ctx context.Context, e Event) {
	if m.events == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time, e.Client = m.now(), clientOf(ctx)
	}
	if e.free() && !m.floods.admit(e) {
		return
	}
	if !m.events.put(ctx, e.minor(), func(ctx context.Context) { m.cfg.Events.HandleEvent(ctx, e) }) {
		m.floods.omit(e)
	}
}

// emitHost is emit for what the host did.
func (m *Manager) emitHost(ctx context.Context, e Event) {
	e.Actor = actorOf(ctx)
	m.emit(ctx, e)
}

// ReportDenied emits EventAccessDenied: whom the identity stands for may not do what
// they tried, by a decision of the host's. The reason is a stable word and no text of
// the client's. Package httpauth calls it for its rules.
func (m *Manager) ReportDenied(ctx context.Context, id Identity, reason string) {
	e := id.event(EventAccessDenied)
	e.Reason = printable.Clip(reason, 100)
	m.emit(ctx, e)
}

// notifyAccount hands a notice about an account to the host's notifier, for the address to.
func (m *Manager) notifyAccount(ctx context.Context, t EventType, uid string, a *account, to string) {
	m.notify(ctx, Notice{Type: t, To: to, UserID: userIDOf(uid), Name: a.FullName})
}

func (m *Manager) notify(ctx context.Context, n Notice) {
	if m.notices == nil || n.To == "" {
		return
	}
	n.Time, n.Client = m.now(), clientOf(ctx)
	m.notices.put(ctx, false, func(ctx context.Context) {
		if err := m.cfg.Notifier.Notify(ctx, n); err != nil {
			m.cfg.Logger.ErrorContext(ctx, "auth: a notice was not sent", "type", string(n.Type), "user_id", n.UserID, "err", err)
		}
	})
}
