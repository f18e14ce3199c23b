package boltstore_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

var (
	start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	ever  = context.Background()
)

func TestMain(m *testing.M) {
	if role := os.Getenv("BOLTSTORE_TEST_ROLE"); role != "" {
		if err := roles[role](os.Getenv("BOLTSTORE_TEST_PATH")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roles are what the test binary does where a test starts it as another process.
var roles = map[string]func(path string) error{}

func launch(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BOLTSTORE_TEST_ROLE="+role, "BOLTSTORE_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out)
}

func newPath(tb testing.TB) string { return filepath.Join(tb.TempDir(), "auth.db") }

func mustOpen(tb testing.TB, path string, o boltstore.Options) *boltstore.Store {
	tb.Helper()
	s, err := boltstore.OpenOrCreate(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func get(tb testing.TB, s store.Store, key string) []byte {
	tb.Helper()
	values, err := s.Get(ever, key)
	must(tb, err)
	return values[0]
}

// lastTx returns the number of the last transaction that reached the file.
func lastTx(tb testing.TB, path string) uint64 {
	tb.Helper()
	b, err := os.ReadFile(path)
	must(tb, err)
	page := os.Getpagesize()
	return max(binary.NativeEndian.Uint64(b[64:]), binary.NativeEndian.Uint64(b[page+64:]))
}

func TestRecordsAndTheirAbsenceSurviveReopening(t *testing.T) {
	path := newPath(t)
	s := mustOpen(t, path, boltstore.Options{})
	must(t, s.Commit(ever, store.Put("u/a", []byte("1")), store.Put("u/b", nil), store.Put("u/c", []byte("3")).Until(start)))
	must(t, s.Commit(ever, store.Delete("u/c"), store.Put("u/a", []byte("2")).Equal([]byte("1"))))
	must(t, s.Close())

	s = mustOpen(t, path, boltstore.Options{})
	values, err := s.Get(ever, "u/a", "u/b", "u/c")
	must(t, err)
	if string(values[0]) != "2" || values[1] == nil || len(values[1]) != 0 || values[2] != nil {
		t.Errorf("read %q", values)
	}
	must(t, s.Verify(ever))
}

// What a tool changed while the file was closed must not look unchanged to a program
// that opens it again.
func TestAStoreThatIsOpenedAgainRepeatsNoStamp(t *testing.T) {
	path := newPath(t)
	seen := map[string]map[uint64]bool{}
	for range 3 {
		s := mustOpen(t, path, boltstore.Options{})
		for i := range 100 {
			p := fmt.Sprint("u", i)
			stamp, known := s.Stamp(p)
			if !known || seen[p][stamp] {
				t.Fatalf("%s: %d, known: %v, seen before: %v", p, stamp, known, seen[p][stamp])
			}
			if seen[p] == nil {
				seen[p] = map[uint64]bool{}
			}
			seen[p][stamp] = true
		}
		must(t, s.Close())
	}
}

// F-D10.
// Where bbolt's own memory is returned, writing to it faults. It takes some records:
// of a bucket that is still inline, bbolt may hand out a copy.
func TestWhatGetAndListReturnIsTheCallersOwnMemory(t *testing.T) {
	s := mustOpen(t, newPath(t), boltstore.Options{})
	for i := range 100 {
		must(t, s.Commit(ever, store.Put(fmt.Sprintf("u/%02d", i), make([]byte, 1000))))
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	clear(get(t, s, "u/50"))
	items, err := s.List(ever, "u/", "", 100)
	must(t, err)
	for _, item := range items {
		clear(item.Value)
	}
}

func TestEveryCallAfterCloseIsErrClosedAndClosingAgainDoesNothing(t *testing.T) {
	s := mustOpen(t, newPath(t), boltstore.Options{})
	must(t, s.Close())
	must(t, s.Close())
	_, getErr := s.Get(ever, "u/a")
	_, listErr := s.List(ever, "u/", "", 1)
	_, hitErr := s.Hit(ever, "u/a", store.Limit{Burst: 1, Every: time.Second}, 1, start)
	for name, err := range map[string]error{
		"Get": getErr, "List": listErr, "Hit": hitErr, "Commit": s.Commit(ever, store.Put("u/a", nil)),
		"Verify": s.Verify(ever), "Backup": s.Backup(ever, nil),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ST-10.
func TestABackupOfAStoreInUseCanBeOpenedAndVerified(t *testing.T) {
	path := newPath(t)
	s := mustOpen(t, path, boltstore.Options{})
	must(t, s.Commit(ever, store.Put("u/a", []byte("old"))))

	copied, f := create(t)
	between := writer(func(b []byte) (int, error) { // a Commit while the backup is under way
		if err := s.Commit(ever, store.Put("u/a", []byte("new"))); err != nil {
			return 0, err
		}
		return f.Write(b)
	})
	must(t, s.Backup(ever, between))
	must(t, f.Close())

	restored := mustOpen(t, copied, boltstore.Options{})
	must(t, restored.Verify(ever))
	if v := get(t, restored, "u/a"); string(v) != "old" {
		t.Errorf("the backup holds %q, not what was there when it began", v)
	}
	if v := get(t, s, "u/a"); string(v) != "new" {
		t.Errorf("the store holds %q", v)
	}
}

// create makes a file for a backup.
func create(t *testing.T) (path string, f *os.File) {
	t.Helper()
	path = newPath(t)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	must(t, err)
	return path, f
}

func TestABackupEndsWithItsContext(t *testing.T) {
	s := mustOpen(t, newPath(t), boltstore.Options{})
	ctx, cancel := context.WithCancel(ever)
	err := s.Backup(ctx, writer(func(b []byte) (int, error) { cancel(); return len(b), nil }))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestAFurtherKeyOfAGetTakesAnAllocationOrTwo(t *testing.T) {
	s := mustOpen(t, newPath(t), boltstore.Options{})
	keys := make([]string, 21)
	for i := range keys {
		keys[i] = fmt.Sprintf("u/%s/%02d", strings.Repeat("long", 10), i)
		must(t, s.Commit(ever, store.Put(keys[i], value)))
	}
	allocs := func(keys ...string) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := s.Get(ever, keys...); err != nil {
				t.Error(err)
			}
		})
	}
	one, all := allocs(keys[0]), allocs(keys...)
	if each := (all - one) / float64(len(keys)-1); each > 2 {
		t.Errorf("%v allocations for each, besides %v for the first", each, one)
	}
}

// The next key of a Get is often a few records on, and then it is not searched for again.
func TestGetFindsKeysInAnyOrderAndAtAnyDistance(t *testing.T) {
	s := mustOpen(t, newPath(t), boltstore.Options{})
	name := func(i int) string { return fmt.Sprintf("p/%03d", i) }
	const names = 60 // every third of them is there, and the records of other partitions
	for i := 0; i < names; i += 3 {
		for _, key := range []string{name(i), "o/" + name(i), "q/" + name(i)} {
			must(t, s.Commit(t.Context(), store.Put(key, []byte(key))))
		}
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		keys := make([]string, 1+dice.IntN(8))
		for i := range keys {
			keys[i] = name(dice.IntN(names + 1))
		}
		if dice.IntN(2) == 0 {
			slices.Sort(keys)
		}
		values, err := s.Get(t.Context(), keys...)
		must(t, err)
		for i, key := range keys {
			n, _ := strconv.Atoi(key[2:])
			if there := n%3 == 0 && n < names; there != (values[i] != nil) || there && string(values[i]) != key {
				t.Fatalf("Get(%q): %q for %q", keys, values[i], key)
			}
		}
	}
}
