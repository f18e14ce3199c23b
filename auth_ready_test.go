package auth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestReadySaysWhetherTheStoreAnswers(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		auth.AwaitBackground(h.Manager)
		if err := h.Ready(t.Context()); err != nil {
			t.Errorf("a store that answers: %v", err)
		}
		tap.tap(func(context.Context, storeCall) error { return errOutage }, nil)
		h.Clock.Advance(time.Second)
		if err := h.Ready(t.Context()); !errors.Is(err, auth.ErrUnavailable) || !errors.Is(err, errOutage) {
			t.Errorf("a store that fails: %v", err)
		}
		tap.tap(nil, nil)
		h.Clock.Advance(time.Second)
		if err := h.Ready(t.Context()); err != nil {
			t.Errorf("a store that answers again: %v", err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Ready(over); !errors.Is(err, auth.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that has gone: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.Ready(t.Context()); !errors.Is(err, auth.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		for _, e := range h.Events.All() {
			t.Errorf("an event of a probe: %+v", e)
		}
	})
}

// A probe must not be a way to load the store, whoever asks and however many.
func TestCallersOfOneSecondShareOneLookAtTheStore(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	auth.AwaitBackground(h.Manager)
	var gets atomic.Int64
	failing := false
	tap.tap(func(_ context.Context, c storeCall) error {
		if gets.Add(1); c.kind != "Get" || len(c.keys) != 1 {
			t.Errorf("a look is %+v", c)
		}
		if failing {
			return errOutage
		}
		return nil
	}, nil)
	for second := range 3 {
		failing = second == 1
		atOnce(t, 16, func(int) error {
			for range 50 {
				if err := h.Ready(t.Context()); (err != nil) != failing {
					t.Errorf("in second %d: %v", second, err)
				}
			}
			return nil
		})
		h.Clock.Advance(999 * time.Millisecond)
		_ = h.Ready(t.Context())
		if n := gets.Load(); n != int64(second+1) {
			t.Errorf("%d looks in %d seconds", n, second+1)
		}
		h.Clock.Advance(time.Millisecond)
	}
	h.Clock.Advance(-time.Hour) // a clock that was far ahead
	if err := h.Ready(t.Context()); err != nil || gets.Load() != 4 {
		t.Errorf("after the clock jumped back: %v, %d looks", err, gets.Load())
	}
}

func TestALookAtTheStoreTakesASecondAtMost(t *testing.T) {
	for _, timeout := range []time.Duration{200 * time.Millisecond, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			tap := newTapStore(memstore.New())
			h := authtest.With(t, tap, auth.Config{Now: time.Now, StoreTimeout: timeout})
			auth.AwaitBackground(h.Manager)
			tap.tap(func(ctx context.Context, _ storeCall) error { <-ctx.Done(); return ctx.Err() }, nil)
			began := time.Now()
			var callers sync.WaitGroup
			impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			for range 4 {
				callers.Go(func() {
					if err := h.Ready(t.Context()); !errors.Is(err, auth.ErrUnavailable) || time.Since(began) != min(time.Second, timeout) {
						t.Errorf("%v after %v", err, time.Since(began))
					}
				})
			}
			synctest.Wait()
			callers.Go(func() {
				if err := h.Ready(impatient); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
					t.Errorf("a caller that waits for less: %v after %v", err, time.Since(began))
				}
			})
			callers.Wait()
		})
	}
}

// A panicking store is not ready, for those that share the look either.
func TestAStoreThatPanicsIsNotReady(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	auth.AwaitBackground(h.Manager)
	tap.tap(func(context.Context, storeCall) error { panic("store") }, nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		_ = h.Ready(t.Context())
	}()
	if err := h.Ready(t.Context()); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("in the same second: %v", err)
	}
}
