package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

var closeRules = []Rule{{
	Name:  "Closed",
	Says:  "after Close every call returns ErrClosed, and closing again does nothing",
	check: checkClosed,
}, {
	Name:  "CloseUnderWay",
	Says:  "Close waits for calls under way: they succeed or return ErrClosed and were not begun",
	check: checkCloseUnderWay,
}}

func (p *probe) close() {
	if err := p.s.Close(); err != nil {
		failf("Close: %v", err)
	}
}

func (p *probe) wantClosed() {
	if values, err := p.s.Get(p.ctx, "c/k"); !errors.Is(err, store.ErrClosed) || values != nil {
		failf("Get after Close: %q and error %v, want ErrClosed", values, err)
	}
	if items, err := p.s.List(p.ctx, "c/", "", 1); !errors.Is(err, store.ErrClosed) || items != nil {
		failf("List after Close: %+v and error %v, want ErrClosed", items, err)
	}
	for _, op := range []store.Op{store.Put("c/k", nil), store.Check("c/none").Absent(), store.Delete("c/k").Absent()} {
		if err := p.s.Commit(p.ctx, op); !errors.Is(err, store.ErrClosed) {
			failf("Commit after Close: error %v, want ErrClosed", err)
		}
	}
	d, err := p.s.Hit(p.ctx, "c/k", store.Limit{Burst: 1, Every: time.Minute}, 1, base())
	if !errors.Is(err, store.ErrClosed) || d.OK {
		failf("Hit after Close: %+v and error %v, want ErrClosed", d, err)
	}
}

func checkClosed(p *probe) {
	p.commit(store.Put("c/k", []byte("v")))
	p.hit("c/k", store.Limit{Burst: 5, Every: time.Minute}, 1, base())
	p.close()
	p.wantClosed()
	for range 2 {
		p.close()
		p.wantClosed()
	}
}

func checkCloseUnderWay(p *probe) {
	const keys = 50
	l := store.Limit{Burst: 1_000_000, Every: time.Millisecond}
	now := base()
	value := make([]byte, 1000)
	var calls atomic.Int64
	var closed atomic.Bool
	underWay := make(chan struct{})
	var acknowledged [racers]string
	going := func(call string, err error) bool {
		if err != nil && !errors.Is(err, store.ErrClosed) {
			failf("%s while the store was closed: %v, want success or ErrClosed", call, err)
		}
		if calls.Add(1) == 500 {
			close(underWay)
		}
		return err == nil
	}
	race(racers, []*probe{p}, func(i int, p *probe) {
		if i < 2 { // two close at once
			select {
			case <-underWay:
			case <-time.After(budget):
			}
			p.close()
			closed.Store(true)
			return
		}
		for n := 0; !closed.Load(); n++ {
			key := fmt.Sprintf("c/%02d/%d", i, n%keys)
			if !going("Commit", p.s.Commit(p.ctx, store.Put(key, value))) {
				break
			}
			acknowledged[i] = key
			values, err := p.s.Get(p.ctx, key)
			if !going("Get", err) {
				break
			}
			if len(values) != 1 || len(values[0]) != len(value) {
				failf("Get without an error, while the store was closed, returned %.20q", values)
			}
			items, err := p.s.List(p.ctx, key, "", 100)
			if !going("List", err) {
				break
			}
			if len(items) == 0 {
				failf("List without an error, while the store was closed, left out a record that is there")
			}
			d, err := p.s.Hit(p.ctx, key, l, 1, now)
			if !going("Hit", err) {
				break
			}
			if !d.OK {
				failf("Hit without an error, while the store was closed: %+v", d)
			}
		}
	})
	p.wantClosed()
	if p.place.Reopen == nil {
		return
	}
	again := p.open("Reopen", p.place.Reopen)
	for _, key := range acknowledged {
		if key != "" {
			again.want(key, value)
		}
	}
}
