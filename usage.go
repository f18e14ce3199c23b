package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
)

// keyUsage is when and how often an API key was used. It lies beside the key and
// not in it, so that writing a use can never bring back a key, or undo a change of
// it.
type keyUsage struct {
	Last    time.Time
	Count   uint64
	Address string // address prefix of the last use
	Pattern keyPattern
	newer   []byte
}

func (u *keyUsage) Fields(c *record.Codec) {
	c.Time(&u.Last)
	c.Uint(&u.Count)
	c.String(&u.Address)
	u.Pattern.Fields(c)
	c.Rest(&u.newer)
}

func keyUsageRow(uid, kid string) record.Row[keyUsage] {
	return record.New[keyUsage](keyUsageKey(uid, kid))
}

// merge adds uses that are not in u yet. Time only goes forward.
func (u *keyUsage) merge(more keyUsage) {
	u.Count += more.Count
	if more.Last.After(u.Last) {
		u.Last, u.Address = more.Last, more.Address
	}
}

const (
	hexDigits     = "0123456789abcdef"
	usageShards   = len(hexDigits)
	writtenAtOnce = 64       // keys
	maxUsageShard = 16 << 10 // keys that wait to be written, in each shard
)

// usage keeps the uses of API keys in memory and writes them behind, all uses of a
// key since the last time at once. A crash loses those of one Config.UsageInterval.
type usage struct {
	records  record.Records
	log      *slog.Logger
	interval time.Duration
	tell     func(Event)
	unsure   map[string]attempt // by key id, of writes that failed and may yet have been made
	shards   [usageShards]usageShard
	stop     chan struct{}
	done     chan struct{}
}

type usageShard struct {
	mu   sync.Mutex
	uses map[string]*pendingUse // by key id
}

// An attempt is a write that failed and may yet have been made.
type attempt struct {
	found []Event
	value []byte // of the record
	uses  uses
}

// uses are those of a key that are not written yet. They keep the address as it is:
// its text is made once per write and not once per use.
type uses struct {
	uid string
	keyUsage
	from netip.Addr
	runs []useRun
}

// usage is what the uses add to the key's record.
func (u *uses) usage() keyUsage {
	all := u.keyUsage
	if u.from.IsValid() {
		all.Address = netprefix.Text(u.from)
	}
	return all
}

// A pendingUse is where the uses of one key are counted.
type pendingUse struct {
	mu      sync.Mutex
	written bool // all of them, and it has been left: others are counted elsewhere
	uses    uses
}

// add counts a use, or returns false where that must be done elsewhere.
func (p *pendingUse) add(now time.Time, from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.written {
		return false
	}
	u := &p.uses
	u.Count++
	u.runs = addRun(u.runs, now, from)
	if now.After(u.Last) {
		u.Last, u.from = now, from
	}
	return true
}

// look calls f with the uses.
func (p *pendingUse) look(f func(u *uses)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.uses)
}

// newUsage begins to write. What is unusual is told while the writer waits.
func newUsage(r record.Records, cfg Config, tell func(Event)) *usage {
	u := &usage{
		records: r, log: cfg.Logger, interval: cfg.UsageInterval, tell: tell, unsure: map[string]attempt{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for i := range u.shards {
		u.shards[i].uses = map[string]*pendingUse{}
	}
	go u.loop()
	return u
}

func (u *usage) loop() {
	defer close(u.done)
	tick := time.NewTicker(u.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := u.flush(); err != nil {
				u.log.Warn("auth: the use of API keys was not written, it will be tried again", "err", err)
			}
		case <-u.stop:
			return
		}
	}
}

// close writes what is left: at once, or after an attempt that turns out to have been
// made, which is all that a flush writes of that key.
func (u *usage) close() error {
	close(u.stop)
	<-u.done
	if err := u.flush(); err != nil {
		return err
	}
	return u.flush()
}

// shard picks by the first hex digit of the id, which is as good as random.
func (u *usage) shard(kid string) *usageShard {
	return &u.shards[strings.IndexByte(hexDigits, kid[0])]
}

// touch counts a use of a key: in last, where that of the one before was counted,
// unless that has been written. Where more keys are in use than can be kept, the
// surplus is not counted: tracking never fails a request. A nil last is not known.
func (u *usage) touch(last *atomic.Pointer[pendingUse], userID, keyID string, now time.Time, from netip.Addr) {
	if last != nil {
		if p := last.Load(); p != nil && p.add(now, from) {
			return
		}
	}
	uid, kid := userID[len(userPrefix):], keyID[len(keyIDPrefix):]
	s := u.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.uses[kid]
	if p == nil {
		if len(s.uses) >= maxUsageShard {
			return
		}
		p = &pendingUse{uses: uses{uid: strings.Clone(uid)}}
		s.uses[strings.Clone(kid)] = p // what it is a part of may be longer
	}
	p.add(now, from) // which it takes for as long as it is in the map
	if last != nil {
		last.Store(p)
	}
}

// pending returns the uses of the key that are not written yet.
func (u *usage) pending(kid string) (more keyUsage) {
	s := u.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.uses[kid]; p != nil {
		p.look(func(u *uses) { more = u.usage() })
	}
	return more
}

// flush writes every use that was counted before it. What could not be written
// stays in memory, but for uses whose record is damaged.
func (u *usage) flush() error {
	var errs []error
	for i := range u.shards {
		s := &u.shards[i]
		uses := s.snapshot()
		for kids := range slices.Chunk(slices.Collect(maps.Keys(uses)), writtenAtOnce) {
			again := u.writeSome(s, kids, uses, &errs)
			if again != nil { // the store does not answer: it is not asked again for all the others
				return errors.Join(append(errs, again)...)
			}
		}
	}
	return errors.Join(errs...)
}

// writeSome writes the uses of some keys at the same time: on bbolt they share a sync,
// on Redis the wait for an answer. It adds to damaged why nothing will ever come of
// some, and returns why others must be tried again.
func (u *usage) writeSome(s *usageShard, kids []string, uses map[string]uses, damaged *[]error) (again error) {
	calls, errs := make([]func(), len(kids)), make([]error, len(kids))
	sent := make([]attempt, len(kids))
	for i, kid := range kids {
		last := u.unsure[kid]
		calls[i] = func() { sent[i], errs[i] = u.write(kid, uses[kid], last) }
	}
	parallel.Do(calls...)
	for i, kid := range kids {
		delete(u.unsure, kid)
		if errs[i] != nil && !errors.Is(errs[i], record.ErrDamaged) {
			again = errs[i]
			if sent[i].value != nil {
				u.unsure[kid] = sent[i]
			}
			continue
		}
		if errs[i] != nil {
			*damaged = append(*damaged, errs[i])
		}
		s.subtract(kid, sent[i].uses)
	}
	return again
}

func (s *usageShard) snapshot() map[string]uses {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]uses, len(s.uses))
	for kid, p := range s.uses {
		p.look(func(u *uses) {
			snap := *u
			snap.runs = slices.Clone(u.runs)
			all[kid] = snap
		})
	}
	return all
}

func (s *usageShard) subtract(kid string, done uses) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.uses[kid]
	if p == nil {
		return
	}
	p.look(func(u *uses) {
		u.runs = subtractRuns(u.runs, done.runs)
		if u.Count -= done.Count; u.Count == 0 {
			p.written = true
			delete(s.uses, kid)
		}
	})
}

// write adds the uses to the key's record, if the key is still there, and tells what is
// unusual in them: since its Commit has the condition that the record is as it was
// read, nobody else tells it too.
//
// It returns what it sent, or would have: where the last attempt was made after all,
// that one. What it sent may have been written also where it returns an error.
func (u *usage) write(kid string, p uses, last attempt) (sent attempt, err error) {
	ctx := context.Background()
	err = u.records.Retry(ctx, func() error {
		sent = attempt{uses: p}
		k := keyRow(p.uid, kid)
		old := keyUsageRow(p.uid, kid)
		if err := u.records.Read(ctx, &k, &old); err != nil {
			return err
		}
		if !k.Exists() {
			return nil
		}
		if last.value != nil && bytes.Equal(old.Raw, last.value) {
			sent = last
			return nil
		}
		sent.found = unite(last.found, old.Rec.learn(k.Rec.Created, p.runs))
		old.Rec.merge(p.usage())
		op := old.Put()
		sent.value = op.Value
		return u.records.Commit(ctx, k.Unchanged(), op)
	})
	if err != nil {
		return sent, err
	}
	for _, e := range sent.found {
		e.Actor, e.UserID, e.APIKeyID = keyIDPrefix+kid, userPrefix+p.uid, keyIDPrefix+kid
		u.tell(e)
	}
	return sent, nil
}

// learn is the pattern's, which a record that was written without one begins with the
// last use.
func (u *keyUsage) learn(created time.Time, runs []useRun) []Event {
	if addr, err := netip.ParseAddr(u.Address); err == nil && len(u.Pattern.Networks) == 0 {
		u.Pattern.Networks = []keyNetwork{{network(addr).String(), u.Last}}
	}
	if u.Last.After(created) {
		created = u.Last
	}
	return u.Pattern.learn(created, runs)
}
