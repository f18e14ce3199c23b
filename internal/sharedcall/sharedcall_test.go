package sharedcall_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/sharedcall"
)

var errAnswer = errors.New("the answer")

func TestAnAnswerIsSharedForItsTimeAlone(t *testing.T) {
	c, calls, at := sharedcall.Call{For: time.Second}, 0, time.Unix(1000, 0)
	ask := func(context.Context) error { calls++; return errAnswer }
	for _, step := range []struct {
		after time.Duration
		calls int
	}{{0, 1}, {time.Second - 1, 1}, {time.Second, 2}, {1500 * time.Millisecond, 2}, {-time.Hour, 3}} { // a clock that went back
		if err := c.Do(t.Context(), at.Add(step.after), ask); err != errAnswer || calls != step.calls {
			t.Errorf("after %v: %v, %d calls, want %d", step.after, err, calls, step.calls)
		}
	}
}

func TestACallerThatLeavesEndsNoCallOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, goOn := sharedcall.Call{For: time.Second}, make(chan struct{})
		first, leave := context.WithCancel(t.Context())
		answers := make(chan error, 3)
		do := func(ctx context.Context) {
			answers <- c.Do(ctx, time.Now(), func(ctx context.Context) error {
				<-goOn
				return errors.Join(errAnswer, ctx.Err())
			})
		}
		go do(first)
		synctest.Wait()
		go do(first)
		go do(t.Context())
		synctest.Wait()
		leave()
		if err := <-answers; err != context.Canceled {
			t.Errorf("the second caller, which left: %v", err)
		}
		if err := c.Do(first, time.Now(), nil); err != context.Canceled {
			t.Errorf("a caller that had left before: %v", err)
		}
		close(goOn)
		for range 2 {
			if err := <-answers; !errors.Is(err, errAnswer) || errors.Is(err, context.Canceled) {
				t.Errorf("the others: %v", err)
			}
		}
	})
}

func TestAPanicIsAnErrorToTheOthersAndKeepsNobodyWaiting(t *testing.T) {
	c := sharedcall.Call{For: time.Second}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not go on")
			}
		}()
		_ = c.Do(t.Context(), time.Unix(1000, 0), func(context.Context) error { panic("a store of somebody else") })
	}()
	if err := c.Do(t.Context(), time.Unix(1000, 0), nil); err != sharedcall.ErrPanicked {
		t.Error(err)
	}
}
