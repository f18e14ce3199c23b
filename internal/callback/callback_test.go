package callback_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/callback"
)

var ways = map[string]func(context.Context, *callback.Calls, func(context.Context) (int, error)) (int, error){
	"Wait": callback.Wait[int], "Try": callback.Try[int],
}

func TestACallReturnsWhatTheFunctionReturns(t *testing.T) {
	broken := errors.New("broken")
	for name, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			c := callback.New(1, time.Minute)
			for range 3 { // each gives its place back
				for what, f := range map[error]func(context.Context) (int, error){
					nil:                  func(context.Context) (int, error) { return 7, nil },
					broken:               func(context.Context) (int, error) { return 7, broken },
					callback.ErrPanicked: func(context.Context) (int, error) { panic("x") },
				} {
					n, err := way(t.Context(), c, f)
					if err != what || (n == 7) == (err == callback.ErrPanicked) {
						t.Errorf("%s: %d, %v, want %v", name, n, err, what)
					}
					synctest.Wait()
				}
			}
		})
	}
}

func TestACallThatHangsIsGivenUpAndKeepsItsPlace(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := callback.New(2, 2*time.Second)
				release := make(chan struct{})
				hang := func(context.Context) (int, error) { <-release; return 7, nil }
				for range 2 {
					began := time.Now()
					if n, err := way(t.Context(), c, hang); n != 0 || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second {
						t.Errorf("%d, %v after %v", n, err, time.Since(began))
					}
				}
				began := time.Now()
				quick := func(context.Context) (int, error) { return 7, nil }
				_, err := way(t.Context(), c, quick)
				if took := time.Since(began); name == "Try" && (err != callback.ErrBusy || took != 0) ||
					name == "Wait" && (!errors.Is(err, context.DeadlineExceeded) || took != 2*time.Second) {
					t.Errorf("with no place: %v after %v", err, took)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if _, err := callback.Wait(ctx, c, quick); err != context.Canceled {
					t.Errorf("for a caller that has gone: %v", err)
				}
				close(release)
				synctest.Wait()
				if n, err := way(t.Context(), c, quick); n != 7 || err != nil {
					t.Errorf("after they returned: %d, %v", n, err)
				}
			})
		})
	}
}

func TestACallsContextEndsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		_, err := callback.Wait(t.Context(), callback.New(1, time.Second), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return 0, nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(<-ended, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
