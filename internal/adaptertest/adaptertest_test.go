package adaptertest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// A recorder is a testing.TB that keeps what fails it.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r) // which by catches
}

// by returns what fails a test that calls check.
func by(t *testing.T, check func(tb testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		check(r)
	}()
	return strings.Join(r.errors, "; ")
}

// A broken store carries out each Commit in its own way. Every 50th is broken.
type broken struct {
	store.Stamper
	commits atomic.Int64
	commit  func(ctx context.Context, s store.Stamper, ops []store.Op) error
	stamp   func(stamp uint64) uint64
}

func (s *broken) Commit(ctx context.Context, ops ...store.Op) error {
	if s.commit != nil && s.commits.Add(1)%50 == 0 {
		return s.commit(ctx, s.Stamper, ops)
	}
	return s.Stamper.Commit(ctx, ops...)
}

func (s *broken) Stamp(partition string) (stamp uint64, known bool) {
	stamp, known = s.Stamper.Stamp(partition)
	if s.stamp != nil {
		stamp = s.stamp(stamp)
	}
	return stamp, known
}

var errLost = errors.New("the reply is lost")

func TestALoadFailsTheTestOfAStoreThatBreaksItsWord(t *testing.T) {
	for name, c := range map[string]struct {
		commit func(ctx context.Context, s store.Stamper, ops []store.Op) error
		says   string // "" if nothing is wrong
	}{
		"nothing is wrong": {func(ctx context.Context, s store.Stamper, ops []store.Op) error { return s.Commit(ctx, ops...) }, ""},
		"a Commit fails":   {func(context.Context, store.Stamper, []store.Op) error { return errLost }, ""},
		"a reply is lost": {func(ctx context.Context, s store.Stamper, ops []store.Op) error {
			return errors.Join(s.Commit(ctx, ops...), errLost)
		}, ""},
		"a step is acknowledged and not made": {func(context.Context, store.Stamper, []store.Op) error { return nil }, "acknowledged steps were undone"},
		"a step is made and refused": {func(ctx context.Context, s store.Stamper, ops []store.Op) error {
			return errors.Join(s.Commit(ctx, ops...), store.ErrConflict)
		}, "steps are there, and"},
		"a step is made by half": {func(ctx context.Context, s store.Stamper, ops []store.Op) error {
			return errors.Join(s.Commit(ctx, ops[0]), errLost)
		}, "the records are of steps"},
		"a step is refused whose condition holds": {func(context.Context, store.Stamper, []store.Op) error { return store.ErrConflict }, "was refused whose condition held"},
		"a step is made twice": {func(ctx context.Context, s store.Stamper, ops []store.Op) error {
			for _, op := range ops {
				op.When, op.Value = store.Always, fmt.Append(nil, 1000)
				_ = s.Commit(ctx, op)
			}
			return errLost
		}, "1000 steps are there, and"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &broken{Stamper: memstore.New(), commit: c.commit}
				defer s.Close()
				var o adaptertest.Outcome
				got := by(t, func(tb testing.TB) {
					l := adaptertest.StartLoad(tb, s, adaptertest.Partitions("p", 3)...)
					l.Progress(100, time.Minute)
					o = l.End()
				})
				if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
					t.Errorf("it says %q, want %q", got, c.says)
				}
				if failed := strings.HasPrefix(name, "a Commit") || strings.HasPrefix(name, "a reply"); failed && (o.Failed == 0 || !errors.Is(o.Last, errLost)) {
					t.Errorf("the failures are not counted: %v", o)
				}
			})
		})
	}
}

func TestALoadCountsWhatIsLateAndWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late sync.WaitGroup
		s := &broken{Stamper: memstore.New()}
		defer s.Close()
		var lost atomic.Bool
		s.commit = func(ctx context.Context, inner store.Stamper, ops []store.Op) error {
			if lost.CompareAndSwap(false, true) {
				return nil
			}
			late.Go(func() {
				<-time.After(500 * time.Microsecond) // after the look, before the next step
				_ = inner.Commit(context.Background(), ops...)
			})
			return errLost
		}
		l := adaptertest.StartLoad(t, s, "p")
		l.Progress(120, time.Minute)
		o := l.EndWithLosses()
		late.Wait()
		if o.Lost != 1 || o.Late == 0 || o.Oldest.IsZero() {
			t.Errorf("%d steps are late and %d lost, the oldest at %v", o.Late, o.Lost, o.Oldest)
		}
	})
}

// The others go on meanwhile.
func TestAWriterThatFailsNowAndThenIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &broken{Stamper: memstore.New(), commit: func(context.Context, store.Stamper, []store.Op) error { return errLost }}
		defer s.Close()
		if got := by(t, func(tb testing.TB) {
			l := adaptertest.StartLoad(tb, s, "p")
			l.Progress(100, time.Minute)
			l.Served(100, time.Minute)
		}); !strings.Contains(got, "not within 1m0s") {
			t.Errorf("it says %q", got)
		}
	})
}

const lag = 20 * time.Millisecond

func TestARaceFailsTheTestOfAStoreWhoseStampsAreStale(t *testing.T) {
	for name, c := range map[string]struct {
		stamp func(uint64) uint64
		stale bool
	}{
		"nothing is wrong":   {nil, false},
		"a stamp stays":      {func(uint64) uint64 { return 1 }, true},
		"two changes as one": {func(stamp uint64) uint64 { return stamp >> 21 }, true}, // the low 20 bits are those under way
	} {
		for way, check := range map[string]func(tb testing.TB, s *broken){
			"Race": func(tb testing.TB, s *broken) { adaptertest.Race(tb, s, s, lag, 20) },
			"RaceWhile": func(tb testing.TB, s *broken) {
				adaptertest.RaceWhile(tb, s, s, lag, func() { <-time.After(lag) })
			},
			"WantOwnChangesAtOnce": func(tb testing.TB, s *broken) { adaptertest.WantOwnChangesAtOnce(tb, s) },
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				s := &broken{Stamper: memstore.New(), stamp: c.stamp}
				defer s.Close()
				if got := by(t, func(tb testing.TB) { check(tb, s) }); (got != "") != c.stale {
					t.Errorf("it says %q", got)
				}
			})
		}
	}
}
