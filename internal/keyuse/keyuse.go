// Package keyuse counts the uses of keys in memory and writes them to records in the
// background. It reports each unusual use once.
//
// A key has two identifiers here, which are opaque: that of its user (uid) and its own (kid).
package keyuse

import (
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A Config is what a [Tracker] is made of. All fields are required.
type Config struct {
	Records  record.Records
	Log      *slog.Logger  // receives a warning when uses were not written
	Interval time.Duration // from one write of all uses to the next, more than 0
	// Rows returns the rows of a key and of its usage, which share a partition.
	Rows func(uid, kid string) (KeyRow, *record.Row[Usage])
	// Found is called with each Finding about a key, after the uses were written. Up to 64
	// goroutines call it at once.
	Found func(uid, kid string, f Finding)
}

// A KeyRow is the row of a key. Uses are written only if the key exists and is as it was
// read. So a write never brings a removed key back.
type KeyRow interface {
	record.Reader
	Exists() bool
	Unchanged() store.Op
	Created() time.Time // of the key
}

// A Tracker keeps the uses of keys in memory and writes all uses of a key at once. A crash
// loses the uses of one Interval. Any number of Trackers, in any number of processes, may
// share a store. Any number of goroutines may call Touch and Pending.
type Tracker struct {
	cfg         Config
	unconfirmed map[string]write // by key, of writes that failed and may have succeeded
	shards      [shardCount]shard
	stop        chan struct{}
	done        chan struct{}
}

// New returns a Tracker that writes every Interval until its [Tracker.Close].
func New(cfg Config) *Tracker {
	t := &Tracker{
		cfg: cfg, unconfirmed: map[string]write{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for i := range t.shards {
		t.shards[i].keys = map[string]*Pending{}
	}
	go t.loop()
	return t
}

func (t *Tracker) loop() {
	defer close(t.done)
	tick := time.NewTicker(t.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := t.flush(); err != nil {
				t.cfg.Log.Warn("auth: the uses of API keys were not written; the Manager tries again", "err", err)
			}
		case <-t.stop:
			return
		}
	}
}

// Close writes the uses that are left and ends the Tracker. It must be called once. Uses that
// are counted after it are lost. It returns an error if some uses were not written.
func (t *Tracker) Close() error {
	close(t.stop)
	<-t.done
	if err := t.flush(); err != nil {
		return err
	}
	// If an unconfirmed write of a key turns out to have succeeded, the first flush wrote
	// none of the later uses of that key.
	return t.flush()
}

// Touch counts a use of a key at now, from an address. The zero Addr is unknown. Kid begins
// with a lowercase hex digit.
//
// Last makes the next use cheaper, and may be nil. The caller keeps it for the key. Touch
// stores in it where the key's uses are counted until they are written.
//
// If more keys are in use than the Tracker can hold, it does not count the uses of the others.
// A use never fails.
func (t *Tracker) Touch(last *atomic.Pointer[Pending], uid, kid string, now time.Time, from netip.Addr) {
	if last != nil {
		if p := last.Load(); p != nil && p.add(now, from) {
			return
		}
	}
	s := t.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.keys[kid]
	if p == nil {
		if len(s.keys) >= maxKeys {
			return
		}
		p = &Pending{uses: Uses{uid: strings.Clone(uid)}}
		s.keys[strings.Clone(kid)] = p // kid may be part of a longer text
	}
	p.add(now, from) // this succeeds for as long as p is in the map
	if last != nil {
		last.Store(p)
	}
}

// Pending returns the uses of a key that are not written yet.
func (t *Tracker) Pending(kid string) Uses {
	s := t.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.keys[kid]; p != nil {
		return p.snapshot()
	}
	return Uses{}
}
