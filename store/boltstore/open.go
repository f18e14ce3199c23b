package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/internal/stamps"
	"github.com/datixlab/auth/store/boltstore/internal/pages"
)

const (
	// lockTimeout is how long Open waits for the lock, twice at most. So Open fails
	// within a second, but outlasts a process that is just closing the file.
	lockTimeout = 400 * time.Millisecond

	// checkAtOpen is the largest size, in bytes, of a database that Open checks page by
	// page. That takes about a tenth of a second. Of a larger one it checks the header,
	// the free list and the root; Verify checks the rest.
	checkAtOpen = 64 << 20

	maxLockWait = 10 * time.Minute

	initialMap = 64 << 20 // a file up to this size grows without being mapped again
	minMaxSize = 32 << 20 // bbolt does not respect a lower bound
)

// Open opens the database at path. It never creates one, so a volume that is not
// mounted or a file that was emptied is not taken for a service without users. To
// create one, call [OpenOrCreate].
//
// It refuses these files, without changing a byte of them:
//
//   - One that is missing ([fs.ErrNotExist]).
//   - One that is empty, truncated or damaged ([ErrDamaged]).
//   - One of another program or of a newer version of this one.
//   - One that every user may read or write, or whose owner is neither the user of this
//     process nor root. In a container, give the volume to the user that the container
//     runs as. [Options].InsecureFileMode accepts it.
//   - One that its group may write, unless its directory has the set-group-ID bit and the
//     same group. A volume of Kubernetes with an fsGroup has both, and is accepted with a
//     warning. So is a file that its group may only read.
//   - A FIFO, a device or a directory, without opening it.
//   - One that is open already ([ErrLocked], within a second and [Options].LockWait).
//
// A database of up to 64 MiB is checked page by page. Of a larger one only the header,
// the free list and the root are checked, so that Open stays quick; see [Store.Verify].
func Open(path string, o Options) (*Store, error) {
	s := &Store{
		path:   path,
		place:  path,
		now:    o.Now,
		log:    o.Logger,
		hits:   hitcount.New(0),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		stamps: stamps.New(),
		queue:  make(chan *request, maxBatch),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if abs, err := filepath.Abs(path); err == nil { // the process may go to another directory
		s.place = abs
	}
	if err := s.openWithin(o); err != nil {
		return nil, describe(path, err)
	}
	if remote := remoteFileSystem(s.file); remote != "" {
		s.log.Warn("boltstore: the file system belongs to another machine; its locks and memory maps may not keep a second process from the file, nor the file from damage", "path", path, "file_system", remote)
	}
	go s.run()
	return s, nil
}

// OpenOrCreate opens the database at path like [Open]. Only if there is no file at all,
// it makes a new one, which only its owner may read and write. The new database appears
// under path complete or not at all. If the process ends in between, a small file named
// path.new-… may be left behind and can be deleted. On a file system without hard links,
// such as FAT, the new database is copied to path; if the machine stops meanwhile, Open
// refuses what is there, and it can be deleted.
func OpenOrCreate(path string, o Options) (*Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("boltstore: create %s: %w", path, err)
		}
	}
	if err := secretfile.SyncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("boltstore: %w", err)
	}
	return Open(path, o)
}

// describe adds the name of the file to err, once.
func describe(path string, err error) error {
	var inPath *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("boltstore: %s does not exist; is its volume mounted? (%w)", path, fs.ErrNotExist)
	case errors.As(err, &inPath):
		err = inPath.Err // it is named already
	}
	return fmt.Errorf("boltstore: %s: %w", path, err)
}

// openWithin opens the file again and again while another process has it, for
// o.LockWait. Each time it is the file that is at the path then.
func (s *Store) openWithin(o Options) error {
	switch {
	case o.MaxSize != 0 && o.MaxSize < minMaxSize:
		return fmt.Errorf("MaxSize of %d bytes is below 32 MiB", o.MaxSize)
	case o.LockWait < 0 || o.LockWait > maxLockWait:
		return fmt.Errorf("LockWait of %v is not between 0 and %v", o.LockWait, maxLockWait)
	}
	rules := secretfile.Rules{Insecure: o.InsecureFileMode, Logger: s.log}
	end := time.Now().Add(o.LockWait)
	for {
		err := s.open(rules, o)
		if !errors.Is(err, ErrLocked) || !time.Now().Before(end) {
			return err
		}
		if rules.Logger != nil {
			s.log.Warn("boltstore: the database is in use by another process; waiting for it", "path", s.path, "at_most", o.LockWait)
			rules.Logger = nil // each warning once
		}
	}
}

func (s *Store) open(rules secretfile.Rules, o Options) (err error) {
	if err := s.inspect(rules); err != nil {
		return err
	}
	rules.Logger = nil
	s.db, s.file, err = openBolt(s.path, rules, &bbolt.Options{
		Timeout:         lockTimeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMap,
		MaxSize:         int(o.MaxSize),
		NoStatistics:    true,
	})
	if err != nil {
		return err
	}
	if s.opened, err = s.file.Stat(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	if err := guarded(func() error { return s.db.View(s.load) }); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// inspect checks the file through a read-only handle, and leaves no lock.
func (s *Store) inspect(rules secretfile.Rules) error {
	db, f, err := openBolt(s.path, rules, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // it was only read
	h, err := pages.ReadHeader(f)
	if err != nil {
		return err
	}
	if h.Twin != nil {
		s.log.Warn("boltstore: one of the two header pages is bad; if the machine did not just crash, the last Commit may be lost",
			"path", s.path, "error", h.Twin)
	}
	if err := pages.Check(context.Background(), f, h, h.Size() <= checkAtOpen); err != nil {
		return err
	}
	return guarded(func() error { return db.View(checkFormat) })
}

func checkFormat(tx *bbolt.Tx) error {
	b := tx.Bucket(formatBucket)
	if b == nil {
		return errors.New("a bbolt database, but not one of package auth")
	}
	if v := b.Get(formatKey); len(v) != 1 {
		return fmt.Errorf("%w: no format", ErrDamaged)
	} else if v[0] != formatVersion {
		return fmt.Errorf("has format %d, this program knows format %d", v[0], formatVersion)
	}
	for _, name := range [][]byte{recordsBucket, expiriesBucket, countersBucket} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: no %s", ErrDamaged, name)
		}
	}
	return nil
}

// openBolt is bbolt.Open, but it never creates or initialises a file and never faults,
// and it returns the file handle as well. It reads the header before bbolt maps the
// file: a map that is longer than its file kills the process that reads beyond the end.
func openBolt(path string, rules secretfile.Rules, o *bbolt.Options) (db *bbolt.DB, f *os.File, err error) {
	o.OpenFile = func(path string, flag int, _ fs.FileMode) (*os.File, error) {
		if f, err = rules.Open(path, flag); err != nil {
			return nil, err
		}
		if _, err = pages.ReadHeader(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0, o)
		return err
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, ErrLocked
	case err != nil && f != nil:
		f.Close() // after a panic bbolt has not closed it
	}
	return db, f, explain(err)
}

// explain says more of an error of a file system that cannot lock or map a file.
func explain(err error) error {
	for _, lack := range []error{syscall.ENODEV, syscall.ENOLCK, errors.ErrUnsupported} {
		if errors.Is(err, lack) {
			return fmt.Errorf("the file system has no locks or no memory maps, like some of other machines; keep the file on a local disk (%w)", err)
		}
	}
	return err
}

func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return fn()
}

// create makes a complete database under another name, and gives it the name path if there
// is no file.
func create(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_ = f.Chmod(0o600) // a file system without modes refuses it, and Open looks at what it has
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(f.Name(), 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{recordsBucket, expiriesBucket, countersBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(formatBucket)
		if err != nil {
			return err
		}
		return b.Put(formatKey, []byte{formatVersion})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := secretfile.Publish(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
