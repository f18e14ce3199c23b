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
		q := queue.New("calls", queue.InOrder, log, func(context.Context) { summaries++ })
		var got []int
		for i := range 100 {
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, i))
			cancel()
			q.Offer(ctx, queue.Job{Run: func(ctx context.Context) {
				end, _ := ctx.Deadline()
				if ctx.Err() != nil || ctx.Value(key{}) != i || time.Until(end) != 10*time.Second {
					t.Errorf("call %d has %v, %v, until %v", i, ctx.Value(key{}), ctx.Err(), end)
				}
				got = append(got, i)
				if i == 50 {
					panic("x")
				}
			}})
		}
		time.Sleep(150 * time.Second)
		if err := queue.Close(time.Now().Add(20*time.Second), nil, q); err != nil {
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

// LO-1
func TestAFullQueueDropsWhatHasALowClassFirstAndLogsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		q := queue.New("calls", queue.InOrder, log, nil)
		release := make(chan struct{})
		q.Offer(t.Context(), queue.Job{Run: func(context.Context) { <-release }})
		synctest.Wait() // it runs, so it takes no place
		var made, dropped [3]int
		offer := func(c queue.Class, n int) {
			for range n {
				q.Offer(t.Context(), queue.Job{Class: c, Run: func(context.Context) { made[c]++ }, Dropped: func() { dropped[c]++ }})
			}
		}
		offer(queue.Low, 5000)
		offer(queue.Normal, 5000)
		offer(queue.High, 100)
		close(release)
		synctest.Wait()
		if want := [3]int{0, 3996, 100}; made != want {
			t.Errorf("made: %v, want %v", made, want)
		}
		if want := [3]int{5000, 1004, 0}; dropped != want {
			t.Errorf("dropped: %v, want %v", dropped, want)
		}
		if err := queue.Close(time.Now().Add(20*time.Second), q); err != nil {
			t.Error(err)
		}
		if strings.Count(text(), "dropped") != 1 || !strings.Contains(text(), "count=6004") {
			t.Errorf("the log says %s", text())
		}
	})
}

// A flood of dropped calls is no flood of the log.
func TestDroppedCallsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		q := queue.New("calls", queue.InOrder, log, nil)
		offer := func(n int) {
			for range n {
				q.Offer(t.Context(), queue.Job{Run: func(context.Context) { time.Sleep(10 * time.Millisecond) }})
			}
		}
		offer(5000)
		for range 10 * 60 {
			offer(200)
			time.Sleep(time.Second)
		}
		if err := queue.Close(time.Now().Add(20*time.Second), q); err != nil {
			t.Error(err)
		}
		if n := strings.Count(text(), "were dropped"); n < 9 || n > 12 {
			t.Errorf("%d lines in 10 minutes", n)
		}
	})
}

func TestCloseEndsInTimeAndNamesAHandlerThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logged()
		release, summary, late := make(chan struct{}), false, 0
		stuck := queue.New("notices", queue.InOrder, log, nil)
		stuck.Offer(t.Context(), queue.Job{Run: func(context.Context) { <-release }})
		slow := queue.New("events", queue.InOrder, log, func(ctx context.Context) { summary = ctx.Err() == nil })
		for range 5 {
			slow.Offer(t.Context(), queue.Job{Run: func(ctx context.Context) { <-ctx.Done() }, Dropped: func() { late++ }})
		}
		began := time.Now()
		other := queue.New("letters", queue.InOrder, log, nil)
		other.Offer(t.Context(), queue.Job{Run: func(context.Context) { <-release }})
		err := queue.Close(time.Now().Add(20*time.Second), slow, stuck, other)
		if err == nil || !strings.Contains(err.Error(), "notices") || !strings.Contains(err.Error(), "letters") || strings.Contains(err.Error(), "events") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took != 21*time.Second || !summary || late != 3 {
			t.Errorf("after %v, the last summary was made: %v, %d were dropped", took, summary, late)
		}
		if !strings.Contains(text(), "events were dropped at Close") || !strings.Contains(text(), "count=3") {
			t.Errorf("the log says %s", text())
		}
		close(release)
	})
}
