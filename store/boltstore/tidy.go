package boltstore

import (
	"time"

	"github.com/datixlab/auth/store"
)

// The committer tidies up twice a second: in one transaction it writes down
// counters that changed and drops expired records. The bounds keep what waits
// behind it waiting for less than 20 ms on an ordinary disk; if there is more to
// do it goes on after a pause in which Commits have their turn, as long as it took
// itself or longer.
const (
	tidyEvery    = 500 * time.Millisecond
	tidyAgain    = 5 * time.Millisecond
	tidyCounters = 256
	tidyRecords  = 128
	tidyBytes    = 512 << 10
	tidyTime     = 5 * time.Millisecond // to look for them: pages of a large file come from the disk
)

// tidy does one round and reports whether there is more to do.
func (s *Store) tidy() (more bool) {
	counters := s.changed(tidyCounters)
	now := uint64(max(0, s.now().Unix()))
	var parts []string // of which something is dropped
	drop := func(key []byte) {
		part := store.Partition(string(key))
		s.stamps.Begin(part)
		parts = append(parts, part)
	}
	err := s.update(func(t *tables) (wrote bool, err error) {
		if err := t.writeCounters(counters); err != nil {
			return false, err
		}
		var dropped int
		dropped, more, err = t.sweep(now, time.Now().Add(tidyTime), drop)
		return len(counters)+dropped > 0, err
	})
	for _, part := range parts {
		s.stamps.End(part)
	}
	s.note(counters, err)
	return err == nil && (more || len(counters) == tidyCounters)
}

// sweep drops records that expired at now or before, in the order of their expiry, as
// many as the bounds admit and it finds before until, but one at least. It calls drop
// with the key of each.
// It runs in the same transaction as what it finds, so a record that was given a
// later expiry in the meantime is no longer found under the old one.
func (t *tables) sweep(now uint64, until time.Time, drop func(key []byte)) (dropped int, more bool, err error) {
	var expired [][]byte
	bytes := 0
	cursor := t.expiries.Cursor()
	for k, _ := cursor.First(); k != nil; k, _ = cursor.Next() {
		expiry, key := splitExpiryKey(k)
		if expiry > now {
			break
		}
		if len(expired) == tidyRecords || bytes >= tidyBytes || len(expired) > 0 && !time.Now().Before(until) {
			more = true
			break
		}
		bytes += len(t.records.Get(key))
		expired = append(expired, append([]byte(nil), k...))
	}
	for _, k := range expired {
		_, key := splitExpiryKey(k)
		drop(key)
		if err := t.records.Delete(key); err != nil {
			return 0, false, err
		}
		if err := t.expiries.Delete(k); err != nil {
			return 0, false, err
		}
	}
	return len(expired), more, nil
}
