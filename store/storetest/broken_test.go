//go:build !race

package storetest_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/storetest"
)

// The suite is only worth what it fails. Each of these stores is sound but for
// one thing.
var brokenStores = []struct {
	how   string // in what way it is broken
	rules string // the rules that must find it
	place func() storetest.Place
}{
	{"conditions are ignored", "Conditions AllOrNothing OneWinner NoLostUpdate", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { op.When, op.Old = store.Always, nil })...)
		}
	})},
	{"the empty value counts as absent", "Conditions Was", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				if op.When == store.IfEqual && len(op.Old) == 0 {
					*op = op.Absent()
				}
			})...)
		}
	})},
	{"conditions are checked before the lock is taken", "OneWinner NoLostUpdate WriteSkew", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			if err := s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { *op = unwritten(*op) })...); err != nil {
				return err
			}
			runtime.Gosched()
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { op.When, op.Old = store.Always, nil })...)
		}
	})},
	{"only the conditions of written records are under the lock", "WriteSkew", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			if err := s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { *op = unwritten(*op) })...); err != nil {
				return err
			}
			runtime.Gosched()
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				if op.Write == store.None {
					op.When, op.Old = store.Always, nil
				}
			})...)
		}
	})},
	{"what stands before a condition that fails is written", "AllOrNothing", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			if err := store.CheckCommit(ops); err != nil {
				return err
			}
			for _, op := range ops {
				if err := s.Store.Commit(ctx, op); err != nil {
					return err
				}
			}
			return nil
		}
	})},
	{"the writes of a Commit are seen one by one", "GetSnapshot ListSnapshot", alone(func(s *fake) {
		var mu sync.Mutex
		s.commit = func(ctx context.Context, ops []store.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if err := s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { *op = unwritten(*op) })...); err != nil {
				return err
			}
			for _, op := range ops {
				op.When, op.Old = store.Always, nil
				if err := s.Store.Commit(ctx, op); err != nil {
					return err
				}
				runtime.Gosched()
			}
			return nil
		}
	})},
	{"Get reads key by key", "GetSnapshot", alone(func(s *fake) {
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			if err := store.CheckGet(keys); err != nil {
				return nil, err
			}
			var values [][]byte
			for _, key := range keys {
				v, err := s.Store.Get(ctx, key)
				if err != nil {
					return nil, err
				}
				values = append(values, v[0])
				runtime.Gosched()
			}
			return values, nil
		}
	})},
	{"List reads record by record", "ListSnapshot", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			var items []store.Item
			for len(items) < limit {
				item, err := s.Store.List(ctx, prefix, after, 1)
				if err != nil {
					return nil, err
				}
				if len(item) == 0 {
					break
				}
				items = append(items, item[0])
				after = item[0].Key
				runtime.Gosched()
			}
			return items, nil
		}
	})},
	{"a Commit takes effect after it was acknowledged", "Acknowledged", alone(func(s *fake) {
		var mu sync.Mutex
		var late []store.Op
		s.commit = func(ctx context.Context, ops []store.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if late != nil {
				if err := s.Store.Commit(ctx, late...); err != nil {
					return err
				}
			}
			late = ops
			return nil
		}
	})},
	{"values are kept, not copied, on the way in", "CopiesIn", alone(func(s *fake) {
		kept := map[string][]byte{}
		s.commit = func(ctx context.Context, ops []store.Op) error {
			err := s.Store.Commit(ctx, ops...)
			if err == nil {
				for _, op := range ops {
					kept[op.Key] = op.Value
				}
			}
			return err
		}
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			values, err := s.Store.Get(ctx, keys...)
			for i := range values {
				values[i] = bytes.Clone(kept[keys[i]])
			}
			return values, err
		}
	})},
	{"Commit sorts the operations it was given", "CopiesIn", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			slices.SortFunc(ops, func(a, b store.Op) int { return strings.Compare(b.Key, a.Key) })
			if len(ops) > 1 && ops[0].Write == store.None {
				ops[0].Key = ops[1].Key
			}
			return s.Store.Commit(ctx, mapped(ops, func(*store.Op) {})[1-min(1, len(ops)-1):]...)
		}
	})},
	{"Get returns the store's own memory", "CopiesOut", alone(func(s *fake) {
		own := map[string][]byte{}
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			values, err := s.Store.Get(ctx, keys...)
			for i, key := range keys {
				if own[key] == nil {
					own[key] = values[i]
				}
				values[i] = own[key]
			}
			return values, err
		}
	})},
	{"the items of a page share one buffer, and may grow into each other", "CopiesOut", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			items, err := s.Store.List(ctx, prefix, after, limit)
			var all []byte
			for _, item := range items {
				all = append(all, item.Value...)
			}
			at := 0
			for i := range items {
				n := len(items[i].Value)
				items[i].Value = all[at : at+n]
				at += n
			}
			return items, err
		}
	})},
	{"a value that is empty comes back nil", "NilAndEmpty", alone(func(s *fake) {
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			values, err := s.Store.Get(ctx, keys...)
			for i := range values {
				if len(values[i]) == 0 {
					values[i] = nil
				}
			}
			return values, err
		}
	})},
	{"a record that is absent comes back empty", "NilAndEmpty", alone(func(s *fake) {
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			values, err := s.Store.Get(ctx, keys...)
			for i := range values {
				values[i] = append([]byte{}, values[i]...)
			}
			return values, err
		}
	})},
	{"List shows empty values as nil", "NilAndEmpty", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			items, err := s.Store.List(ctx, prefix, after, limit)
			for i := range items {
				if len(items[i].Value) == 0 {
					items[i].Value = nil
				}
			}
			return items, err
		}
	})},
	{"values pass through text", "Values", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				if op.Value != nil {
					op.Value = bytes.ToValidUTF8(op.Value, []byte("?"))
				}
				op.Old = bytes.ToValidUTF8(op.Old, []byte("?"))
			})...)
		}
	})},
	{"values are compared by a part of them", "Values", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				v, err := s.Store.Get(ctx, op.Key)
				if err == nil && len(v[0]) == len(op.Old) && len(op.Old) > 1000 && bytes.Equal(v[0][:1000], op.Old[:1000]) {
					op.Old = v[0]
				}
			})...)
		}
	})},
	{"keys are the same in upper and lower case", "Keys", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { op.Key = strings.ToLower(op.Key) })...)
		}
	})},
	{"List takes a '*' in the prefix for a pattern", "Keys", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			return s.Store.List(ctx, strings.TrimSuffix(prefix, "*"), after, limit)
		}
	})},
	{"List goes by the length of keys first", "ListOrder ListAfter", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			items, err := s.Store.List(ctx, prefix, after, limit)
			slices.SortStableFunc(items, func(a, b store.Item) int { return len(a.Key) - len(b.Key) })
			return items, err
		}
	})},
	{"List leaves the record out whose key is the prefix", "ListOrder", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			items, err := s.Store.List(ctx, prefix, after, limit)
			return slices.DeleteFunc(items, func(item store.Item) bool { return item.Key == prefix }), err
		}
	})},
	{"a page begins with the key after", "ListAfter LargePartition", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			items, err := s.Store.List(ctx, prefix, after, limit)
			if err != nil || after == "" || !store.ValidKey(after) {
				return items, err
			}
			v, err := s.Store.Get(ctx, after)
			if err == nil && v[0] != nil {
				items = slices.Insert(items, 0, store.Item{Key: after, Value: v[0]})
			}
			return items[:min(len(items), limit)], err
		}
	})},
	{"a page ends at 500 records", "LargePartition", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			items, err := s.Store.List(ctx, prefix, after, limit)
			return items[:min(len(items), 500)], err
		}
	})},
	{"Commit crosses partitions", "OnePartition Invalid", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			for _, op := range ops {
				if err := s.Store.Commit(ctx, op); err != nil {
					return err
				}
			}
			return nil
		}
	})},
	{"Get crosses partitions", "OnePartition", alone(func(s *fake) {
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			var values [][]byte
			for _, key := range keys {
				v, err := s.Store.Get(ctx, key)
				if err != nil {
					return nil, err
				}
				values = append(values, v...)
			}
			return values, nil
		}
	})},
	{"List takes less than a partition", "OnePartition", alone(func(s *fake) {
		s.list = func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
			if !strings.Contains(prefix, "/") {
				prefix += "/"
			}
			return s.Store.List(ctx, prefix, after, limit)
		}
	})},
	{"Hit takes any limit", "Invalid", alone(func(s *fake) {
		s.hit = func(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
			l.Every = max(l.Every, time.Microsecond)
			return s.Store.Hit(ctx, key, l, n, now)
		}
	})},
	{"a value that is too large is cut", "Invalid", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				if len(op.Value) > store.MaxValue {
					op.Value = op.Value[:store.MaxValue]
				}
			})...)
		}
	})},
	{"half of the operations is too many", "Extremes", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			if len(ops) > store.MaxOps/2 {
				return store.ErrInvalid
			}
			return s.Store.Commit(ctx, ops...)
		}
	})},
	{"the clock is half a second ahead", "KeptUntilExpiry", func() storetest.Place {
		s := memstore.New()
		s.Now = func() time.Time { return time.Now().Add(time.Second / 2) }
		return storetest.Place{Store: s}
	}},
	{"expiries are cut to a second", "KeptUntilExpiry", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) { op.Expires = op.Expires.Truncate(time.Second) })...)
		}
	})},
	{"expiries are nanoseconds in an int64", "KeptUntilExpiry", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				if !op.Expires.IsZero() {
					op.Expires = time.Unix(0, op.Expires.UnixNano())
				}
			})...)
		}
	})},
	{"a Set without an expiry keeps the one before", "ExpiryReplaced", alone(func(s *fake) {
		before := map[string]time.Time{}
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return s.Store.Commit(ctx, mapped(ops, func(op *store.Op) {
				if op.Write == store.Set && op.Expires.IsZero() {
					op.Expires = before[op.Key]
				}
				before[op.Key] = op.Expires
			})...)
		}
	})},
	{"Get hides what is past its expiry, and the rest sees it", "Expired", func() storetest.Place {
		m := memstore.New()
		m.Now = func() time.Time { return time.Time{} } // drops nothing
		s := &fake{Store: m}
		expires := map[string]time.Time{}
		s.commit = func(ctx context.Context, ops []store.Op) error {
			for _, op := range ops {
				expires[op.Key] = op.Expires
			}
			return m.Commit(ctx, ops...)
		}
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			values, err := m.Get(ctx, keys...)
			for i, key := range keys {
				if at := expires[key]; !at.IsZero() && at.Before(time.Now()) {
					values[i] = nil
				}
			}
			return values, err
		}
		return storetest.Place{Store: s}
	}},
	{"a refused Hit is counted", "HitCounts HitRefused", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			next, d := l.Apply(state, n, now)
			if !d.OK {
				next += int64(n) * int64(l.Every)
			}
			return next, d
		})
	})},
	{"Hit admits what fits of n", "HitRefused", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			next, d := l.Apply(state, n, now)
			if !d.OK && d.Left > 0 {
				next, _ = l.Apply(state, d.Left, now)
			}
			return next, d
		})
	})},
	{"RetryAfter is cut to a second", "HitRetryAfter", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			next, d := l.Apply(state, n, now)
			d.RetryAfter = d.RetryAfter.Truncate(time.Second)
			return next, d
		})
	})},
	{"RetryAfter is rounded up to a minute", "HitRetryAfter", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			next, d := l.Apply(state, n, now)
			d.RetryAfter = (d.RetryAfter + time.Minute - 1).Truncate(time.Minute)
			return next, d
		})
	})},
	{"more can be given back than was counted", "HitGivesBack", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			if n < 0 {
				return state + int64(n)*int64(l.Every), store.Decision{OK: true, Left: l.Burst}
			}
			if state == 0 {
				state = now.UnixNano()
			}
			wait := state + int64(n-l.Burst)*int64(l.Every) - now.UnixNano()
			if wait > 0 {
				return state, store.Decision{RetryAfter: time.Duration(wait)}
			}
			return state + int64(n)*int64(l.Every), store.Decision{OK: true, Left: int(-wait / int64(l.Every))}
		})
	})},
	{"a clock that is behind waits until the other's burst has ended", "SkewedClocks", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			if wait := state + int64(n-l.Burst)*int64(l.Every) - now.UnixNano(); n > 0 && wait > 0 {
				return state, store.Decision{RetryAfter: time.Duration(wait)}
			}
			return l.Apply(state, n, now)
		})
	})},
	{"a counter ahead of its client's clock counts for nothing", "SkewedClocks", alone(func(s *fake) {
		s.hit = counters(func(l store.Limit, state int64, n int, now time.Time) (int64, store.Decision) {
			if state > now.Add(time.Duration(l.Burst)*l.Every).UnixNano() {
				state = 0
			}
			return l.Apply(state, n, now)
		})
	})},
	{"Hit reads and writes in two steps", "HitRace HitRaceGivesBack", alone(func(s *fake) {
		var mu sync.Mutex
		states := map[string]int64{}
		s.hit = func(_ context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
			mu.Lock()
			state := states[key]
			mu.Unlock()
			runtime.Gosched()
			next, d := l.Apply(state, n, now)
			mu.Lock()
			states[key] = next
			mu.Unlock()
			return d, nil
		}
	})},
	{"a thousand keys push a counter out", "HitRemembers", alone(func(s *fake) {
		states := map[string]int64{}
		s.hit = func(_ context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
			if len(states) == 400 {
				clear(states)
			}
			next, d := l.Apply(states[key], n, now)
			states[key] = next
			return d, nil
		}
	})},
	{"counters are records", "HitApart", alone(func(s *fake) {
		s.hit = func(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
			d, err := s.Store.Hit(ctx, key, l, n, now)
			return d, errors.Join(err, s.Store.Commit(ctx, store.Put(key, []byte("counter"))))
		}
	})},
	{"contexts are ignored", "ContextDone", alone(func(s *fake) {
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			return s.Store.Get(context.WithoutCancel(ctx), keys...)
		}
	})},
	{"a Commit whose context is done is made, and then its error returned", "ContextDone", alone(func(s *fake) {
		s.commit = func(ctx context.Context, ops []store.Op) error {
			return errors.Join(s.Store.Commit(context.WithoutCancel(ctx), ops...), ctx.Err())
		}
	})},
	{"everything works after Close", "Closed CloseUnderWay", alone(func(s *fake) {
		s.close = func() error { return nil }
	})},
	{"Hit works after Close", "Closed", alone(func(s *fake) {
		other := memstore.New()
		s.hit = other.Hit
	})},
	{"closing again is an error", "Closed CloseUnderWay", alone(func(s *fake) {
		var closed atomic.Bool
		s.close = func() error {
			if closed.Swap(true) {
				return errors.New("closed already")
			}
			return s.Store.Close()
		}
	})},
	{"after Close the engine's own error comes through", "Closed CloseUnderWay", alone(func(s *fake) {
		s.get = func(ctx context.Context, keys []string) ([][]byte, error) {
			values, err := s.Store.Get(ctx, keys...)
			if errors.Is(err, store.ErrClosed) {
				err = errors.New("database not open")
			}
			return values, err
		}
	})},
	{"records are gone after a clean Close", "ReopenRecords", func() storetest.Place {
		p := durable()
		p.Reopen = func() (store.Store, error) { return memstore.New(), nil }
		return p
	}},
	{"counters are gone after a clean Close", "ReopenCounters", func() storetest.Place {
		p := durable()
		reopen := p.Reopen
		p.Reopen = func() (store.Store, error) {
			s, err := reopen()
			return &fake{Store: s, hit: memstore.New().Hit}, err
		}
		return p
	}},
	{"each process counts by itself", "Joined HitRace", func() storetest.Place {
		p := durable()
		join := p.Join
		p.Join = func() (store.Store, error) {
			s, err := join()
			return &fake{Store: s, hit: memstore.New().Hit}, err
		}
		return p
	}},
	{"closing one store closes the other", "Joined", func() storetest.Place {
		s := memstore.New()
		return storetest.Place{Store: s, Join: func() (store.Store, error) { return s, nil }}
	}},
	{"a walk forgets expiries", "Walk", edited(func(r *store.Record) { r.Expires = time.Time{} })},
	{"a walk rounds expiries down", "Walk", edited(func(r *store.Record) {
		if !r.Expires.IsZero() {
			r.Expires = r.Expires.Add(-time.Millisecond).Truncate(time.Second)
		}
	})},
	{"a walk leaves out what has no value", "Walk", walked(func(_ *memstore.Store, page store.Page, _ string) store.Page {
		page.Records = slices.DeleteFunc(page.Records, func(r store.Record) bool { return len(r.Value) == 0 })
		return page
	})},
	{"a walk begins behind the first page", "Walk", walked(func(_ *memstore.Store, page store.Page, after string) store.Page {
		if after == "" {
			page.Records, page.Counters = nil, nil
		}
		return page
	})},
	{"a walk counts how far it has come", "WalkUnderWrites", func() storetest.Place {
		m := memstore.New()
		return storetest.Place{Store: &fakeWalker{fake: fake{Store: m}, walk: func(ctx context.Context, after string) (store.Page, error) {
			const size = 20
			from, err := strconv.Atoi(cmp.Or(after, "0"))
			if err != nil {
				return store.Page{}, store.ErrInvalid
			}
			var all []store.Record
			for at := ""; ; {
				page, err := m.Walk(ctx, at)
				if err != nil {
					return store.Page{}, err
				}
				all = append(all, page.Records...)
				if at = page.Next; at == "" {
					break
				}
			}
			slices.SortFunc(all, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
			page := store.Page{Records: all[min(from, len(all)):min(from+size, len(all))]}
			if from+size < len(all) {
				page.Next = strconv.Itoa(from + size)
			}
			runtime.Gosched()
			return page, nil
		}}}
	}},
	{"a walk does not end", "Walk", walked(func(_ *memstore.Store, page store.Page, _ string) store.Page {
		if page.Next == "" {
			page.Next = "1"
		}
		return page
	})},
	{"counters are not walked", "WalkCounters", walked(func(_ *memstore.Store, page store.Page, _ string) store.Page {
		page.Counters = nil
		return page
	})},
	{"counters are walked in whole seconds", "WalkCounters", walked(func(_ *memstore.Store, page store.Page, _ string) store.Page {
		for i := range page.Counters {
			page.Counters[i].Until = page.Counters[i].Until.Truncate(time.Second).Add(time.Second)
		}
		return page
	})},
	{"a walk ends where its place is not known", "WalkErrors", func() storetest.Place {
		m := memstore.New()
		return storetest.Place{Store: &fakeWalker{fake: fake{Store: m}, walk: func(ctx context.Context, after string) (store.Page, error) {
			page, err := m.Walk(ctx, after)
			if errors.Is(err, store.ErrInvalid) {
				return store.Page{}, nil
			}
			return page, err
		}}}
	}},
	{"a stamp never changes", "StampChanges StampHolds", stamped(func(*memstore.Store, string) (uint64, bool) { return 0, true })},
	{"a stamp changes when a Commit begins", "StampHolds", stampedEarly},
	{"stamps outlive the store", "StampClosed", stamped(func(*memstore.Store, string) (uint64, bool) { return 1, true })},
	{"stamps begin anew when it is opened again", "StampReopened", forgetful},
	{"the dial function is not used", "LostReply SentOnce CutRequest Deadline OwnAnswer", distant(func(r *remote) {
		r.dial = new(net.Dialer).DialContext
	})},
	{"a call whose reply is lost is made again", "SentOnce", distant(func(r *remote) { r.again = true })},
	{"a Commit whose reply is lost is taken for refused", "LostReply SentOnce", distant(func(r *remote) { r.conflict = true })},
	{"a connection that broke is used again", "LostReply CutRequest", distant(func(r *remote) { r.stays = true })},
	{"a Commit is sent operation by operation", "CutRequest", distant(func(r *remote) { r.oneByOne = true })},
	{"deadlines do not reach the network", "Deadline", distant(func(r *remote) { r.deaf = true })},
	{"a connection on which an answer is due is used again", "OwnAnswer", distant(func(r *remote) { r.keeps = true })},
}

// ST-1.
func TestEveryBrokenStoreIsFoundByTheRuleItBreaks(t *testing.T) {
	for _, b := range brokenStores {
		t.Run(b.how, func(t *testing.T) {
			for _, name := range strings.Fields(b.rules) {
				rule, err := check(t, b.place, name)
				switch {
				case err == nil:
					t.Errorf("rule %s finds nothing wrong", name)
				case !strings.Contains(err.Error(), "broken rule "+name) || !strings.Contains(err.Error(), rule.Says):
					t.Errorf("the error does not say which rule is broken: %v", err)
				default:
					t.Log(err)
				}
			}
		})
	}
}

// check holds a broken store against a rule. What is broken only for an instant can be
// missed on a machine with much else to do, so a rule that finds nothing looks again,
// at a new store. A sound store fails no rule, however often it is checked.
func check(t *testing.T, place func() storetest.Place, name string) (rule storetest.Rule, err error) {
	t.Helper()
	for range 20 {
		p := place()
		rule = named(t, p, name)
		if err = rule.Check(t.Context(), p); err != nil {
			break
		}
	}
	return rule, err
}

func TestEveryRuleFindsABrokenStore(t *testing.T) {
	var found []string
	for _, b := range brokenStores {
		found = append(found, strings.Fields(b.rules)...)
	}
	for _, rule := range storetest.Rules(durable()) {
		if !slices.Contains(found, rule.Name) {
			t.Errorf("nothing here shows that rule %s can fail", rule.Name)
		}
	}
}

func TestASoundStoreThatCanBeReopenedAndJoinedPasses(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Place { return durable() })
}

func TestTheRulesFollowFromWhatAPlaceOffers(t *testing.T) {
	p := durable()
	distant := len(storetest.Rules(p))
	p.Behind = nil
	all := len(storetest.Rules(p))
	p.Join = nil
	alone := len(storetest.Rules(p))
	p.Reopen = nil
	if memory := len(storetest.Rules(p)); distant != all+5 || all != alone+1 || alone != memory+3 {
		t.Errorf("%d rules for all that is offered, %d without Behind, %d without Join, %d without Reopen", distant, all, alone, memory)
	}
}

// A fake is a store with some of its methods replaced.
type fake struct {
	store.Store
	get    func(context.Context, []string) ([][]byte, error)
	list   func(context.Context, string, string, int) ([]store.Item, error)
	commit func(context.Context, []store.Op) error
	hit    func(context.Context, string, store.Limit, int, time.Time) (store.Decision, error)
	close  func() error
}

func (s *fake) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if s.get != nil {
		return s.get(ctx, keys)
	}
	return s.Store.Get(ctx, keys...)
}

func (s *fake) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if s.list != nil {
		return s.list(ctx, prefix, after, limit)
	}
	return s.Store.List(ctx, prefix, after, limit)
}

func (s *fake) Commit(ctx context.Context, ops ...store.Op) error {
	if s.commit != nil {
		return s.commit(ctx, ops)
	}
	return s.Store.Commit(ctx, ops...)
}

func (s *fake) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if s.hit != nil {
		return s.hit(ctx, key, l, n, now)
	}
	return s.Store.Hit(ctx, key, l, n, now)
}

func (s *fake) Close() error {
	if s.close != nil {
		return s.close()
	}
	return s.Store.Close()
}

// A fakeWalker is a fake that can be walked.
type fakeWalker struct {
	fake
	walk func(context.Context, string) (store.Page, error)
}

func (s *fakeWalker) Walk(ctx context.Context, after string) (store.Page, error) {
	return s.walk(ctx, after)
}

// A fakeStamper is a fake that has stamps.
type fakeStamper struct {
	fake
	stamp func(partition string) (uint64, bool)
}

func (s *fakeStamper) Stamp(partition string) (uint64, bool) { return s.stamp(partition) }

// A fakeWhole is a fake that can be walked and has stamps.
type fakeWhole struct {
	fakeWalker
	stamp func(partition string) (uint64, bool)
}

func (s *fakeWhole) Stamp(partition string) (uint64, bool) { return s.stamp(partition) }

// stamped returns a Place of memory whose stamps are those of f.
func stamped(f func(s *memstore.Store, partition string) (uint64, bool)) func() storetest.Place {
	return func() storetest.Place {
		m := memstore.New()
		return storetest.Place{Store: &fakeStamper{fake{Store: m}, func(p string) (uint64, bool) { return f(m, p) }}}
	}
}

// stampedEarly returns a Place of memory whose stamps change before there is a reason.
func stampedEarly() storetest.Place {
	m := memstore.New()
	var stamp atomic.Uint64
	return storetest.Place{Store: &fakeStamper{
		fake{Store: m, commit: func(ctx context.Context, ops []store.Op) error {
			stamp.Add(1)
			runtime.Gosched()
			return m.Commit(ctx, ops...)
		}},
		func(string) (uint64, bool) { return stamp.Load(), true },
	}}
}

// forgetful returns a Place whose stamps count the Commits since it was opened.
func forgetful() storetest.Place {
	p := durable()
	reopen := p.Reopen
	count := func(s store.Store, err error) (store.Store, error) {
		var stamp atomic.Uint64
		return &fakeStamper{
			fake{Store: s, commit: func(ctx context.Context, ops []store.Op) error {
				defer stamp.Add(1)
				return s.Commit(ctx, ops...)
			}},
			func(string) (uint64, bool) { return stamp.Load(), true },
		}, err
	}
	p.Store, _ = count(p.Store, nil)
	p.Reopen = func() (store.Store, error) { return count(reopen()) }
	return p
}

// walked returns a Place of memory whose walk is broken by f.
func walked(f func(s *memstore.Store, page store.Page, after string) store.Page) func() storetest.Place {
	return func() storetest.Place {
		m := memstore.New()
		return storetest.Place{Store: &fakeWalker{fake: fake{Store: m}, walk: func(ctx context.Context, after string) (store.Page, error) {
			page, err := m.Walk(ctx, after)
			if err != nil {
				return page, err
			}
			return f(m, page, after), nil
		}}}
	}
}

// edited is walked with f for each record.
func edited(f func(*store.Record)) func() storetest.Place {
	return walked(func(_ *memstore.Store, page store.Page, _ string) store.Page {
		for i := range page.Records {
			f(&page.Records[i])
		}
		return page
	})
}

// alone returns a Place of memory with a store that is broken by f.
func alone(f func(*fake)) func() storetest.Place {
	return func() storetest.Place {
		s := &fake{Store: memstore.New()}
		f(s)
		return storetest.Place{Store: s}
	}
}

// distant returns a Place of memory with a network before it, and a remote that is
// broken by f.
func distant(f func(*remote)) func() storetest.Place {
	return func() storetest.Place {
		m := memstore.New()
		return storetest.Place{Store: m, Behind: behind(m, f)}
	}
}

// durable returns a sound Place that offers everything: its records are those of
// a store in memory that is never closed.
func durable() storetest.Place {
	m := memstore.New()
	open := func() (store.Store, error) {
		shut := memstore.New() // answers once the fake is closed
		if err := shut.Close(); err != nil {
			return nil, err
		}
		var closed atomic.Bool
		pick := func() *memstore.Store {
			if closed.Load() {
				return shut
			}
			return m
		}
		walk := func(ctx context.Context, after string) (store.Page, error) { return pick().Walk(ctx, after) }
		stamp := func(partition string) (uint64, bool) { return pick().Stamp(partition) }
		return &fakeWhole{stamp: stamp, fakeWalker: fakeWalker{walk: walk, fake: fake{
			get:    func(ctx context.Context, keys []string) ([][]byte, error) { return pick().Get(ctx, keys...) },
			commit: func(ctx context.Context, ops []store.Op) error { return pick().Commit(ctx, ops...) },
			list: func(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
				return pick().List(ctx, prefix, after, limit)
			},
			hit: func(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
				return pick().Hit(ctx, key, l, n, now)
			},
			close: func() error { closed.Store(true); return nil },
		}}}, nil
	}
	s, _ := open()
	return storetest.Place{Store: s, Reopen: open, Join: open, Behind: behind(m, func(*remote) {})}
}

// counters returns a Hit that is atomic and does the sums of apply.
func counters(apply func(store.Limit, int64, int, time.Time) (int64, store.Decision)) func(
	context.Context, string, store.Limit, int, time.Time) (store.Decision, error) {
	states := map[string]int64{}
	return func(_ context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
		next, d := apply(l, states[key], n, now)
		states[key] = next
		return d, nil
	}
}

func mapped(ops []store.Op, f func(*store.Op)) []store.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		f(&ops[i])
	}
	return ops
}

// unwritten returns op's condition alone.
func unwritten(op store.Op) store.Op {
	return store.Op{Key: op.Key, When: op.When, Old: op.Old}
}

func named(t *testing.T, p storetest.Place, name string) storetest.Rule {
	t.Helper()
	for _, rule := range storetest.Rules(p) {
		if rule.Name == name {
			return rule
		}
	}
	t.Fatalf("no rule %q", name)
	return storetest.Rule{}
}
