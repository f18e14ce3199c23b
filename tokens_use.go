package auth

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
)

// The first use of a token that a refresh returned shows that the reply has arrived. From then on
// a refresh of its parent means that the parent was copied. Before, it means that the reply was
// lost on the way.
//
// A check notes the use in memory, once for each token. A goroutine writes it. So no check waits
// for a write. Refresh looks in both places: on this Manager a use counts at once, on others
// within Config.UsageInterval.
//
// Close writes what is left. A crash loses uses, and then a token counts as never used until its
// next use. ARCHITECTURE.md says why that side is the safe one.

// maxFirstUses is how many first uses may wait to be written. A use beyond it is not noted; the
// next check of the token tries again.
const maxFirstUses = 64 << 10

// usesAtOnce is how many first uses are written at the same time.
const usesAtOnce = 64

// firstUses are the first uses that are not written yet. A session may have several: the check of
// an older token can end after that of the next.
type firstUses struct {
	mu   sync.Mutex
	uses map[firstUse]struct{}
	stop chan struct{}
	done chan struct{}
}

// A firstUse is that of a session's token with this id.
type firstUse struct{ uid, sid, token string }

// noteUse notes that a token of the session of s was used, if it is the first use. It costs a
// comparison otherwise.
func (m *Manager) noteUse(s *snapshot, tokenID string) {
	if s.ids.Unused != tokenID || s.noted.Load() {
		return
	}
	uid, sid := s.identity.User.ID[len(userPrefix):], s.identity.SessionID[len(sessionPrefix):]
	if m.firstUses.add(firstUse{uid, sid, tokenID}) {
		s.noted.Store(true)
	}
}

// add notes a first use, unless too many wait. It copies the texts, which may be parts of longer
// ones.
func (f *firstUses) add(use firstUse) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.uses[use]; known {
		return true
	}
	if len(f.uses) >= maxFirstUses {
		return false
	}
	f.uses[firstUse{strings.Clone(use.uid), strings.Clone(use.sid), strings.Clone(use.token)}] = struct{}{}
	return true
}

// has reports whether a use waits to be written.
func (f *firstUses) has(use firstUse) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, known := f.uses[use]
	return known
}

// all returns what waits.
func (f *firstUses) all() []firstUse {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.uses))
}

// remove removes a use that was written.
func (f *firstUses) remove(use firstUse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.uses, use)
}

// startFirstUses starts the goroutine that writes first uses every Config.UsageInterval.
func (m *Manager) startFirstUses() {
	m.firstUses = firstUses{uses: map[firstUse]struct{}{}, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.firstUses.done)
		tick := time.NewTicker(m.cfg.UsageInterval)
		defer tick.Stop()
		for failed := false; ; {
			select {
			case <-tick.C:
			case <-m.firstUses.stop:
				return
			}
			err := m.writeFirstUses()
			if err != nil && !failed {
				m.cfg.Logger.Warn("auth: the first uses of tokens were not written; the Manager tries again", "err", err)
			}
			failed = err != nil
		}
	}()
}

// closeFirstUses ends the goroutine and writes what is left.
func (m *Manager) closeFirstUses() error {
	close(m.firstUses.stop)
	<-m.firstUses.done
	return m.writeFirstUses()
}

// writeFirstUses writes the first uses that were noted before the call, some at the same time.
// What fails stays noted. The rest is not tried then, since the store does not answer.
func (m *Manager) writeFirstUses() error {
	return withoutPanic(backgroundContext(), func(ctx context.Context) error {
		var calls []func() error
		for _, use := range m.firstUses.all() {
			calls = append(calls, func() error {
				err := m.writeFirstUse(ctx, use)
				if err == nil || errors.Is(err, record.ErrDamaged) {
					m.firstUses.remove(use)
				}
				return err
			})
		}
		return parallel.Try(usesAtOnce, calls, func(err error) error { return err })
	})
}

// writeFirstUse writes the use of a session's token, if that is still the current one and the
// session has not ended. It takes no turn: only a refresh changes the record beside it.
func (m *Manager) writeFirstUse(ctx context.Context, use firstUse) error {
	s := sessionRow(use.uid, use.sid)
	return m.records.Retry(ctx, "", func() error {
		if err := m.records.Read(ctx, &s); err != nil {
			return err
		}
		if !s.Exists() || s.Rec.Unused != use.token {
			return nil
		}
		s.Rec.Unused = ""
		return m.records.Commit(ctx, s.Put().Until(s.Rec.Expires))
	})
}
