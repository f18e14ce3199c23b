//go:build !race

package boltstore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

var quiet = boltstore.Options{Logger: slog.New(slog.DiscardHandler)}

// Two databases, up to their last page in use: trees of some depth, large values,
// free pages, expiries and counters.
var (
	small = sync.OnceValues(func() ([]byte, error) { return filled(6) })
	large = sync.OnceValues(func() ([]byte, error) { return filled(50) })
)

func filled(commits int) ([]byte, error) {
	dir, err := os.MkdirTemp("", "boltstore")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "auth.db")
	s, err := boltstore.OpenOrCreate(path, quiet)
	if err != nil {
		return nil, err
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range commits {
		ops := make([]store.Op, store.MaxOps)
		for j := range ops {
			key, size := fmt.Sprintf("u/%d-%d", rnd.IntN(1000), i*100+j), rnd.IntN(600)
			if j == 50 {
				size = 40_000
			}
			ops[j] = store.Put(key, bytes.Repeat([]byte{byte(i)}, size))
			if j%4 == 0 {
				ops[j] = ops[j].Until(start.AddDate(50, 0, j))
			}
		}
		if err := s.Commit(ever, ops...); err != nil {
			return nil, err
		}
		for j := range 10 {
			if err := s.Commit(ever, store.Delete(ops[j].Key)); err != nil {
				return nil, err
			}
		}
		if _, err := s.Hit(ever, fmt.Sprintf("login/%d", i), perHour, 5, start.AddDate(50, 0, 0)); err != nil {
			return nil, err
		}
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	page := os.Getpagesize()
	return b[:page*int(max(binary.NativeEndian.Uint64(b[56:]), binary.NativeEndian.Uint64(b[page+56:])))], nil
}

// F-D5, F-D6: bbolt maps what the file should hold, and crashes by SIGBUS where it ends.
func TestATruncatedFileIsRefusedAtEveryLength(t *testing.T) {
	whole, err := large()
	must(t, err)
	if len(whole) < 3_000_000 {
		t.Fatalf("the database has only %d bytes", len(whole))
	}
	for _, n := range []int{len(whole) - 1, len(whole) - 4096, 3_000_000, 100_000, 65536, 40_000, 32768, 20_000, 16384, 12_288, 8192, 8191, 4097, 4096, 4095, 100, 81, 80, 79, 16, 1, 0} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if err := refused(t, write(t, whole[:n])); !errors.Is(err, boltstore.ErrDamaged) {
				t.Error(err)
			}
		})
	}
	s := mustOpen(t, write(t, whole), quiet)
	must(t, s.Verify(ever))
}

func TestAFileWithOneBadHeaderIsOpenedWithAWarning(t *testing.T) {
	whole, err := small()
	must(t, err)
	for page := range 2 {
		b := bytes.Clone(whole)
		b[page*os.Getpagesize()+60]++
		var log bytes.Buffer
		s := mustOpen(t, write(t, b), boltstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, s.Close())
		if !bytes.Contains(log.Bytes(), []byte("header")) {
			t.Errorf("it logged %q", &log)
		}
	}
	b := bytes.Clone(whole)
	b[60]++
	b[os.Getpagesize()+60]++
	refused(t, write(t, b), "damaged")
}

// Whatever is wrong with a file, opening it ends in an error that leaves it alone,
// or in a store that works.
func holdsTogether(t *testing.T, path string, content []byte) (opened bool) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
	s, err := boltstore.Open(path, quiet)
	if err != nil {
		after, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(after, content) {
			t.Error("the refused file was changed")
		}
		return false
	}
	after := ""
	for more := true; more; {
		items, err := s.List(ever, "u/", after, 1000)
		must(t, err)
		if more = len(items) == 1000; more {
			after = items[len(items)-1].Key
		}
	}
	must(t, s.Commit(ever, store.Put("v/a", nil), store.Put("v/b", nil).Until(start)))
	must(t, s.Verify(ever))
	must(t, s.Close())
	return true
}

// F-D5.
func TestFlippedBytesAreRefusedOrDoNoHarm(t *testing.T) {
	whole, err := small()
	must(t, err)
	path, page := newPath(t), os.Getpagesize()
	rnd := rand.New(rand.NewPCG(3, 4))
	opened, rounds := 0, 300
	for i := range rounds {
		b := bytes.Clone(whole)
		at := rnd.IntN(len(b))
		switch i % 3 { // anywhere; in the header of a page; among its elements
		case 1:
			at = at/page*page + rnd.IntN(16)
		case 2:
			at = at/page*page + 16 + rnd.IntN(160)
		}
		b[at] ^= 1 << rnd.IntN(8)
		if holdsTogether(t, path, b) {
			opened++
		}
		if t.Failed() {
			t.Fatalf("round %d, byte %d", i, at)
		}
	}
	if opened == 0 || opened == rounds {
		t.Errorf("%d of %d opened", opened, rounds)
	}
}

func FuzzOpenOfADamagedFile(f *testing.F) {
	f.Add(uint32(0), []byte("x"))
	f.Add(uint32(4096+16), []byte{0xED, 0xDA, 0x0C, 0xED, 2, 0, 0, 0})
	f.Add(uint32(4096*5), bytes.Repeat([]byte{0xFF}, 4096))
	f.Add(uint32(4096*7+10), []byte{0xFF, 0xFF})
	f.Add(uint32(2*4096), bytes.Repeat([]byte{0xFF}, 1<<20)) // every page but the headers
	whole, err := small()
	must(f, err)
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(whole)
		copy(b[int(at)%len(b):], patch)
		saw(holdsTogether(t, newPath(t), b))
	})
}

// wreck overwrites every page but the headers of an open database.
func wreck(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	must(t, err)
	from := int64(2 * os.Getpagesize())
	_, err = f.WriteAt(bytes.Repeat([]byte{0xA5}, int(size-from)), from)
	must(t, err)
}

// F-D5.
func TestDamageMetWhileServingIsAnErrorAndEndsWriting(t *testing.T) {
	whole, err := small()
	must(t, err)
	for name, harm := range map[string]func(path string){
		"wrecked":   func(path string) { wreck(t, path) },
		"truncated": func(path string) { must(t, os.Truncate(path, int64(2*os.Getpagesize()))) },
	} {
		for first, call := range map[string]func(*boltstore.Store) error{
			"Get":    func(s *boltstore.Store) error { _, err := s.Get(ever, "u/a"); return err },
			"List":   func(s *boltstore.Store) error { _, err := s.List(ever, "u/", "", 1000); return err },
			"Commit": func(s *boltstore.Store) error { return s.Commit(ever, store.Put("u/a", nil)) },
			"Verify": func(s *boltstore.Store) error { return s.Verify(ever) },
			"Backup": func(s *boltstore.Store) error { return s.Backup(ever, io.Discard) },
		} {
			t.Run(name+" "+first, func(t *testing.T) {
				t.Parallel()
				path := write(t, whole)
				s := mustOpen(t, path, quiet)
				harm(path)
				if err := call(s); err == nil || errors.Is(err, store.ErrConflict) {
					t.Errorf("%s: %v", first, err)
				}
				if err := s.Commit(ever, store.Put("u/b", nil)); !errors.Is(err, boltstore.ErrDamaged) {
					t.Errorf("a later Commit: %v", err)
				}
				if _, err := s.Hit(ever, "login/a", perHour, 1, start); err == nil {
					t.Error("a hit that cannot be kept was counted")
				}
				s.Close()
				_, err := boltstore.Open(path, quiet)
				if !errors.Is(err, boltstore.ErrDamaged) && !errors.Is(err, boltstore.ErrLocked) { // bbolt lost its lock in a panic
					t.Errorf("opening it again: %v", err)
				}
			})
		}
	}
}

func TestOneDamagedPageEndsWritingWhileReadsGoOnElsewhere(t *testing.T) {
	for name, meet := range map[string]func(*boltstore.Store) error{
		"Commit": func(s *boltstore.Store) error { return s.Commit(ever, store.Put("u/40", nil)) },
		"Get":    func(s *boltstore.Store) error { _, err := s.Get(ever, "u/01", "u/40"); return err },
		"List":   func(s *boltstore.Store) error { _, err := s.List(ever, "u/", "", 1000); return err },
		"Verify": func(s *boltstore.Store) error { return s.Verify(ever) },
		"Backup": func(s *boltstore.Store) error { return s.Backup(ever, io.Discard) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			s := mustOpen(t, path, quiet)
			for i := range 50 {
				must(t, s.Commit(ever, store.Put(fmt.Sprintf("u/%02d", i), bytes.Repeat([]byte{'v'}, 1000))))
			}
			must(t, s.Close())
			page := leafOf(t, path, "u/40")
			s = mustOpen(t, path, quiet)
			overwrite(t, path, page, 0xA5)
			if err := meet(s); !errors.Is(err, boltstore.ErrDamaged) {
				t.Error(err)
			}
			if v := get(t, s, "u/01"); len(v) != 1000 {
				t.Errorf("a record elsewhere: %q", v)
			}
			if err := s.Commit(ever, store.Put("u/01", nil)); !errors.Is(err, boltstore.ErrDamaged) {
				t.Errorf("a Commit elsewhere: %v", err)
			}
			s.Close()
			refused(t, path, "damaged")
		})
	}
}

// ST-10: a nightly job replaces its last good copy only if Backup returns nil.
func TestABackupOfADamagedFileSaysSoAndIsWrittenAllTheSame(t *testing.T) {
	page := os.Getpagesize()
	for how, of := range map[string]struct {
		page func(t *testing.T, path string) int // of a closed database
		with byte
	}{
		"a leaf":              {func(t *testing.T, path string) int { return leafOf(t, path, "u/40") }, 0xA5},
		"a leaf, zeros":       {func(t *testing.T, path string) int { return leafOf(t, path, "u/40") }, 0},
		"the newest header":   {newestHeader, 0xA5},
		"that header, zeros":  {newestHeader, 0},
		"everything, in half": {func(t *testing.T, path string) int { return -1 }, 0},
	} {
		for _, verified := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, verified before: %v", how, verified), func(t *testing.T) {
				t.Parallel()
				path := newPath(t)
				s := mustOpen(t, path, quiet)
				for i := range 50 {
					must(t, s.Commit(ever, store.Put(fmt.Sprintf("u/%02d", i), bytes.Repeat([]byte{'v'}, 1000))))
				}
				must(t, s.Close())
				at := of.page(t, path)
				s = mustOpen(t, path, quiet)
				if at < 0 {
					must(t, os.Truncate(path, int64(10*page)))
				} else {
					overwrite(t, path, at, of.with)
				}
				if verified {
					if err := s.Verify(ever); !errors.Is(err, boltstore.ErrDamaged) {
						t.Errorf("Verify: %v", err)
					}
				}
				var copied bytes.Buffer
				if err := s.Backup(ever, &copied); !errors.Is(err, boltstore.ErrDamaged) {
					t.Errorf("Backup: %v", err)
				}
				harmed, err := os.ReadFile(path)
				must(t, err)
				if n := min(copied.Len(), len(harmed)); n <= 2*page || !bytes.Equal(copied.Bytes()[2*page:n], harmed[2*page:n]) {
					t.Errorf("the copy has %d bytes, and not those of the file", copied.Len())
				}
				if err := s.Commit(ever, store.Put("u/b", nil)); !errors.Is(err, boltstore.ErrDamaged) {
					t.Errorf("a later Commit: %v", err)
				}
			})
		}
	}
}

// overwrite fills a page.
func overwrite(t *testing.T, path string, page int, with byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte{with}, os.Getpagesize()), int64(page*os.Getpagesize()))
	must(t, err)
}

// newestHeader returns the number of the header page that the last transaction wrote.
func newestHeader(t *testing.T, path string) (page int) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	if size := os.Getpagesize(); binary.NativeEndian.Uint64(b[size+64:]) > binary.NativeEndian.Uint64(b[64:]) {
		return 1
	}
	return 0
}

// leafOf returns the number of the page that holds key.
func leafOf(t *testing.T, path, key string) (page int) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bbolt.Tx) error {
		for id := 2; id*os.Getpagesize() < len(b); id++ {
			info, err := tx.Page(id)
			if err != nil || info == nil {
				return err
			}
			if info.Type == "leaf" && bytes.Contains(b[id*os.Getpagesize():(id+1)*os.Getpagesize()], []byte(key+"\x00")) {
				page = id
			}
		}
		return nil
	}))
	return page
}
