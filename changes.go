package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

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

// changeLimit is the budget of one user for edits of the profile, which cost a client nothing
// but write records and an event. Each process counts for itself. Other changes have budgets of
// their own: a session writes one refresh in refreshInterval, keys have Limits.APIKeyByAccount,
// and a proof has the budgets of passwords and codes. So the thief of a token cannot use up
// what the owner needs to change the password. What ends something, such as a logout or the
// revocation of a key, has no budget.
var changeLimit = store.Limit{Burst: 60, Every: time.Second}

// maxChangedUsers is how many users have a counter of changes at the same time.
const maxChangedUsers = 1 << 16

// chargeChange counts one change that the user makes. It returns a [*RetryError] with
// ErrRateLimited if there were too many.
func (m *Manager) chargeChange(ctx context.Context, uid string) error {
	d, err := m.changes.Hit(userKey(uid, "changes"), changeLimit, 1, m.now())
	if err != nil {
		return unavailable(err)
	}
	if !d.OK {
		m.emit(ctx, Event{Type: EventRateLimited, UserID: userIDOf(uid), Reason: "changes"})
		return &RetryError{Err: ErrRateLimited, After: d.RetryAfter}
	}
	return nil
}

// callsUnderWay counts the calls that may change something. [Manager.Close] waits for them, so
// that the event of a change that has begun is sent.
type callsUnderWay struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0; nil until wait is called
}

// begin counts a call until the function that it returns is called.
func (c *callsUnderWay) begin() (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.end
}

func (c *callsUnderWay) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// wait returns when no call is under way, or after most.
func (c *callsUnderWay) wait(most time.Duration) {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-timeout.C:
	}
}
