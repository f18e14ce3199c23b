package keyuse

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// writtenAtOnce is how many keys are written at the same time.
const writtenAtOnce = 64

// A write is what was sent to the store for one key.
type write struct {
	found []Finding
	value []byte // of the key's Usage, nil if nothing was sent
	uses  Uses
}

// flush writes every use that was counted before the call. Uses that could not be written
// stay in memory, except those of a damaged record.
func (t *Tracker) flush() error {
	var errs []error
	for i := range t.shards {
		s := &t.shards[i]
		uses := s.snapshot()
		for kids := range slices.Chunk(slices.Collect(maps.Keys(uses)), writtenAtOnce) {
			again := t.writeSome(s, kids, uses, &errs)
			if again != nil { // the store does not answer: the others are not tried
				return errors.Join(append(errs, again)...)
			}
		}
	}
	return errors.Join(errs...)
}

// writeSome writes the uses of some keys at the same time, since on bbolt they share a sync,
// and on Redis the wait for an answer. It adds to damaged the errors of uses that can never
// be written. It returns the error of uses that must be written again.
func (t *Tracker) writeSome(s *shard, kids []string, uses map[string]Uses, damaged *[]error) (again error) {
	calls, errs := make([]func(), len(kids)), make([]error, len(kids))
	sent := make([]write, len(kids))
	for i, kid := range kids {
		last := t.unconfirmed[kid]
		calls[i] = func() { sent[i], errs[i] = t.write(kid, uses[kid], last) }
	}
	parallel.Do(calls...)
	for i, kid := range kids {
		delete(t.unconfirmed, kid)
		if errs[i] != nil && !errors.Is(errs[i], record.ErrDamaged) {
			again = errs[i]
			if sent[i].value != nil {
				t.unconfirmed[kid] = sent[i]
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

// write adds the uses to the key's Usage, if the key still exists, and reports what is
// unusual in them. Its Commit requires that the Usage is as it was read. So only one of any
// number of processes reports a use.
//
// It returns what it sent, or last, if that unconfirmed write turns out to have succeeded.
// If it returns an error, what it sent may have been written.
func (t *Tracker) write(kid string, u Uses, last write) (sent write, err error) {
	ctx := context.Background()
	key, old := t.cfg.Rows(u.uid, kid)
	err = t.cfg.Records.Retry(ctx, store.Partition(old.Key), func() error {
		sent = write{uses: u}
		if err := t.cfg.Records.Read(ctx, key, old); err != nil {
			return err
		}
		if !key.Exists() {
			return nil
		}
		if last.value != nil && bytes.Equal(old.Raw, last.value) {
			sent = last
			return nil
		}
		sent.found = merge(last.found, old.Rec.add(key.Created(), u))
		op := old.Put()
		sent.value = op.Value
		return t.cfg.Records.Commit(ctx, key.Unchanged(), op)
	})
	if err != nil {
		return sent, err
	}
	for _, f := range sent.found {
		t.cfg.Found(u.uid, kid, f)
	}
	return sent, nil
}
