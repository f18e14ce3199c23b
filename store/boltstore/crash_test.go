//go:build !race

package boltstore_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

func init() {
	roles["hold"] = func(path string) error {
		if _, err := boltstore.OpenOrCreate(path, boltstore.Options{}); err != nil {
			return err
		}
		fmt.Println("open")
		select {}
	}
	roles["write"] = writeUntilKilled
	roles["hit"] = func(path string) error {
		s, err := boltstore.OpenOrCreate(path, boltstore.Options{})
		if err != nil {
			return err
		}
		if _, err := s.Hit(ever, "login/a", perHour, 3, start); err != nil {
			return err
		}
		<-time.After(time.Second)
		fmt.Println("a second has passed")
		select {}
	}
}

// F-D1.
func TestASecondProcessIsErrLockedWithinASecondAndTheDeathOfTheFirstFreesTheFile(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	child, lines := launch(t, "hold", path)
	lines.Scan()
	isLocked(t, path)
	must(t, child.Process.Kill())
	child.Wait()
	must(t, mustOpen(t, path, boltstore.Options{}).Close())
}

const writers = 4

// writeUntilKilled counts up in pairs of records, and says what is acknowledged.
func writeUntilKilled(path string) error {
	s, err := boltstore.OpenOrCreate(path, boltstore.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range writers {
		go func() {
			a, b := fmt.Sprintf("w%d/a", w), fmt.Sprintf("w%d/b", w)
			for {
				values, err := s.Get(ever, a, b)
				if err != nil {
					failed <- err
				}
				n, _ := strconv.Atoi(string(bytes.TrimSpace(values[0])))
				next := fmt.Appendf(nil, "%*d", n%5000, n+1) // of many lengths
				if err := s.Commit(ever, store.Put(a, next).Was(values[0]), store.Put(b, next).Was(values[1]).Until(start)); err != nil {
					failed <- err
				}
				fmt.Fprintf(os.Stdout, "%d %d\n", w, n+1)
			}
		}()
	}
	return <-failed
}

// ST-5, ST-4
func TestNoAcknowledgedCommitIsLostOrTornByAKill(t *testing.T) {
	path := newPath(t)
	acked := [writers]int{}
	for round := range 30 {
		child, lines := launch(t, "write", path)
		for n := 0; lines.Scan(); n++ {
			var w, value int
			if _, err := fmt.Sscan(lines.Text(), &w, &value); err == nil {
				acked[w] = value
			}
			if n == round*7 {
				must(t, child.Process.Kill())
			}
		}
		child.Wait()

		s := mustOpen(t, path, boltstore.Options{Now: func() time.Time { return time.Unix(0, 0) }})
		must(t, s.Verify(ever))
		for w := range writers {
			values, err := s.Get(ever, fmt.Sprintf("w%d/a", w), fmt.Sprintf("w%d/b", w))
			must(t, err)
			if !bytes.Equal(values[0], values[1]) {
				t.Fatalf("round %d: a torn Commit: %s and %s", round, values[0], values[1])
			}
			n, _ := strconv.Atoi(string(bytes.TrimSpace(values[0])))
			if n < acked[w] || n > acked[w]+1 {
				t.Fatalf("round %d: writer %d had %d acknowledged and finds %d", round, w, acked[w], n)
			}
			acked[w] = n
		}
		must(t, s.Close())
	}
	if acked[0] < 100 {
		t.Errorf("only %d Commits", acked[0])
	}
}

func TestAKilledProcessLosesNoHitThatIsASecondOld(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	child, lines := launch(t, "hit", path)
	lines.Scan()
	must(t, child.Process.Kill())
	child.Wait()
	s := mustOpen(t, path, boltstore.Options{Now: func() time.Time { return start }})
	if n := hits(t, s, "login/a", start); n != 3 {
		t.Errorf("%d hits left of 3", n)
	}
}
