package boltstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/store"
)

// Hit implements store.Store. It counts in memory; the package comment says what a
// crash loses.
func (s *Store) Hit(ctx context.Context, key string, limit store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := s.enter(ctx); err != nil {
		return store.Decision{}, err
	}
	defer s.calls.RUnlock()

	for _, reason := range [...]*error{s.writeErr.Load(), s.counterErr.Load()} {
		if reason != nil {
			return store.Decision{}, *reason
		}
	}
	return s.hits.Hit(key, limit, n, now)
}

// load reads the number of the last transaction and the counters of the file. Those that have ended are not in use, and are
// deleted with the first counters that change.
func (s *Store) load(tx *bbolt.Tx) error {
	s.written.Store(uint64(tx.ID()))
	s.hits.Track()
	now := s.now().UnixNano()
	return tx.Bucket(countersBucket).ForEach(func(k, v []byte) error {
		if len(v) != 8 || !store.ValidKey(string(k)) {
			return fmt.Errorf("%w: a counter of %d bytes under a key of %d", ErrDamaged, len(v), len(k))
		}
		c := hitcount.Entry{Key: string(k), State: int64(binary.BigEndian.Uint64(v))}
		if c.State > now {
			s.hits.Load(c)
		} else {
			s.pendingCounters = append(s.pendingCounters, hitcount.Entry{Key: c.Key})
		}
		return nil
	})
}

// changed returns up to limit counters to write next. They stay first in the queue
// until note reports them as written, since a later state of the same counter must win.
func (s *Store) changed(limit int) []hitcount.Entry {
	if len(s.pendingCounters) == 0 {
		s.pendingCounters = s.hits.Dirty(limit)
	}
	return s.pendingCounters[:min(limit, len(s.pendingCounters))]
}

// note removes counters from the queue. If writing them failed with err, it makes Hit
// fail.
func (s *Store) note(counters []hitcount.Entry, err error) {
	switch {
	case err == nil:
		s.pendingCounters = s.pendingCounters[len(counters):]
		s.counterErr.Store(nil)
	case len(counters) > 0:
		if s.counterErr.Swap(&err) == nil {
			s.log.Error("boltstore: counters cannot be written", "path", s.path, "error", err)
		}
	}
}

// flush writes every counter that changed, in larger transactions than tidy: no Commit
// waits any more.
func (s *Store) flush() error {
	for {
		counters := s.changed(1 << 15)
		if len(counters) == 0 {
			return nil
		}
		err := s.update(func(t *tables) (bool, error) { return true, t.writeCounters(counters) })
		s.note(counters, err)
		if err != nil {
			return err
		}
	}
}

// writeCounters sorts counters by their keys and writes them. bbolt keeps the new keys of a page in one
// slice until the end of the transaction, and would move half of it for each that comes in between.
func (t *tables) writeCounters(counters []hitcount.Entry) error {
	slices.SortStableFunc(counters, func(a, b hitcount.Entry) int { return strings.Compare(a.Key, b.Key) })
	for _, c := range counters {
		var err error
		if c.State == 0 {
			err = t.counters.Delete([]byte(c.Key))
		} else {
			err = t.counters.Put([]byte(c.Key), binary.BigEndian.AppendUint64(nil, uint64(c.State)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
