package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/datixlab/auth/store"
)

var faultRules = []Rule{{
	Name:  "LostReply",
	Says:  "a call whose reply is lost returns an error that promises nothing, or the truth, and the next call works",
	needs: isBehind,
	check: checkLostReply,
}, {
	Name:  "SentOnce",
	Says:  "what was sent is carried out once at most: it is not sent again when its reply is lost",
	needs: isBehind,
	check: checkSentOnce,
}, {
	Name:  "CutRequest",
	Says:  "a Commit whose request is cut off is carried out as a whole or not at all, and the next call works",
	needs: isBehind,
	check: checkCutRequest,
}, {
	Name:  "Deadline",
	Says:  "a call returns soon after its context's deadline, whatever the server does",
	needs: isBehind,
	check: checkDeadline,
}, {
	Name:  "OwnAnswer",
	Says:  "each call gets its own answer: one that comes too late is given to nobody",
	needs: isBehind,
	check: checkOwnAnswer,
}}

// wide is a limit that no rule here reaches.
var wide = store.Limit{Burst: 100_000, Every: time.Minute}

// behind opens a store whose connections go through a wire, and makes every kind of
// call once.
func (p *probe) behind() (*probe, *wire) {
	w := new(wire)
	p.wires = append(p.wires, w)
	far := p.open("Behind", func() (store.Store, error) { return p.place.Behind(w.dial) })
	far.commit(store.Put("f/k", []byte("v")))
	far.hit("f/k", wide, 1, base())
	far.works()
	if w.bytes() == 0 {
		failf("Behind opened a store that did not use the dial function it was given")
	}
	return far, w
}

// works fails unless calls succeed and each gets its own answer.
func (p *probe) works() {
	p.want("f/k", []byte("v"))
	p.conflict(store.Check("f/k").Absent())
	if items := p.list("f/k", "", 1); len(items) != 1 || items[0].Key != "f/k" || string(items[0].Value) != "v" {
		failf("List of one record: %+v", items)
	}
	p.get("f/k", "f/none")
	p.hit("f/k", wide, 1, base())
}

// unknown reports whether err, which may be nil, says that the outcome of a call is
// unknown. It fails on an error that promises an outcome: after a fault of the wire
// nothing can be promised.
func unknown(call string, err error) bool {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrClosed) {
		failf("%s: error %v, which promises that nothing was done", call, err)
	}
	return err != nil
}

func checkLostReply(p *probe) {
	const each = 5
	far, w := p.behind()
	now := base()
	faults := w.mend()
	for i := range each {
		value := fmt.Append(nil, "v", i)
		w.loseReply()
		if !unknown("Commit whose reply was lost", far.s.Commit(p.ctx, store.Put("f/lost", value))) {
			p.want("f/lost", value)
		}
		w.mend()
		far.works()
		far.commit(store.Put("f/lost", value))

		w.loseReply()
		values, err := far.s.Get(p.ctx, "f/lost")
		if !unknown("Get whose reply was lost", err) && (len(values) != 1 || !bytes.Equal(values[0], value)) {
			failf("Get whose reply was lost: %q without an error, want %q", values, value)
		}
		w.mend()
		far.works()

		w.loseReply()
		items, err := far.s.List(p.ctx, "f/lost", "", 10)
		if !unknown("List whose reply was lost", err) && (len(items) != 1 || !bytes.Equal(items[0].Value, value)) {
			failf("List whose reply was lost: %+v without an error, want one record", items)
		}
		w.mend()
		far.works()

		w.loseReply()
		d, err := far.s.Hit(p.ctx, "f/lost", wide, 1, now)
		if !unknown("Hit whose reply was lost", err) && !d.OK {
			failf("Hit whose reply was lost: %+v without an error, want it admitted", d)
		}
		w.mend()
		far.works()
	}
	if lost := w.mend() - faults; lost < each {
		failf("%d of the replies to %d calls went over the connections that the store was given", lost, 4*each)
	}
}

func checkSentOnce(p *probe) {
	far, w := p.behind()
	now := base()
	for i := range 8 {
		key, value := fmt.Sprintf("f/once%d", i), []byte("here")
		w.loseReply()
		err := far.s.Commit(p.ctx, store.Put(key, value).Absent())
		w.mend()
		if errors.Is(err, store.ErrConflict) {
			failf("a Commit whose reply was lost was sent again: it met what it had written itself, and returned ErrConflict")
		}
		if !unknown("Commit whose reply was lost", err) {
			p.want(key, value)
		}
		far.works()

		w.loseReply()
		d, err := far.s.Hit(p.ctx, key, wide, 1, now)
		w.mend()
		counted := wide.Burst - p.hit(key, wide, 1, now).Left - 1
		if counted > 1 {
			failf("a Hit whose reply was lost was sent again: it was counted %d times", counted)
		}
		if !unknown("Hit whose reply was lost", err) && (counted != 1 || d != store.Decision{OK: true, Left: wide.Burst - 1}) {
			failf("a Hit whose reply was lost, counted %d times: %+v without an error", counted, d)
		}
		far.works()
	}
}

func checkCutRequest(p *probe) {
	const parts = 8
	far, w := p.behind()
	all := func(value byte) []store.Op {
		ops := make([]store.Op, 50)
		for i := range ops {
			ops[i] = store.Put(fmt.Sprintf("f.cut/%02d", i), bytes.Repeat([]byte{value}, 1000))
		}
		return ops
	}
	whole := func(p *probe) byte {
		items := p.list("f.cut/", "", 100)
		if len(items) != 50 {
			failf("%d of 50 records are left", len(items))
		}
		for _, item := range items {
			if !bytes.Equal(item.Value, items[0].Value) {
				failf("of a Commit whose request was cut off a part was carried out: %q is %s, and %q is %s",
					items[0].Key, describe(items[0].Value), item.Key, describe(item.Value))
			}
		}
		return items[0].Value[0]
	}
	far.commit(all('a')...)
	before := w.bytes()
	far.commit(all('a')...)
	size := w.bytes() - before
	faults := w.mend()
	for i := range byte(parts) {
		w.cutAfter(size * int(i) / parts)
		failed := unknown("Commit whose request was cut off", far.s.Commit(p.ctx, all('b'+i)...))
		w.mend()
		if got := whole(p); !failed && got != 'b'+i {
			failf("a Commit whose request was cut off is not there, and returned no error")
		}
		far.works()
		whole(far)
		far.commit(all('a')...)
		if got := whole(p); got != 'a' {
			failf("after a Commit whose request was cut off, the next one did not take effect")
		}
	}
	if w.mend() == faults {
		failf("of %d Commits of %d bytes no request was cut off", parts, size)
	}
}

func checkDeadline(p *probe) {
	const soon, patience = 50 * time.Millisecond, time.Second
	far, w := p.behind()
	for name, call := range map[string]func(context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := far.s.Get(ctx, "f/k"); return err },
		"List":   func(ctx context.Context) error { _, err := far.s.List(ctx, "f/", "", 1); return err },
		"Commit": func(ctx context.Context) error { return far.s.Commit(ctx, store.Put("f/k", []byte("v"))) },
		"Hit":    func(ctx context.Context) error { _, err := far.s.Hit(ctx, "f/k", wide, 1, base()); return err },
	} {
		w.hold()
		limit := time.AfterFunc(patience, func() { w.mend() }) // or a store that waits for an answer would wait for ever
		ctx, cancel := context.WithTimeout(p.ctx, soon)
		unknown(name+" that was not answered", call(ctx))
		cancel()
		if !limit.Stop() {
			failf("%s with %v to go, and no answer, had not returned after %v", name, soon, patience)
		}
		w.mend()
		far.works()
	}
}

func checkOwnAnswer(p *probe) {
	far, w := p.behind()
	name := func(i int) string { return fmt.Sprintf("f/own%02d", i) }
	for i := range racers {
		far.commit(store.Put(name(i), []byte(name(i))))
	}
	for i := range 5 {
		w.hold()
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Millisecond)
		_, _ = far.s.Get(ctx, name(i))
		cancel()
		w.mend()
		far.works()
		far.want(name(i+1), []byte(name(i+1)))
	}

	const lag = 20 * time.Millisecond
	w.late(lag)
	w.breakAt(200)
	end := time.Now().Add(4 * budget)
	now := base()
	race(racers, []*probe{far}, func(i int, p *probe) {
		key, value := name(i), []byte(name(i))
		l := store.Limit{Burst: 1000 * (i + 1), Every: time.Minute}
		for n := 0; time.Now().Before(end); n++ {
			ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
			if n%3 > 0 {
				cancel()
				ctx, cancel = context.WithTimeout(p.ctx, time.Duration(n%5+1)*lag/5)
			}
			p.own(ctx, n, key, value, l, now)
			cancel()
		}
	})
	w.mend()
	far.works()
	for i := range racers {
		far.want(name(i), []byte(name(i)))
	}
}

// own makes one of many calls whose answers all differ. It asks for key, which no other
// call asks for and whose value stays the same, and for the limit l, which no other
// call uses.
func (p *probe) own(ctx context.Context, n int, key string, value []byte, l store.Limit, now time.Time) {
	switch n % 4 {
	case 0:
		values, err := p.s.Get(ctx, key)
		if err == nil && (len(values) != 1 || !bytes.Equal(values[0], value)) {
			failf("Get(%q) got the answer to another call: %.80q", key, values)
		}
	case 1:
		items, err := p.s.List(ctx, key, "", 10)
		if err == nil && (len(items) != 1 || items[0].Key != key) {
			failf("List(%q) got the answer to another call: %.80q", key, items)
		}
	case 2:
		op, want := store.Check(key).Equal(value), error(nil)
		if n%8 == 2 {
			op, want = store.Check(key).Absent(), store.ErrConflict
		}
		if err := p.s.Commit(ctx, op); (err == nil || errors.Is(err, store.ErrConflict)) && !errors.Is(err, want) {
			failf("Commit(%s) got the answer to another call: %v, want %v", show([]store.Op{op}), err, want)
		}
	default:
		d, err := p.s.Hit(ctx, key, l, 1, now)
		if err == nil && (!d.OK || d.Left >= l.Burst || d.Left < l.Burst-n) {
			failf("Hit(%q, %+v) got the answer to another call: %+v", key, l, d)
		}
	}
}
