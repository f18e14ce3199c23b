// Package boltstore keeps the records of package auth in one file on the local disk,
// with go.etcd.io/bbolt. Only one process at a time can open the file.
//
// # What survives
//
// An acknowledged Commit has been synced to the disk. It survives the end of the
// process at any instant (kill -9), and a power failure if the disk keeps what it
// reports as synced. A Commit that was not acknowledged is there as a whole or not at
// all.
//
// Counters (Hit) are kept in memory and written later: within one second after a
// change, as long as the disk keeps up, and at Close. So the end of the process loses
// at most the last second of hits. While counters cannot be written, Hit returns an
// error instead of counting what a crash would forget.
//
// # What the operator must set up
//
//   - The file must be on a local file system: bbolt's lock and memory map do not work
//     on NFS or other shared ones. On Linux, Open logs a warning about these. No other
//     program may write, truncate or replace the file while it is open: stop the program
//     before you put a backup in its place. ext4 with fast_commit needs Linux 5.10.94,
//     5.15.27 or later.
//   - What is deleted stays in free pages of the file until they are used again, and
//     the file never shrinks. Keep the file and its backups as secret as live records.
//     Package auth writes nothing into it that is accepted as a credential by itself.
//   - bbolt has checksums for its header only. [Open] and [Store.Verify] find damage to
//     the structure of the file, but not a flipped bit inside a value. The records of
//     package auth have their own checksums.
//
// # When the disk fails
//
// A full disk fails only the Commits that need space. Reads go on, and writes succeed
// again once there is space. After an input/output error, an outcome that cannot be
// known, or a damaged page, the Store refuses every write until the file is opened
// again. It still reads what can be read.
//
// The same happens when another file is put at the path of the database, or none is left
// there. Every Commit looks for that before it is acknowledged, and the Store looks twice
// a second. So what was acknowledged is in the file that the next start opens, unless that
// file was replaced later. See [ErrReplaced].
package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/internal/stamps"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore/internal/pages"
)

var (
	// ErrLocked reports that the database is open already, in this process or
	// another.
	ErrLocked = errors.New("in use by another process; stop it, wait for it with LockWait, or work on a copy that Backup made")

	// ErrDamaged reports that the file is not what was written to it. Restore a
	// backup; the file itself has not been changed.
	ErrDamaged = pages.ErrDamaged

	// ErrReplaced reports that the path of the database has come to lead to another
	// file, or to none. The next start of the program will not see what was written to
	// the file that is still open. Backup can save it until the Store is closed.
	ErrReplaced = errors.New("the file was replaced or removed while it was open")
)

// Options are the settings of a Store. The zero value suits most programs.
type Options struct {
	// MaxSize bounds the file, in bytes: 32 MiB or more, or 0 for no bound. A write
	// that needs more fails as on a full disk. The file grows in steps of 16 MiB, so up
	// to 16 MiB of the bound stay unused.
	MaxSize int64

	// Now is the clock by which expired records and old counters are dropped; nil is
	// time.Now. It must be the clock that Hit is called with.
	Now func() time.Time

	// LockWait is how long Open waits for another process to close the database, beyond the
	// second that it waits anyway: 0 to 10 minutes. With it a new process can be started
	// before the old one has ended. Open says in the log that it waits.
	LockWait time.Duration

	// InsecureFileMode accepts a file that other users may read or write, and the file of
	// another user. It is for file systems without modes. Whoever may read the file sees
	// every record; whoever may write it can act as every user.
	InsecureFileMode bool

	// Logger receives what no error reports. At Open that is a file that others may use, a
	// file system of another machine, and a bad header page with a good twin. Later it is
	// counters that cannot be written, damage, and a file that was replaced. nil is
	// slog.Default().
	Logger *slog.Logger
}

// A Store is a store.Store in one file.
type Store struct {
	path       string
	place      string // path, absolute where that is known
	db         *bbolt.DB
	file       *os.File    // bbolt's own handle, for Verify
	opened     os.FileInfo // of file
	now        func() time.Time
	log        *slog.Logger
	hits       *hitcount.Table
	counterErr atomic.Pointer[error] // set while counters cannot be written: why
	writeErr   atomic.Pointer[error] // set once no write is accepted any more: why
	written    atomic.Uint64         // the number of the last transaction that is in the file

	calls  sync.RWMutex // held for reading by every call, for good by Close
	closed sync.Once
	stop   chan struct{}
	done   chan struct{}

	stamps          *stamps.Table
	queue           chan *request
	pendingCounters []hitcount.Entry // drained from hits, not yet on disk; the committer's own
}

var _ store.Stamper = (*Store)(nil)

// Get implements store.Store. All keys are read in one transaction.
func (s *Store) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.RUnlock()

	values := make([][]byte, len(keys))
	err := s.view(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(recordsBucket).Cursor() // one for all: Bucket.Get makes one for each
		var found, raw []byte
		for i, key := range keys {
			if found, raw = seek(cursor, found, raw, key); string(found) != key {
				continue
			}
			value, _, err := decodeRecord(raw)
			if err != nil {
				return err
			}
			values[i] = bytes.Clone(value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// maxSkips is how many records of the partition seek passes on the way to the next key
// before it searches from the top of the tree.
const maxSkips = 6

// seek returns the record at key, or the first one after it. The cursor is at the
// record with key at and value raw, or nowhere if at is nil.
func seek(cursor *bbolt.Cursor, at, raw []byte, key string) (found, value []byte) {
	if at != nil && string(at) <= key {
		for range maxSkips + 1 {
			if at == nil || string(at) >= key {
				return at, raw
			}
			at, raw = cursor.Next()
		}
	}
	return cursor.Seek([]byte(key))
}

// Stamp implements store.Stamper. The file is locked, so every Commit is one of this
// Store.
func (s *Store) Stamp(partition string) (uint64, bool) { return s.stamps.Stamp(partition) }

// List implements store.Store. Each page is read in one transaction.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := store.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.RUnlock()

	var items []store.Item
	err := s.view(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(recordsBucket).Cursor()
		key, raw := cursor.Seek([]byte(max(prefix, after)))
		if after != "" && string(key) == after {
			key, raw = cursor.Next()
		}
		for len(items) < limit && bytes.HasPrefix(key, []byte(prefix)) {
			value, _, err := decodeRecord(raw)
			if err != nil {
				return err
			}
			items = append(items, store.Item{Key: string(key), Value: bytes.Clone(value)})
			key, raw = cursor.Next()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Close implements store.Store. It returns an error if the last counters could
// not be written or the file could not be released.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() {
		s.stamps.Close()
		s.calls.Lock() // and never Unlock: enter fails from here on
		close(s.stop)
		<-s.done
		err = errors.Join(s.flush(), s.release())
	})
	return err
}

// release closes the file. A panic inside bbolt may have left one of its locks held,
// and then bbolt's Close would wait for ever.
func (s *Store) release() error {
	if s.writeErr.Load() == nil {
		return s.db.Close()
	}
	closed := make(chan error, 1)
	go func() { closed <- s.db.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(time.Second):
		return fmt.Errorf("boltstore: %s stays locked until the process ends", s.path)
	}
}

// enter begins a call. If it returns nil the caller must s.calls.RUnlock().
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.calls.TryRLock() { // only Close ever takes the lock for writing
		return store.ErrClosed
	}
	return nil
}

// view runs fn in a read transaction. fn must neither wait nor call foreign code: an
// open read transaction keeps pages from being used again, and keeps a growing file
// from being mapped again.
func (s *Store) view(fn func(*bbolt.Tx) error) (err error) {
	defer s.recoverPanic(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := s.db.View(fn); err != nil {
		return describe(s.path, err)
	}
	return nil
}

// recoverPanic turns a panic into an error. bbolt trusts its file: if a page is not
// what it should be, it panics or reads outside the map.
func (s *Store) recoverPanic(err *error) {
	if p := recover(); p != nil {
		*err = s.fail(fmt.Errorf("%w: %v", ErrDamaged, p))
	}
}

// fail makes the Store refuse writes from now on, and returns the reason.
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("boltstore: %s: %w; nothing is written any more", s.path, cause)
	if s.writeErr.CompareAndSwap(nil, &err) {
		s.log.Error("boltstore: writes are refused until the database is opened again", "path", s.path, "error", cause)
	}
	return err
}
