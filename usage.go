package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
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

func (u *keyUsage) fields(c *codec) {
	c.time(&u.Last)
	c.uint(&u.Count)
	c.string(&u.Address)
	u.Pattern.fields(c)
	c.rest(&u.newer)
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
	maxUsageShard = 16 << 10 // keys that wait to be written, in each shard
)

// usage keeps the uses of API keys in memory and writes them behind, all uses of a
// key since the last time at once. A crash loses those of one Config.UsageInterval.
type usage struct {
	records  records
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
	uses  pendingUse
}

// A pendingUse keeps the address as it is: its text is made once per write and not
// once per use.
type pendingUse struct {
	uid string
	keyUsage
	from netip.Addr
	runs []useRun
}

// usage is what the use adds to the key's record.
func (p *pendingUse) usage() keyUsage {
	u := p.keyUsage
	if p.from.IsValid() {
		u.Address = addressPrefix(p.from)
	}
	return u
}

// newUsage begins to write. What is unusual is told while the writer waits.
func newUsage(r records, cfg Config, tell func(Event)) *usage {
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

// touch counts a use. Where more keys are in use than can be kept, the surplus is
// not counted: tracking never fails a request.
func (u *usage) touch(uid, kid string, now time.Time, from netip.Addr) {
	s := u.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.uses[kid]
	if p == nil {
		if len(s.uses) >= maxUsageShard {
			return
		}
		p = &pendingUse{uid: strings.Clone(uid)}
		s.uses[strings.Clone(kid)] = p // what it is a part of may be longer
	}
	p.Count++
	p.runs = addRun(p.runs, now, from)
	if now.After(p.Last) {
		p.Last, p.from = now, from
	}
}

// pending returns the uses of the key that are not written yet.
func (u *usage) pending(kid string) keyUsage {
	s := u.shard(kid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.uses[kid]; p != nil {
		return p.usage()
	}
	return keyUsage{}
}

// flush writes every use that was counted before it. What could not be written
// stays in memory, but for uses whose record is damaged.
func (u *usage) flush() error {
	var errs []error
	for i := range u.shards {
		s := &u.shards[i]
		for kid, p := range s.snapshot() {
			p, err := u.write(kid, p)
			if err != nil && !errors.Is(err, errDamaged) {
				return errors.Join(append(errs, err)...) // the store does not answer: it is not asked again for each key
			}
			if err != nil { // nothing will ever come of this one
				errs = append(errs, err)
			}
			s.subtract(kid, p)
		}
	}
	return errors.Join(errs...)
}

func (s *usageShard) snapshot() map[string]pendingUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]pendingUse, len(s.uses))
	for kid, p := range s.uses {
		snap := *p
		snap.runs = slices.Clone(p.runs)
		all[kid] = snap
	}
	return all
}

func (s *usageShard) subtract(kid string, written pendingUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.uses[kid]; p != nil {
		p.runs = subtractRuns(p.runs, written.runs)
		if p.Count -= written.Count; p.Count == 0 {
			delete(s.uses, kid)
		}
	}
}

// write adds the uses to the key's record, if the key is still there, and tells what is
// unusual in them: since its Commit has the condition that the record is as it was
// read, nobody else tells it too.
//
// It returns the uses that are written: where the last attempt was made after all,
// those of that one.
func (u *usage) write(kid string, p pendingUse) (pendingUse, error) {
	ctx := context.Background()
	last, sent := u.unsure[kid], attempt{}
	err := retry(ctx, func() error {
		sent = attempt{}
		k := newRow[keyRecord](apiKeyKey(p.uid, kid))
		old := newRow[keyUsage](keyUsageKey(p.uid, kid))
		if err := u.records.read(ctx, &k, &old); err != nil {
			return err
		}
		if !k.exists() {
			return nil
		}
		if last.value != nil && bytes.Equal(old.raw, last.value) {
			sent, p = last, last.uses
			return nil
		}
		sent.found = unite(last.found, old.rec.learn(k.rec.Created, p.runs))
		old.rec.merge(p.usage())
		op := old.put()
		sent.value, sent.uses = op.Value, p
		return u.records.commit(ctx, k.unchanged(), op)
	})
	delete(u.unsure, kid)
	if err != nil {
		if sent.value != nil {
			u.unsure[kid] = sent
		}
		return p, err
	}
	for _, e := range sent.found {
		e.Actor, e.UserID, e.APIKeyID = keyIDPrefix+kid, userPrefix+p.uid, keyIDPrefix+kid
		u.tell(e)
	}
	return p, nil
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
