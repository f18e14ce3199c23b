package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

// budget is how long a race lasts at most, once it has lasted long enough.
const budget = 150 * time.Millisecond

// racers is how many goroutines race each other.
const racers = 16

// broken is the value that a probe panics with; catch turns it into an error. No other
// panic is caught: a store that panics should show its stack.
type broken struct{ error }

func catch(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case broken:
			err = r.error
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

func failf(format string, args ...any) { panic(broken{fmt.Errorf(format, args...)}) }

// A probe makes the calls of a rule. A call ends the rule if the store returns
// something that the rule cannot go on with.
type probe struct {
	ctx    context.Context
	place  Place
	s      store.Store   // the store that the calls below go to
	stores []store.Store // all stores to close
	wires  []*wire       // all wires to close, after the stores
}

// all returns the probes of a race: one for each store on the Place.
func (p *probe) all() []*probe {
	if p.place.Join == nil {
		return []*probe{p}
	}
	return []*probe{p, p.open("Join", p.place.Join)}
}

func (p *probe) open(name string, open func() (store.Store, error)) *probe {
	s, err := open()
	if err != nil {
		failf("%s: %v", name, err)
	}
	p.stores = append(p.stores, s)
	return &probe{ctx: p.ctx, place: p.place, s: s}
}

func (p *probe) get(keys ...string) [][]byte {
	values, err := p.s.Get(p.ctx, keys...)
	if err != nil {
		failf("Get(%.40q): %v", keys, err)
	}
	if len(values) != len(keys) {
		failf("Get of %d keys returned %d values", len(keys), len(values))
	}
	return values
}

func (p *probe) list(prefix, after string, limit int) []store.Item {
	items, err := p.s.List(p.ctx, prefix, after, limit)
	if err != nil {
		failf("List(%q, %q, %d): %v", prefix, after, limit, err)
	}
	if len(items) > limit {
		failf("List(%q, %q, %d) returned %d items", prefix, after, limit, len(items))
	}
	return items
}

func (p *probe) commit(ops ...store.Op) {
	if err := p.s.Commit(p.ctx, ops...); err != nil {
		failf("Commit(%s): %v, want it to succeed", show(ops), err)
	}
}

// insist commits ops, which have no condition, again while the outcome is unknown. A
// busy machine may be too slow for so many Commits at once.
func (p *probe) insist(ops ...store.Op) {
	for unknown("Commit without a condition", p.s.Commit(p.ctx, ops...)) {
		if p.ctx.Err() != nil {
			p.commit(ops...)
		}
	}
}

func (p *probe) conflict(ops ...store.Op) {
	if err := p.s.Commit(p.ctx, ops...); !errors.Is(err, store.ErrConflict) {
		failf("Commit(%s): error %v, want ErrConflict", show(ops), err)
	}
}

// try commits and reports whether that succeeded; a conflict is false.
func (p *probe) try(ops ...store.Op) bool {
	err := p.s.Commit(p.ctx, ops...)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		failf("Commit(%s): %v, want success or ErrConflict", show(ops), err)
	}
	return err == nil
}

func (p *probe) hit(key string, l store.Limit, n int, now time.Time) store.Decision {
	d, err := p.s.Hit(p.ctx, key, l, n, now)
	if err != nil {
		failf("Hit(%q, %+v, %d): %v", key, l, n, err)
	}
	return d
}

// want fails unless value is under key; nil means that there is no record.
func (p *probe) want(key string, value []byte) {
	got := p.get(key)[0]
	if (got == nil) != (value == nil) || !bytes.Equal(got, value) {
		failf("Get(%q) = %s, want %s", key, describe(got), describe(value))
	}
}

// race starts n racers at once, and ends the rule if one of them found it broken. The
// racers share probes in turn.
func race(n int, probes []*probe, f func(i int, p *probe)) {
	errs := make([]error, n)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			errs[i] = catch(func() { f(i, probes[i%len(probes)]) })
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	for _, err := range errs {
		if err != nil {
			panic(broken{err})
		}
	}
}

// rounds calls f for 0, 1, 2 …: at most times, until the budget is spent, but 3 times
// at least.
func rounds(most int, f func(round int)) {
	end := time.Now().Add(budget)
	for i := 0; i < most && (i < 3 || time.Now().Before(end)); i++ {
		f(i)
	}
}

func describe(v []byte) string {
	switch {
	case v == nil:
		return "no record"
	case len(v) == 0:
		return "the empty value"
	case len(v) > 40:
		return fmt.Sprintf("%.20q… of %d bytes", v, len(v))
	}
	return fmt.Sprintf("%q", v)
}

func show(ops []store.Op) string {
	var b bytes.Buffer
	for i, op := range ops {
		if i == 3 {
			fmt.Fprintf(&b, ", … %d in all", len(ops))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		switch op.Write {
		case store.None:
			b.WriteString("check ")
		case store.Set:
			fmt.Fprintf(&b, "put %s in ", describe(append([]byte{}, op.Value...)))
		case store.Remove:
			b.WriteString("delete ")
		}
		fmt.Fprintf(&b, "%.40q", op.Key)
		switch op.When {
		case store.IfAbsent:
			b.WriteString(" if absent")
		case store.IfEqual:
			fmt.Fprintf(&b, " if %s", describe(append([]byte{}, op.Old...)))
		}
	}
	return b.String()
}
