package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store"
)

// Bounds of one transaction of Commits, so that none waits long for it.
const (
	maxBatch      = 1024
	maxBatchBytes = 4 << 20
)

// A request is a Commit on its way to the committer. It shares no memory with the
// caller, which may have returned before it is carried out.
type request struct {
	ctx     context.Context
	part    string // partition
	writes  []write
	size    int
	claimed atomic.Bool // by the committer to carry it out, or by the caller to withdraw it
	err     error
	done    chan error
}

type write struct {
	key    []byte
	when   store.Condition
	old    []byte
	write  store.Write
	record []byte // with Set: as it is stored
	expiry uint64
	was    uint64 // the expiry of the present record
}

// Commit implements store.Store. Concurrent Commits share one transaction and one sync
// of the disk. If ctx ends first, the error is ctx.Err() itself or wraps it. If it is
// ctx.Err() itself, the Commit has not taken effect; otherwise it may have.
func (s *Store) Commit(ctx context.Context, ops ...store.Op) error {
	if err := store.CheckCommit(ops); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()

	r := newRequest(ctx, ops)
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	if r.claimed.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	return fmt.Errorf("boltstore: commit may still take effect: %w", ctx.Err())
}

func newRequest(ctx context.Context, ops []store.Op) *request {
	size := 0
	for i := range ops {
		size += len(ops[i].Key) + len(ops[i].Old) + binary.MaxVarintLen64 + len(ops[i].Value)
	}
	b := make([]byte, 0, size)
	cut := func(from int) []byte { return b[from:len(b):len(b)] }

	writes := make([]write, len(ops))
	for i := range ops {
		op, w := &ops[i], &writes[i]
		w.when, w.write, w.expiry = op.When, op.Write, expiryOf(op.Expires)
		at := len(b)
		b = append(b, op.Key...)
		w.key, at = cut(at), len(b)
		b = append(b, op.Old...)
		w.old, at = cut(at), len(b)
		if op.Write == store.Set {
			b = append(binary.AppendUvarint(b, w.expiry), op.Value...)
			w.record = cut(at)
		}
	}
	return &request{ctx: ctx, part: store.Partition(ops[0].Key), writes: writes, size: size, done: make(chan error, 1)}
}

// run is the committer: the one goroutine that writes to the file.
func (s *Store) run() {
	defer close(s.done)
	debug.SetPanicOnFault(true)
	tidy := time.NewTimer(tidyEvery)
	defer tidy.Stop()
	for {
		select {
		case r := <-s.queue:
			s.commit(s.batch(r))
		case <-tidy.C:
			begin, pause := time.Now(), tidyEvery
			if s.tidy() {
				pause = max(tidyAgain, time.Since(begin))
			}
			tidy.Reset(pause)
		case <-s.stop:
			return
		}
	}
}

// batch claims first and the requests that are queued after it. It does not wait for
// more, but lets goroutines run that the last batch woke and that are about to queue.
func (s *Store) batch(first *request) []*request {
	runtime.Gosched()
	var batch []*request
	size := 0
	for r := first; ; {
		if r.claimed.CompareAndSwap(false, true) {
			batch = append(batch, r)
			size += r.size
		}
		if len(batch) == maxBatch || size >= maxBatchBytes {
			return batch
		}
		select {
		case r = <-s.queue:
		default:
			return batch
		}
	}
}

// commit carries out a batch in one transaction and answers its requests after the
// sync. If the transaction fails, every request fails, even one whose conditions did
// not hold: they may have failed because of a write that was not made.
func (s *Store) commit(batch []*request) {
	for _, r := range batch {
		s.stamps.Begin(r.part)
	}
	err := s.update(func(t *tables) (wrote bool, err error) {
		for _, r := range batch {
			if r.err = r.ctx.Err(); r.err != nil {
				continue
			}
			n, err := t.apply(r.writes)
			if errors.Is(err, store.ErrConflict) {
				r.err = err
			} else if err != nil {
				return false, err
			}
			wrote = wrote || n > 0
		}
		return wrote, nil
	})
	for _, r := range batch {
		if err != nil {
			r.err = err
		}
		s.stamps.End(r.part)
		r.done <- r.err
	}
}

// tables are the buckets inside one write transaction.
type tables struct{ records, expiries, counters *bbolt.Bucket }

// apply carries out one Commit, or returns store.ErrConflict and writes nothing.
// It returns how many writes it made.
func (t *tables) apply(writes []write) (n int, err error) {
	for i := range writes {
		w := &writes[i]
		raw := t.records.Get(w.key)
		var value []byte
		w.was = never
		if raw != nil {
			if value, w.was, err = decodeRecord(raw); err != nil {
				return 0, err
			}
		}
		if w.when == store.IfAbsent && raw != nil || w.when == store.IfEqual && (raw == nil || !bytes.Equal(value, w.old)) {
			return 0, store.ErrConflict
		}
	}
	for i := range writes {
		w := &writes[i]
		if w.write == store.None {
			continue
		}
		n++
		if err := t.replace(w); err != nil {
			return n, err
		}
	}
	return n, nil
}

// replace makes one write and updates the expiries.
func (t *tables) replace(w *write) error {
	if w.was != never && w.was != w.expiry {
		if err := t.expiries.Delete(appendExpiryKey(nil, w.was, w.key)); err != nil {
			return err
		}
	}
	if w.write == store.Remove {
		return t.records.Delete(w.key)
	}
	if w.expiry != never && w.was != w.expiry {
		if err := t.expiries.Put(appendExpiryKey(nil, w.expiry, w.key), nil); err != nil {
			return err
		}
	}
	return t.records.Put(w.key, w.record)
}

var errNothingWritten = errors.New("nothing written")

// update runs fn in a write transaction and returns after the sync; if fn wrote
// nothing, there is no sync. It then makes sure that the file is still in its place.
// Only the committer calls it, and Close after the committer has ended.
func (s *Store) update(fn func(*tables) (wrote bool, err error)) (err error) {
	if err := s.writeErr.Load(); err != nil {
		return *err
	}
	defer s.recoverPanic(&err)
	var id int
	err = s.db.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		t := &tables{tx.Bucket(recordsBucket), tx.Bucket(expiriesBucket), tx.Bucket(countersBucket)}
		t.expiries.FillPercent = 0.9 // keys mostly come in ascending order
		wrote, err := fn(t)
		if err == nil && !wrote {
			return errNothingWritten
		}
		return err
	})
	if err == nil {
		s.written.Store(uint64(id))
	}
	if err == nil || errors.Is(err, errNothingWritten) {
		return s.inPlace()
	}
	if s.undecided(id, err) {
		return s.fail(err)
	}
	return describe(s.path, err)
}

// undecided reports whether it is unknown what the disk holds after transaction id
// failed with err. One case is a header that was written but not synced: this process
// sees the transaction, and a restart may not. The other is a disk that lost data,
// since a failed sync reports nothing when it is tried again. In any other case (above
// all a full disk) the file has not changed, and writing may go on.
func (s *Store) undecided(id int, err error) bool {
	seen := id
	viewed := s.view(func(tx *bbolt.Tx) error { seen = tx.ID(); return nil })
	// bbolt does not wrap all of its errors, so the text is compared.
	return viewed != nil || seen >= id || strings.Contains(err.Error(), syscall.EIO.Error())
}
