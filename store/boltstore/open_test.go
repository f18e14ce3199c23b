package boltstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

// refused holds that neither way to open path accepts it, that the error names the
// file and says every one of words, and that not a byte of the file has changed.
func refused(t *testing.T, path string, words ...string) error {
	t.Helper()
	before, err := os.ReadFile(path)
	must(t, err)
	var last error
	for _, open := range []func(string, boltstore.Options) (*boltstore.Store, error){boltstore.Open, boltstore.OpenOrCreate} {
		s, err := open(path, boltstore.Options{})
		if err == nil {
			s.Close()
			t.Fatal("opened")
		}
		for _, word := range append(words, "boltstore: ", path) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not say %q: %v", word, err)
			}
		}
		last = err
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the refused file was changed")
	}
	names, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(names) != 1 {
		t.Errorf("refusing left files behind: %v", names)
	}
	return last
}

func write(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = newPath(t)
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// ST-7, F-D2: an unmounted volume must not look like a service without users.
func TestOpenOfAMissingFileFailsAndMakesNone(t *testing.T) {
	path := newPath(t)
	_, err := boltstore.Open(path, boltstore.Options{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 0 {
		t.Errorf("Open made %v", names)
	}
	missing := filepath.Join(t.TempDir(), "volume", "auth.db")
	if _, err := boltstore.OpenOrCreate(missing, boltstore.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is missing: %v", err)
	}
}

// ST-3
func TestAFileThatOthersMayReadIsRefused(t *testing.T) {
	path := newPath(t)
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
	for _, mode := range []fs.FileMode{0o604, 0o620, 0o660, 0o644, 0o666} {
		must(t, os.Chmod(path, mode))
		refused(t, path, "chmod 600 "+path, "InsecureFileMode")
		if log := opened(t, path, boltstore.Options{InsecureFileMode: true}); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "InsecureFileMode") {
			t.Errorf("mode %#o: with InsecureFileMode it logged %q", mode, log)
		}
	}
	must(t, os.Chmod(path, 0o600))
	if log := opened(t, path, boltstore.Options{}); log != "" {
		t.Errorf("it logged %q", log)
	}
}

// opened opens path, writes, and returns what is logged.
func opened(t *testing.T, path string, o boltstore.Options) string {
	t.Helper()
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for _, open := range []func(string, boltstore.Options) (*boltstore.Store, error){boltstore.Open, boltstore.OpenOrCreate} {
		log.Reset()
		s, err := open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		must(t, s.Commit(ever, store.Put("u/a", nil)))
		must(t, s.Close())
	}
	return log.String()
}

// Kubernetes gives a volume to the group of the pod before every start: directories get
// the set-group-ID bit, and files the mode 0660.
func TestAVolumeOfKubernetesIsOpenedAgainWithAWarning(t *testing.T) { // ST-3
	path := newPath(t)
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
	must(t, os.Chmod(filepath.Dir(path), 0o770|fs.ModeSetgid))
	for _, mode := range []fs.FileMode{0o660, 0o640} {
		must(t, os.Chmod(path, mode))
		if log := opened(t, path, boltstore.Options{}); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, path) {
			t.Errorf("mode %#o: it logged %q", mode, log)
		}
	}
}

// ST-7, F-D2.
func TestFilesThatAreNotOursAreRefusedUntouched(t *testing.T) {
	garbage := bytes.Repeat([]byte("not a database, "), 4096)
	for name, content := range map[string][]byte{"empty": {}, "a byte": {0}, "garbage": garbage, "zeros": make([]byte, 1<<16)} {
		t.Run(name, func(t *testing.T) {
			if err := refused(t, write(t, content)); !errors.Is(err, boltstore.ErrDamaged) {
				t.Error(err)
			}
		})
	}
	t.Run("empty says so", func(t *testing.T) { refused(t, write(t, nil), "empty") })
	t.Run("a directory", func(t *testing.T) {
		if _, err := boltstore.Open(t.TempDir(), boltstore.Options{}); err == nil {
			t.Error("opened")
		}
	})
	t.Run("foreign", func(t *testing.T) { refused(t, foreign(t, nil), "not one of package auth") })
	t.Run("newer", func(t *testing.T) {
		path := newPath(t)
		must(t, mustOpen(t, path, boltstore.Options{}).Close())
		edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("datixlab/auth")).Put([]byte("format"), []byte{2}) })
		refused(t, path, "format 2")
	})
	t.Run("without a bucket", func(t *testing.T) {
		path := newPath(t)
		must(t, mustOpen(t, path, boltstore.Options{}).Close())
		edit(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("expiries")) })
		refused(t, path, "expiries")
	})
	t.Run("a counter under what is no key", func(t *testing.T) {
		path := newPath(t)
		must(t, mustOpen(t, path, boltstore.Options{}).Close())
		edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("counters")).Put([]byte("login"), make([]byte, 8)) })
		refused(t, path, "counter")
	})
}

// A foreign database without a free list is one that bbolt would write to as soon
// as it opens it.
func TestAForeignFileWithoutAFreeListIsRefusedUntouched(t *testing.T) {
	refused(t, foreign(t, &bbolt.Options{NoFreelistSync: true}), "not one of package auth")
}

func foreign(t *testing.T, o *bbolt.Options) (path string) {
	t.Helper()
	path = newPath(t)
	db, err := bbolt.Open(path, 0o600, o)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("records"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), []byte("v"))
	}))
	must(t, db.Close())
	return path
}

func edit(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(fn))
	must(t, db.Close())
}

// F-D1.
func TestASecondOpenInTheSameProcessIsErrLockedWithinASecond(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path, boltstore.Options{})
	isLocked(t, path)
	must(t, s.Close())
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
}

// A new process is started before the old one has ended.
func TestOpenWaitsForTheProcessBeforeIt(t *testing.T) {
	path := newPath(t)
	o := newClock().o()
	synctest.Test(t, func(t *testing.T) {
		old := mustOpen(t, path, o)
		var log bytes.Buffer
		o := o
		o.Logger, o.LockWait = slog.New(slog.NewTextHandler(&log, nil)), 20*time.Second
		go func() {
			pass(10 * time.Second)
			must(t, old.Commit(ever, store.Put("u/last", []byte("v"))))
			must(t, old.Close())
		}()
		began := time.Now()
		s, err := boltstore.Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "in use by another process") || !strings.Contains(text, path) {
			t.Errorf("it logged %q", text)
		}
		if v := get(t, s, "u/last"); string(v) != "v" {
			t.Errorf("the last record of the old process is %q", v)
		}
		o.LockWait = 3 * time.Second
		began = time.Now()
		if _, err := boltstore.Open(path, o); !errors.Is(err, boltstore.ErrLocked) {
			t.Errorf("a database that is never closed: %v", err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
		must(t, s.Close())
	})
	for _, wait := range []time.Duration{-1, time.Hour} {
		if _, err := boltstore.Open(path, boltstore.Options{LockWait: wait}); err == nil || !strings.Contains(err.Error(), "LockWait") {
			t.Errorf("a LockWait of %v: %v", wait, err)
		}
	}
}

func isLocked(t *testing.T, path string) {
	t.Helper()
	began := time.Now()
	_, err := boltstore.Open(path, boltstore.Options{})
	if !errors.Is(err, boltstore.ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second Open: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// Of all that start on a missing file at once, one has the store, and its first
// record is not lost to a file that another one put in its place.
func TestRacersWhoCreateTheSameFileMakeOne(t *testing.T) {
	const racers = 8
	path := newPath(t)
	var made atomic.Int64
	gate := make(chan struct{})
	stores := make(chan *boltstore.Store, racers)
	for range racers {
		go func() {
			<-gate
			s, err := boltstore.OpenOrCreate(path, boltstore.Options{})
			if err != nil && !errors.Is(err, boltstore.ErrLocked) {
				t.Error(err)
			}
			if s != nil { // the first of them, or one that opened after it was closed
				if err := s.Commit(ever, store.Put("u/a", []byte("first")).Absent()); err == nil {
					made.Add(1)
				} else if err != store.ErrConflict {
					t.Error(err)
				}
			}
			stores <- s
		}()
	}
	close(gate)
	for range racers {
		if s := <-stores; s != nil {
			must(t, s.Close())
		}
	}
	if n := made.Load(); n != 1 {
		t.Errorf("the first record was made %d times", n)
	}
	if v := get(t, mustOpen(t, path, boltstore.Options{}), "u/a"); string(v) != "first" {
		t.Errorf("read %q", v)
	}
}

// What a link leads to may be on a volume that is not mounted.
func TestALinkThatLeadsNowhereIsNotReplacedByANewDatabase(t *testing.T) {
	path := newPath(t)
	target := filepath.Join(t.TempDir(), "volume", "auth.db")
	must(t, os.Symlink(target, path))
	if _, err := boltstore.OpenOrCreate(path, boltstore.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if to, err := os.Readlink(path); err != nil || to != target {
		t.Errorf("the link is now %q, %v", to, err)
	}
}

func TestAFileLeftByACrashDuringCreationDoesNotPreventTheNext(t *testing.T) {
	path := newPath(t)
	must(t, os.WriteFile(path+".new-123", []byte("half"), 0o600))
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
}

func TestOpeningAHugeFileIsQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it measures time, after writing 75 MB")
	}
	path := newPath(t)
	s := mustOpen(t, path, boltstore.Options{})
	value := make([]byte, store.MaxValue)
	for i := range 6 { // 75 MiB: more than is checked page by page
		ops := make([]store.Op, store.MaxOps)
		for j := range ops {
			ops[j] = store.Put(fmt.Sprintf("u/%d-%d", i, j), value)
		}
		must(t, s.Commit(ever, ops...))
	}
	must(t, s.Close())
	began := time.Now()
	s = mustOpen(t, path, boltstore.Options{})
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	must(t, s.Verify(ever))
}
