//go:build !race

package pages_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store/boltstore/internal/pages"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func check(path string, deep bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := pages.ReadHeader(f)
	if err != nil {
		return err
	}
	return pages.Check(context.Background(), f, h, deep)
}

// Whatever bbolt writes is in order: pages of any size, buckets in buckets, inline
// or not, trees of some depth, keys and values longer than a page, a free list
// longer than its first counter can say, or none.
func TestWhatBboltWritesIsFoundInOrder(t *testing.T) {
	for name, o := range map[string]bbolt.Options{
		"small pages":   {PageSize: 1 << 10},
		"default":       {},
		"large pages":   {PageSize: 1 << 16},
		"no free list":  {NoFreelistSync: true},
		"free list map": {FreelistType: bbolt.FreelistMapType},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			o.NoSync = true
			db, err := bbolt.Open(path, 0o600, &o)
			must(t, err)
			inOrder := func() {
				t.Helper()
				for _, deep := range []bool{false, true} {
					must(t, check(path, deep))
				}
			}
			inOrder()
			for i := range 15 {
				must(t, db.Update(func(tx *bbolt.Tx) error {
					b, err := tx.CreateBucketIfNotExists([]byte("flat"))
					must(t, err)
					for j := range 200 {
						must(t, b.Put(fmt.Appendf(nil, "%03d/%d", j, i), make([]byte, (i*j)%700)))
					}
					must(t, b.Put(make([]byte, 1+i*100), make([]byte, i*9000)))
					outer, err := tx.CreateBucketIfNotExists(fmt.Appendf(nil, "outer%d", i))
					must(t, err)
					inner, err := outer.CreateBucketIfNotExists([]byte("inner"))
					must(t, err)
					for j := range i * 5 {
						must(t, inner.Put(fmt.Appendf(nil, "%d", j), nil))
					}
					return nil
				}))
				inOrder()
			}
			must(t, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("flat")) }))
			inOrder()
			must(t, db.Close())
		})
	}
}

func TestAFreeListOfMoreThan65535PagesIsFoundInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 1 << 10, NoSync: true, FreelistType: bbolt.FreelistMapType})
	must(t, err)
	defer db.Close()
	must(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		must(t, err)
		for i := range 70 {
			must(t, b.Put(fmt.Append(nil, i), make([]byte, 1<<20)))
		}
		return nil
	}))
	must(t, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("b")) }))
	must(t, check(path, true))
}

// The header may be read without any lock: what it says is on the disk is there.
func TestTheHeaderOfADatabaseThatGrowsIsAlwaysGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	must(t, err)
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	grown := make(chan error)
	go func() {
		var err error
		for i := 0; i < 200 && err == nil; i++ {
			err = db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte("b"))
				if err != nil {
					return err
				}
				return b.Put(fmt.Append(nil, i), make([]byte, 60_000))
			})
		}
		grown <- errors.Join(err, db.Close())
	}()
	last := uint64(0)
	for {
		h, err := pages.ReadHeader(f)
		must(t, err)
		if h.Tx < last {
			t.Fatalf("transaction %d after %d", h.Tx, last)
		}
		last = h.Tx
		select {
		case err := <-grown:
			must(t, err)
			return
		default:
		}
	}
}

// Each kind of damage leaves every page right by itself.
func TestPagesThatDoNotFitTogetherAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	size := os.Getpagesize()
	var root, leaf, free int
	for range 3 { // so that some pages are free
		must(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			must(t, err)
			for i := range 1000 {
				must(t, b.Put(fmt.Appendf(nil, "%04d", i), make([]byte, 100)))
			}
			return nil
		}))
	}
	must(t, db.View(func(tx *bbolt.Tx) error {
		root = int(tx.Bucket([]byte("b")).Root())
		for id := 2; ; id++ {
			switch info, err := tx.Page(id); {
			case err != nil || info == nil:
				return err
			case info.Type == "freelist":
				free = id
			}
		}
	}))
	must(t, db.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	native := binary.NativeEndian
	child := func(i int) int { return root*size + 16 + 16*i + 8 }
	leaf = int(native.Uint64(whole[child(0):]))

	for name, harm := range map[string]func(b []byte){
		"a child that is its parent": func(b []byte) { native.PutUint64(b[child(0):], uint64(root)) },
		"a child that is the header": func(b []byte) { native.PutUint64(b[child(0):], 0) },
		"a child far beyond the end": func(b []byte) { native.PutUint64(b[child(0):], 1<<50) },
		"a child of two parents":     func(b []byte) { copy(b[child(1):][:8], b[child(0):]) },
		"a page both used and free": func(b []byte) {
			n := native.Uint16(b[free*size+10:])
			native.PutUint16(b[free*size+10:], n+1)
			native.PutUint64(b[free*size+16+8*int(n):], uint64(leaf))
		},
		"a page neither used nor free": func(b []byte) { native.PutUint16(b[free*size+10:], native.Uint16(b[free*size+10:])-1) },
		"a key above the next one": func(b []byte) {
			copy(b[leaf*size:(leaf+1)*size], bytes.Replace(b[leaf*size:(leaf+1)*size], []byte("0003"), []byte("0009"), 1))
		},
		"a key above those of the next": func(b []byte) { at := (leaf + 1) * size; copy(b[leaf*size:at], replaceLast(b[leaf*size:at])) },
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(whole)
			harm(b)
			if bytes.Equal(b, whole) {
				t.Fatal("no harm was done")
			}
			must(t, os.WriteFile(path, b, 0o600))
			if err := check(path, true); !errors.Is(err, pages.ErrDamaged) {
				t.Error(err)
			}
		})
	}
}

// replaceLast makes the last key of a leaf greater than any other.
func replaceLast(page []byte) []byte {
	page = bytes.Clone(page)
	native := binary.NativeEndian
	at := 16 + 16*(int(native.Uint16(page[10:]))-1)
	page[at+int(native.Uint32(page[at+4:]))] = '9'
	return page
}

// Where only the header, the free list and the root are checked, damage elsewhere
// is not seen, and costs nothing.
func TestAShallowCheckDoesNotReadTheBuckets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	var root int
	must(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		must(t, err)
		return b.Put([]byte("k"), make([]byte, 10_000))
	}))
	must(t, db.View(func(tx *bbolt.Tx) error { root = int(tx.Bucket([]byte("b")).Root()); return nil }))
	must(t, db.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, 16), int64(root*os.Getpagesize()))
	must(t, err)
	must(t, f.Close())
	must(t, check(path, false))
	if err := check(path, true); !errors.Is(err, pages.ErrDamaged) {
		t.Error(err)
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Close())
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	h, err := pages.ReadHeader(f)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := pages.Check(ctx, f, h, true); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// overlapping is a leaf with two buckets whose contents are the same bytes, which hold
// two such buckets in turn: a walk that follows both takes 2^depth steps.
func overlapping(depth int) []byte {
	native := binary.NativeEndian
	leaf := make([]byte, 16)
	native.PutUint16(leaf[8:], 0x02)
	for range depth {
		bucket := append(make([]byte, 16), leaf...) // a bucket whose root lies inside it
		leaf = make([]byte, 16+2*16)
		native.PutUint16(leaf[8:], 0x02)
		native.PutUint16(leaf[10:], 2)
		for i := range 2 { // the keys are "ab" and, out of the same bytes, "b"
			e := leaf[16+16*i:]
			native.PutUint32(e, 1)
			native.PutUint32(e[4:], uint32(len(leaf)+i-(16+16*i)))
			native.PutUint32(e[8:], uint32(2-i))
			native.PutUint32(e[12:], uint32(len(bucket)))
		}
		leaf = append(append(leaf, "ab"...), bucket...)
	}
	return leaf
}

// FuzzCheck: whatever stands behind two sound headers, checking it ends soon, in one
// verdict: damaged, or in order, and then bbolt reads all of it.
func FuzzCheck(f *testing.F) {
	const size = 1 << 10
	path := filepath.Join(f.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: size, NoSync: true, InitialMmapSize: 1 << 16})
	must(f, err)
	for i := range 3 {
		must(f, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(fmt.Appendf(nil, "b%d", i))
			must(f, err)
			must(f, b.Put([]byte("long"), make([]byte, 2*size)))
			b, err = b.CreateBucketIfNotExists([]byte("inline"))
			must(f, err)
			return b.Put([]byte("k"), []byte("v"))
		}))
	}
	must(f, db.Close())
	whole, err := os.ReadFile(path)
	must(f, err)
	native := binary.NativeEndian
	newer := whole[:size]
	if native.Uint64(whole[size+16+48:]) > native.Uint64(newer[16+48:]) {
		newer = whole[size : 2*size]
	}
	root, freelist, count := native.Uint64(newer[16+16:]), native.Uint64(newer[16+32:]), native.Uint64(newer[16+40:])

	body := whole[2*size : count*size]
	at := func(page uint64, offset int) int { return int(page-2)*size + offset }
	f.Add(body)
	for _, harm := range []func(b []byte){
		func(b []byte) { b[at(root, 0)]++ },
		func(b []byte) { b[at(root, 8)] = 0x01 },
		func(b []byte) { native.PutUint16(b[at(root, 10):], 0xFFFF) },
		func(b []byte) { native.PutUint32(b[at(root, 12):], 1<<31) },
		func(b []byte) { native.PutUint32(b[at(root, 16+8):], 1<<32-1) },
		func(b []byte) { native.PutUint16(b[at(freelist, 10):], 0xFFFF) },
		func(b []byte) { native.PutUint64(b[at(freelist, 16):], root) },
		func(b []byte) { clear(b) },
	} {
		b := bytes.Clone(body)
		harm(b)
		f.Add(b)
	}
	deep := bytes.Clone(body)
	for _, depth := range []int{1, 40} {
		leaf := overlapping(depth)
		n := (len(leaf) + size - 1) / size
		if int(root)+n > int(count) {
			f.Fatalf("%d pages are too few for %d at %d", count, n, root)
		}
		native.PutUint64(leaf, root)
		native.PutUint32(leaf[12:], uint32(n-1))
		copy(deep[at(root, 0):], leaf)
		f.Add(bytes.Clone(deep))
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, body []byte) {
		b := bytes.Clone(whole)
		copy(b[2*size:], body)
		path := filepath.Join(t.TempDir(), "db")
		must(t, os.WriteFile(path, b, 0o600))
		verdict := make(chan error, 1)
		go func() { verdict <- check(path, true) }()
		select {
		case err := <-verdict:
			if saw(err == nil); err != nil {
				if !errors.Is(err, pages.ErrDamaged) {
					t.Fatal(err)
				}
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it does not end")
		}
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		must(t, err)
		defer db.Close()
		must(t, db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return readAll(b, 0) })
		}))
	})
}

func readAll(b *bbolt.Bucket, depth int) error {
	return b.ForEach(func(k, v []byte) error {
		if inner := b.Bucket(k); inner != nil && depth < 100 {
			return readAll(inner, depth+1)
		}
		return nil
	})
}
