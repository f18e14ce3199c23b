package boltstore

import (
	"time"

	"github.com/datixlab/auth/store"
)

// The committer tidies up twice a second. In one transaction it writes counters that
// changed and drops expired records. The bounds keep a Commit from waiting for it for
// more than 20 ms on an ordinary disk. If there is more to do, it continues after a
// pause that is at least as long as it took itself, so that Commits have their turn.
const (
	tidyEvery    = 500 * time.Millisecond
	tidyAgain    = 5 * time.Millisecond
	tidyCounters = 256
	tidyRecords  = 128
	tidyBytes    = 512 << 10
	tidyTime     = 5 * time.Millisecond // to search for expired records: pages of a large file come from the disk
)

// tidy does one round and reports whether there is more to do.
func (s *Store) tidy() (more bool) {
	counters := s.changed(tidyCounters)
	now := uint64(max(0, s.now().Unix()))
	var parts []string // whose records are dropped
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

// sweep drops records that expired at now or before, in the order of their expiry. It
// drops as many as the bounds admit and it finds before until, but at least one if
// there is any. It calls drop with the key of each.
//
// It deletes in the transaction in which it finds them. So a record that was given a
// later expiry meanwhile is no longer found under the old one.
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
