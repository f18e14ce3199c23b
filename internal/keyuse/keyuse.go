// Package keyuse counts the uses of keys in memory, writes them to their records in the
// background, and reports each use that is unusual once.
//
// It knows a key by the digits of its user and by its own, and nothing of what it is for.
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

// A Config is what a [Tracker] is made of. All of it is required.
type Config struct {
	Records  record.Records
	Log      *slog.Logger  // receives a warning when uses were not written in time
	Interval time.Duration // from one write of all uses to the next, more than 0
	// Rows returns the rows of a key and of its usage, which share a partition.
	Rows func(uid, kid string) (KeyRow, *record.Row[Usage])
	// Found receives what is unusual in the uses of a key, after they were written. Up to
	// 64 goroutines call it at once.
	Found func(uid, kid string, f Finding)
}

// A KeyRow is the row of a key. Uses are written only if the key still exists, and as it
// was read: so a write can never bring a key back.
type KeyRow interface {
	record.Reader
	Exists() bool
	Unchanged() store.Op
	Created() time.Time // of the key
}

// A Tracker keeps the uses of keys in memory and writes all of a key's at once. A crash
// loses those of one Interval. Any number of Trackers, in any number of processes, may
// share a store. All methods may be called by any number of goroutines.
type Tracker struct {
	Config
	unconfirmed map[string]write // by key, of writes that failed and may have succeeded
	shards      [shardCount]shard
	stop        chan struct{}
	done        chan struct{}
}

// New returns a Tracker that writes every Interval until its [Tracker.Close].
func New(cfg Config) *Tracker {
	t := &Tracker{
		Config: cfg, unconfirmed: map[string]write{},
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
	tick := time.NewTicker(t.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := t.flush(); err != nil {
				t.Log.Warn("auth: the use of API keys was not written, it will be tried again", "err", err)
			}
		case <-t.stop:
			return
		}
	}
}

// Close writes what is left and ends the Tracker. It must be called once; uses that are
// counted after it are lost. It returns an error if some uses were not written.
func (t *Tracker) Close() error {
	close(t.stop)
	<-t.done
	if err := t.flush(); err != nil {
		return err
	}
	// If the last write of a key turns out to have succeeded, the first flush wrote no
	// more of that key than this.
	return t.flush()
}

// Touch counts a use of a key at now: in last, if the use before was counted there and is
// not written yet. Else it sets last, which the caller keeps for the next use; nil is
// never set. Kid begins with a lowercase hex digit. The zero Addr is unknown.
//
// If more keys are in use than the Tracker can hold, uses of the rest are not counted: a
// use never fails.
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
		p = &Pending{uses: uses{uid: strings.Clone(uid)}}
		s.keys[strings.Clone(kid)] = p // kid may be part of a longer text
	}
	p.add(now, from) // which succeeds for as long as p is in the map
	if last != nil {
		last.Store(p)
	}
}

// Pending returns the uses of a key that are not written yet.
func (t *Tracker) Pending(kid string) (u Usage) {
	s := t.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.keys[kid]; p != nil {
		p.with(func(more *uses) { u = more.usage() })
	}
	return u
}
