package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

// atOnce is how many partitions are compared and written at once.
const atOnce = 16

// mark is the key of a record that a destination has until it is finished.
const mark = "copystore/unfinished"

// A copier makes one store the same as another. It compares existing records by value
// only: package auth never changes the expiry of a record without its value.
type copier struct {
	from, to store.Walker
	out      io.Writer
	now      time.Time // what has expired at this time is not copied

	counters         map[string]bool // of the source
	records          int
	written, removed atomic.Int64
}

func newCopier(from, to store.Walker, out io.Writer) *copier {
	return &copier{from: from, to: to, out: out, now: time.Now(), counters: map[string]bool{}}
}

// begin marks the destination as unfinished. It refuses a destination that has records
// and no mark, since another service may use it. It refuses a source with a mark, which
// is not complete.
func (c *copier) begin(ctx context.Context) error {
	found, err := c.from.Get(ctx, mark)
	if err == nil && found[0] != nil {
		return errors.New("-from: it is an unfinished copy itself; finish it with -final first")
	}
	if err != nil {
		return err
	}
	found, err = c.to.Get(ctx, mark)
	if err != nil || found[0] != nil {
		return err
	}
	err = walk(ctx, c.to, func(p store.Page) error {
		if len(p.Records) > 0 {
			return errors.New("-to: it has records that are not of an unfinished copy; give an empty one (a copy that -final found whole is finished)")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.to.Commit(ctx, store.Put(mark, []byte("1")))
}

// copy writes what the destination lacks, and removes what the source does not have.
func (c *copier) copy(ctx context.Context) error {
	err := walk(ctx, c.from, func(p store.Page) error {
		if err := forEach(ctx, byPartition(p.Records), c.write); err != nil {
			return err
		}
		for _, counter := range p.Counters {
			c.counters[counter.Key] = true
		}
		if err := forEach(ctx, p.Counters, c.restore); err != nil {
			return err
		}
		if len(p.Records) == 0 {
			return nil
		}
		c.records += len(p.Records)
		fmt.Fprintf(c.out, "%d records read, %d written\n", c.records, c.written.Load())
		return nil
	})
	if err != nil {
		return err
	}
	err = walk(ctx, c.to, func(p store.Page) error {
		if err := forEach(ctx, byPartition(p.Records), c.remove); err != nil {
			return err
		}
		var surplus []store.Counter
		for _, counter := range p.Counters {
			if !c.counters[counter.Key] {
				surplus = append(surplus, store.Counter{Key: counter.Key})
			}
		}
		return forEach(ctx, surplus, c.restore)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "copied: %d records read, %d written, %d removed; %d counters\n",
		c.records, c.written.Load(), c.removed.Load(), len(c.counters))
	return nil
}

// write writes to the destination those of records, all of one partition, that it
// lacks.
func (c *copier) write(ctx context.Context, records []store.Record) error {
	have, err := c.to.Get(ctx, keys(records)...)
	if err != nil {
		return err
	}
	var ops []store.Op
	for i, r := range records {
		expired := !r.Expires.IsZero() && !r.Expires.After(c.now)
		if !expired && r.Key != mark && (have[i] == nil || !bytes.Equal(have[i], r.Value)) {
			ops = append(ops, r.Op())
		}
	}
	if len(ops) == 0 {
		return nil
	}
	c.written.Add(int64(len(ops)))
	return c.to.Commit(ctx, ops...)
}

// remove removes from the destination those of records, all of one partition, that the
// source does not have.
func (c *copier) remove(ctx context.Context, records []store.Record) error {
	have, err := c.from.Get(ctx, keys(records)...)
	if err != nil {
		return err
	}
	var ops []store.Op
	for i, r := range records {
		if have[i] == nil && r.Key != mark {
			ops = append(ops, store.Delete(r.Key))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	c.removed.Add(int64(len(ops)))
	return c.to.Commit(ctx, ops...)
}

func (c *copier) restore(ctx context.Context, counter store.Counter) error {
	return counter.Restore(ctx, c.to, time.Now())
}

// walk calls f with every page of s.
func walk(ctx context.Context, s store.Walker, f func(store.Page) error) error {
	for after := ""; ; {
		p, err := s.Walk(ctx, after)
		if err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
		if after = p.Next; after == "" {
			return nil
		}
	}
}

// byPartition divides records into parts that each fit into one call of a store. A
// record that the walk found twice is in one part only.
func byPartition(records []store.Record) (parts [][]store.Record) {
	at := map[string]int{} // the part that the partition's next record goes to
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		if seen[r.Key] {
			continue
		}
		seen[r.Key] = true
		partition := store.Partition(r.Key)
		i, ok := at[partition]
		if !ok || len(parts[i]) == min(store.MaxGet, store.MaxOps) {
			i = len(parts)
			parts = append(parts, nil)
			at[partition] = i
		}
		parts[i] = append(parts[i], r)
	}
	return parts
}

func keys(records []store.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = r.Key
	}
	return out
}

// forEach calls f with each of items, some at once, until one call fails.
func forEach[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, item := range items {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := f(ctx, item); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
