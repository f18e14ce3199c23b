//go:build unix

package boltstore_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

func init() { roles["full"] = fillTheDisk }

// ST-3
func TestANewFileIsForItsOwnerAloneWhateverTheUmask(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := newPath(t)
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
	info, err := os.Stat(path)
	must(t, err)
	if mode := info.Mode(); mode != 0o600 {
		t.Errorf("mode %v", mode)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("creating left files behind: %v", names)
	}
}

// ST-3
func TestAFileOfAnotherUserIsRefusedEvenByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can make a file of another user")
		return
	}
	path := newPath(t)
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
	must(t, os.Chown(path, 12345, -1))
	refused(t, path, "belongs to user 12345", "chown 0 "+path)
	must(t, os.Chown(path, 0, -1))
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
}

// A FIFO has no end to read until somebody opens the other one.
func TestOpenNeverWaitsForWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	must(t, syscall.Mkfifo(fifo, 0o600))
	must(t, os.Symlink(fifo, link))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, path := range []string{fifo, link, "/dev/null", dir, filepath.Join(fifo, "auth.db")} {
			for _, open := range []func(string, boltstore.Options) (*boltstore.Store, error){boltstore.Open, boltstore.OpenOrCreate} {
				if s, err := open(path, boltstore.Options{}); err == nil || !strings.Contains(err.Error(), "boltstore: ") {
					t.Errorf("%s: %v, %v", path, s, err)
				}
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it still waits")
	}
}

func TestOnAFullDiskReadsGoOnAndWritesRecoverWithoutARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts a process")
	}
	child, lines := launch(t, "full", newPath(t))
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// fillTheDisk lets the file grow no further by the limit of the process on the
// size of files, which is its own to raise again.
func fillTheDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := boltstore.OpenOrCreate(path, boltstore.Options{})
	if err != nil {
		return err
	}
	if err := limitFiles(20 << 20); err != nil {
		return err
	}
	value := make([]byte, store.MaxValue)
	put := func(i int) error { return s.Commit(ever, store.Put(fmt.Sprintf("u/%d", i), value)) }
	// Full is what fails a hundred times in a row: pages that a transaction has freed
	// serve one more, and failing again and again must lose none.
	fits, failed := 0, 0
	for tries := 0; failed < 100 && tries < 2000; tries++ {
		if err = put(fits); err == nil {
			fits, failed = fits+1, 0
		} else {
			failed++
		}
	}
	if failed < 100 || errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "large") {
		return fmt.Errorf("the disk is never full: %w", err)
	}
	values, err := s.Get(ever, "u/0", fmt.Sprintf("u/%d", fits-1), fmt.Sprintf("u/%d", fits))
	if err != nil || len(values[0]) != store.MaxValue || len(values[1]) != store.MaxValue || values[2] != nil {
		return fmt.Errorf("reading on a full disk: %w", err)
	}
	if err := hitUntil(s, func(err error) bool { return err != nil }); err != nil {
		return fmt.Errorf("hits on a full disk: %w", err)
	}
	if err := limitFiles(1 << 40); err != nil {
		return err
	}
	if err := put(fits); err != nil {
		return fmt.Errorf("there is room again: %w", err)
	}
	if err := hitUntil(s, func(err error) bool { return err == nil }); err != nil {
		return fmt.Errorf("hits where there is room again: %w", err)
	}
	if err := s.Verify(ever); err != nil {
		return err
	}
	fmt.Println(fits, "values fitted")
	return s.Close()
}

// hitUntil hits a thousand counters until ok accepts what Hit returns.
func hitUntil(s store.Store, ok func(error) bool) error {
	tick, late := time.NewTicker(10*time.Millisecond), time.After(10*time.Second)
	for i := 0; ; i++ {
		_, err := s.Hit(ever, fmt.Sprintf("login/%0200d", i), store.Limit{Burst: 5, Every: time.Hour}, 1, time.Now())
		if ok(err) {
			return nil
		}
		if i%1000 != 0 {
			continue
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("still: %w", err)
		}
	}
}

func limitFiles(bytes uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		return err
	}
	l.Cur = bytes
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
}
