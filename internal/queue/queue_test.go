package queue_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/queue"
)

// logged returns a Logger and what was logged with it so far.
func logged() (*slog.Logger, func() string) {
	var buf bytes.Buffer
	return slog.New(slog.NewTextHandler(&buf, nil)), buf.String
}

func TestCallsAreMadeInOrderWithTheValuesOfTheirContextAndNotItsEnd(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		summaries := 0
		q := queue.New("calls", log, func(context.Context) { summaries++ })
		var got []int
		for i := range 100 {
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, i))
			cancel()
			q.Offer(ctx, false, func(ctx context.Context) {
				end, _ := ctx.Deadline()
				if ctx.Err() != nil || ctx.Value(key{}) != i || time.Until(end) != 10*time.Second {
					t.Errorf("call %d has %v, %v, until %v", i, ctx.Value(key{}), ctx.Err(), end)
				}
				got = append(got, i)
				if i == 50 {
					panic("x")
				}
			})
		}
		time.Sleep(150 * time.Second)
		if err := queue.Close(nil, q); err != nil {
			t.Error(err)
		}
		if len(got) != 100 || !slices.IsSorted(got) {
			t.Errorf("made: %v", got)
		}
		if summaries != 3 { // at 1 and 2 minutes, and at Close
			t.Errorf("%d summaries", summaries)
		}
		if n := strings.Count(text(), "panicked"); n != 1 {
			t.Errorf("%d panics in %s", n, text())
		}
	})
}

func TestAFullQueueDropsWhatHasLowPriorityFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		q := queue.New("calls", log, nil)
		release := make(chan struct{})
		q.Offer(t.Context(), false, func(context.Context) { <-release })
		synctest.Wait() // it runs, so it takes no space
		offer := func(low bool, n int) (accepted int) {
			for range n {
				if q.Offer(t.Context(), low, func(context.Context) {}) {
					accepted++
				}
			}
			return accepted
		}
		if n := offer(true, 5000); n != 2049 {
			t.Errorf("%d of low priority", n)
		}
		if n := offer(false, 5000); n != 4096-2049 {
			t.Errorf("%d others", n)
		}
		close(release)
		synctest.Wait()
		offer(false, 1)
		if err := queue.Close(q); err != nil {
			t.Error(err)
		}
		if !strings.Contains(text(), "dropped") || !strings.Contains(text(), "count=2953") {
			t.Errorf("the log says %s", text())
		}
	})
}

func TestCloseTakesTwentySecondsAtMostAndNamesAHandlerThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		release, summary := make(chan struct{}), false
		stuck := queue.New("notices", log, nil)
		stuck.Offer(t.Context(), false, func(context.Context) { <-release })
		slow := queue.New("events", log, func(ctx context.Context) { summary = ctx.Err() == nil })
		for range 5 {
			slow.Offer(t.Context(), false, func(ctx context.Context) { <-ctx.Done() })
		}
		began := time.Now()
		other := queue.New("letters", log, nil)
		other.Offer(t.Context(), false, func(context.Context) { <-release })
		err := queue.Close(slow, stuck, other)
		if err == nil || !strings.Contains(err.Error(), "notices") || !strings.Contains(err.Error(), "letters") || strings.Contains(err.Error(), "events") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took != 21*time.Second || !summary {
			t.Errorf("after %v, the last summary was made: %v", took, summary)
		}
		if !strings.Contains(text(), "events were dropped at Close") || !strings.Contains(text(), "count=3") {
			t.Errorf("the log says %s", text())
		}
		close(release)
	})
}
