package servertest

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// A Whole stands for all tests of a process, as the testing.TB that a start of servers
// needs. A server that is started for it can be shared by these tests.
type Whole struct {
	testing.TB // nil: any other method panics
	mu         sync.Mutex
	ends       []func()
}

// Helper implements testing.TB.
func (w *Whole) Helper() {}

// Cleanup implements testing.TB.
func (w *Whole) Cleanup(end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, end)
}

// TempDir implements testing.TB.
func (w *Whole) TempDir() string {
	dir, err := os.MkdirTemp("", "servertest")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Logf implements testing.TB.
func (w *Whole) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Fatal implements testing.TB.
func (w *Whole) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Fatalf implements testing.TB.
func (w *Whole) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// End calls what was handed to Cleanup, the last first.
func (w *Whole) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.ends); i > 0; i-- {
		w.ends[i-1]()
	}
}
