package authtest

import (
	"context"
	"sync"
	"time"

	"github.com/datixlab/auth"
)

// patience is how long AwaitEvent, AwaitNotice and AwaitMail wait.
const patience = 10 * time.Second

// Events records the events that a Manager emitted.
type Events struct{ sent[auth.Event] }

// HandleEvent implements [auth.EventHandler].
func (e *Events) HandleEvent(_ context.Context, ev auth.Event) { e.add(ev) }

// All returns the events so far. The Manager delivers them asynchronously: the events
// of a call are certain to be included after the Manager's Close, or after
// [Harness.AwaitEvent].
func (e *Events) All() []auth.Event { return e.copied() }

// Notices records the notices that a Manager would have mailed. The zero value is ready for
// use, as a Config.Notifier.
type Notices struct{ sent[auth.Notice] }

// Notify implements [auth.Notifier].
func (n *Notices) Notify(_ context.Context, notice auth.Notice) error { n.add(notice); return nil }

// All returns the notices so far, which arrive as events do.
func (n *Notices) All() []auth.Notice { return n.copied() }

// Mails records the mails that a Manager would have sent. The zero value is ready for use, as a
// Config.Mailer.
type Mails struct {
	sent[auth.Mail]
	awaited map[auth.Secret]bool // tokens that AwaitMail has returned
}

// Send implements [auth.Mailer].
func (m *Mails) Send(_ context.Context, mail auth.Mail) error { m.add(mail); return nil }

// All returns the mails so far, which arrive as events do.
func (m *Mails) All() []auth.Mail { return m.copied() }

// Await returns the oldest mail of a purpose to an address that no Await has returned, and waits
// for it for 10 seconds at most. It returns false if none comes.
func (m *Mails) Await(purpose auth.MailPurpose, to string) (auth.Mail, bool) {
	return m.await(func(mail auth.Mail) bool {
		if mail.Purpose != purpose || mail.To != to || m.awaited[mail.Token] {
			return false
		}
		if m.awaited == nil {
			m.awaited = map[auth.Secret]bool{}
		}
		m.awaited[mail.Token] = true
		return true
	})
}

// AwaitMail returns the oldest mail of a purpose to an address that was not awaited before, and
// waits for it for 10 seconds at most. An address gets 3 mails, then one in 20 minutes.
func (h *Harness) AwaitMail(purpose auth.MailPurpose, to string) auth.Mail {
	h.t.Helper()
	mail, ok := h.Mails.Await(purpose, to)
	if !ok {
		h.t.Fatalf("authtest: no mail %s to %s%s", purpose, to, h.noMails)
	}
	return mail
}

// AwaitEvent returns the first event of this type of the user, and waits for it for 10 seconds
// at most. The events of one call come in their order.
func (h *Harness) AwaitEvent(u *User, t auth.EventType) auth.Event {
	h.t.Helper()
	e, ok := h.Events.await(func(e auth.Event) bool { return e.Type == t && e.UserID == u.ID })
	if !ok {
		h.t.Fatalf("authtest: no event %s of %s%s", t, u.ID, h.noEvents)
	}
	return e
}

// AwaitNotice returns the first notice of this type to the user, and waits for it for 10 seconds
// at most.
func (h *Harness) AwaitNotice(u *User, t auth.EventType) auth.Notice {
	h.t.Helper()
	n, ok := h.Notices.await(func(n auth.Notice) bool { return n.Type == t && n.UserID == u.ID })
	if !ok {
		h.t.Fatalf("authtest: no notice %s to %s%s", t, u.ID, h.noNotices)
	}
	return n
}

// sent is what was sent so far.
type sent[T any] struct {
	mu   sync.Mutex
	all  []T
	more chan struct{} // closed by the next add; nil: nobody waits
}

func (s *sent[T]) add(one T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, one)
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

func (s *sent[T]) copied() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]T(nil), s.all...)
}

// await returns the first one that is wanted.
func (s *sent[T]) await(wanted func(T) bool) (one T, ok bool) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		for _, one := range s.all {
			if wanted(one) {
				s.mu.Unlock()
				return one, true
			}
		}
		if s.more == nil {
			s.more = make(chan struct{})
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
		case <-timeout.C:
			return one, false
		}
	}
}
