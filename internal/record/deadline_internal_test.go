package record

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func withDeadline(ctx context.Context, timeout time.Duration) *deadline {
	d := new(deadline)
	d.begin(ctx, timeout)
	return d
}

// Whatever a store does with its context, it sees what context.WithTimeout shows.
func TestADeadlineIsLikeOneOfPackageContext(t *testing.T) {
	type key struct{}
	parent := context.WithValue(context.Background(), key{}, "value")
	for name, look := range map[string]func(ctx context.Context) error{
		"asks": func(ctx context.Context) error { return ctx.Err() },
		"waits": func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			default:
				return nil
			}
		},
		"derives": func(ctx context.Context) error {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			return child.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, after := range []time.Duration{0, time.Second - 1, time.Second, time.Hour} {
					want, stop := context.WithTimeout(parent, time.Second)
					got := withDeadline(parent, time.Second)
					time.Sleep(after) // the bubble's time
					synctest.Wait()
					if a, b := look(got), look(want); a != b {
						t.Errorf("after %v: %v, want %v", after, a, b)
					}
					if got.Value(key{}) != "value" {
						t.Error("the value is lost")
					}
					stop()
					got.release()
					if a, b := look(got), look(want); a != b {
						t.Errorf("after %v and its release: %v, want %v", after, a, b)
					}
				}
			})
		})
	}
}

func TestADeadlineIsNeverLaterThanThatOfItsParent(t *testing.T) {
	for _, timeout := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		parent, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		want, stop := context.WithTimeout(parent, timeout)
		defer stop()
		a, _ := withDeadline(parent, timeout).Deadline()
		if b, _ := want.Deadline(); a.Sub(b).Abs() > time.Second {
			t.Errorf("a timeout of %v within an hour ends at %v, want %v", timeout, a, b)
		}
	}
}

func TestADeadlineEndsWithItsParent(t *testing.T) {
	for _, waits := range []bool{false, true} {
		parent, cancel := context.WithCancel(t.Context())
		d := withDeadline(parent, time.Hour)
		if waits {
			done := d.Done()
			cancel()
			<-done
		}
		cancel()
		if err := d.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("waits %v: %v, want Canceled", waits, err)
		}
		d.release()
	}
}

// What is read is in one piece of memory with its deadline, and may be kept for long.
func TestAReleasedDeadlineEndsWaitsAndLeavesItsParent(t *testing.T) {
	type key struct{}
	for _, waits := range []bool{false, true} {
		d := withDeadline(context.WithValue(t.Context(), key{}, "value"), time.Hour)
		if waits {
			d.Done()
		}
		d.release()
		<-d.Done()
		if err := d.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("waits %v: %v, want Canceled", waits, err)
		}
		if d.Value(key{}) != nil || d.Context != ended || d.timed != ended {
			t.Errorf("waits %v: it holds on to its context", waits)
		}
	}
}
