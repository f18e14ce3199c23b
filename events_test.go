package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// LO-3
func TestLogEventsWritesOneRecordForEachEvent(t *testing.T) {
	var b bytes.Buffer
	l := auth.LogEvents(slog.New(slog.NewJSONHandler(&b, nil)))
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	l.HandleEvent(context.Background(), auth.Event{Type: auth.EventLoginFailed, Time: at, UserID: "user_1", Client: auth.Client{Addr: netip.MustParseAddr("192.0.2.7"), UserAgent: "a\nb"}})
	l.HandleEvent(context.Background(), auth.Event{Type: auth.EventLoggedOut, Time: at})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, want := range []struct{ level, event string }{
		{"WARN", `{"address":"192.0.2.7","time":"2030-01-02T03:04:05Z","type":"login_failed","user_agent":"a\nb","user_id":"user_1"}`},
		{"INFO", `{"time":"2030-01-02T03:04:05Z","type":"logged_out"}`},
	} {
		var r map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &r); err != nil {
			t.Fatal(err)
		}
		event, _ := json.Marshal(r["event"])
		if r["level"] != want.level || string(event) != want.event {
			t.Errorf("%v %s", r["level"], event)
		}
	}
}

type handlerFunc func(context.Context, auth.Event)

func (f handlerFunc) HandleEvent(ctx context.Context, e auth.Event) { f(ctx, e) }

type notifierFunc func(context.Context, auth.Notice) error

func (f notifierFunc) Notify(ctx context.Context, n auth.Notice) error { return f(ctx, n) }

// TF-15, LO-1.
func TestAHandlerThatPanicsHangsOrIsSlowChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, f := range map[string]func(context.Context){
			"panics": func(context.Context) { panic("handler") },
			"hangs":  func(ctx context.Context) { <-ctx.Done() },
			"slow":   func(context.Context) { time.Sleep(time.Second) },
		} {
			var handled atomic.Int64
			var log lockedBuffer
			h := authtest.With(t, memstore.New(), auth.Config{
				Logger:   log.logger(),
				Events:   handlerFunc(func(ctx context.Context, _ auth.Event) { handled.Add(1); f(ctx) }),
				Notifier: notifierFunc(func(ctx context.Context, _ auth.Notice) error { f(ctx); return nil }),
			})
			began := time.Now()
			alice := h.Register()
			if err := h.ChangePassword(context.Background(), alice.Identity(), authtest.Password, otherPassword); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !verify(t, h.Manager, alice.Token()) {
				t.Errorf("%s: the token is refused", name)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: the calls took %v", name, took)
			}
			_ = h.Close()
			time.Sleep(time.Minute) // for the handler that Close gave up
			if n := handled.Load(); n != 3 && (name != "hangs" || n < 1) {
				t.Errorf("%s: %d events", name, n)
			}
			if (name == "panics") != strings.Contains(log.String(), "panicked") {
				t.Errorf("%s: log %q", name, log.String())
			}
		}
	})
}

func TestEventsBeyondTheQueueAreDroppedAndReported(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var log lockedBuffer
	h := authtest.With(t, memstore.New(), auth.Config{Logger: log.logger(), Limits: unlimited(), Events: handlerFunc(func(context.Context, auth.Event) {
		once.Do(func() { close(entered); <-hold })
	})})
	alice := h.Register()
	<-entered
	for range 4096 + 10 {
		if err := h.SetRole(context.Background(), alice.ID, "reader"); err != nil {
			t.Fatal(err)
		}
	}
	close(hold)
	for deadline := time.Now().Add(raceTime); !strings.Contains(log.String(), "were dropped"); {
		if time.Now().After(deadline) {
			t.Fatalf("not said: %q", log.String())
		}
		if err := h.SetRole(context.Background(), alice.ID, "reader"); err != nil {
			t.Fatal(err)
		}
	}
}

// PR-2
func TestNoticesGoToTheUserAndOfAChangedAddressToBoth(t *testing.T) {
	var mu sync.Mutex
	var got []string
	h := authtest.With(t, memstore.New(), auth.Config{Notifier: notifierFunc(func(_ context.Context, n auth.Notice) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(n.Type)+" "+n.To)
		if n.Name == "" || !strings.HasPrefix(n.UserID, "user_") || n.Time.IsZero() {
			t.Errorf("%+v", n)
		}
		return errors.New("no mail today")
	})})
	id := member(t, h.Manager, "Old@example.com")
	if err := moveTo(h.Manager, id, "new@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := h.ChangePassword(context.Background(), id, authtest.Password, otherPassword); err != nil {
		t.Fatal(err)
	}
	_ = h.Close()
	want := []string{"email_changed Old@example.com", "email_changed new@example.com", "password_changed new@example.com"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAHangingNotifierDelaysNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled, notified atomic.Int64
		hold := make(chan struct{})
		h := authtest.With(t, memstore.New(), auth.Config{
			Events:   handlerFunc(func(context.Context, auth.Event) { handled.Add(1) }),
			Notifier: notifierFunc(func(context.Context, auth.Notice) error { notified.Add(1); <-hold; return nil }),
		})
		began := time.Now()
		alice := h.Register()
		id, pw := alice.Identity(), auth.Secret(authtest.Password)
		for i := range 10 {
			next := otherPassword + auth.Secret(rune('a'+i))
			if err := h.ChangePassword(t.Context(), id, pw, next); err != nil {
				t.Fatal(err)
			}
			pw = next
		}
		synctest.Wait()
		if n := handled.Load(); n != 12 || notified.Load() != 1 || time.Since(began) != 0 {
			t.Errorf("%d events and %d notices after %v, want 12 and the first notice, at once", n, notified.Load(), time.Since(began))
		}
		close(hold)
	})
}

// LO-1: thousands of refusals displace no event of other calls.
func TestAFloodOfRefusalsDisplacesNoOtherEvent(t *testing.T) {
	t.Parallel()
	hold, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var roles, refusals, omitted int
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited(), Events: handlerFunc(func(_ context.Context, e auth.Event) {
		once.Do(func() { close(entered); <-hold })
		switch e.Type {
		case auth.EventRoleChanged:
			roles++
		case auth.EventLoginFailed:
			refusals++
		case auth.EventOmitted:
			omitted += e.Count
		}
	})})
	alice := h.Register()
	<-entered
	flood := func(n int) {
		for range n {
			_ = login(t.Context(), h.Manager, "nobody@example.com", "wrong, and long enough")
		}
	}
	const floods, others = 2100, 2000 // half of the queue and a few more; what finds room beside any number of refusals
	flood(floods)
	for range others {
		if err := h.SetRole(t.Context(), alice.ID, "reader"); err != nil {
			t.Fatal(err)
		}
	}
	flood(1000)
	close(hold)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if roles != others || refusals == 0 || refusals > 2100 || refusals+omitted != floods+1000 {
		t.Errorf("%d of %d changes of role were reported, beside %d refusals, %d left out", roles, others, refusals, omitted)
	}
}

type ctxKey struct{}

// A trace id comes along; that the client has hung up does not.
func TestAHandlersContextHasTheRequestsValuesAndNotItsEnd(t *testing.T) {
	var reported []string
	var mu sync.Mutex
	gone := make(chan struct{})
	look := func(ctx context.Context, what string) {
		<-gone
		mu.Lock()
		defer mu.Unlock()
		if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
			t.Errorf("%s: %v, with a deadline: %v", what, ctx.Err(), bounded)
		}
		if v, _ := ctx.Value(ctxKey{}).(string); v != "" {
			reported = append(reported, what+" "+v)
		}
	}
	h := authtest.With(t, memstore.New(), auth.Config{
		Events:   handlerFunc(func(ctx context.Context, e auth.Event) { look(ctx, string(e.Type)) }),
		Notifier: notifierFunc(func(ctx context.Context, n auth.Notice) error { look(ctx, "notice"); return nil }),
	})
	alice := h.Register()
	ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "trace-1"))
	if err := h.ChangePassword(ctx, alice.Identity(), authtest.Password, otherPassword); err != nil {
		t.Fatal(err)
	}
	hangUp()
	close(gone)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(reported)
	if want := []string{"notice trace-1", "password_changed trace-1"}; !slices.Equal(reported, want) {
		t.Errorf("%q, want %q", reported, want)
	}
}

// A handler that takes all of the time that it is given returns all the same.
func TestCloseDoesNotAccuseAHandlerThatKeepsToItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := authtest.With(t, memstore.New(), auth.Config{
			Events: handlerFunc(func(ctx context.Context, _ auth.Event) { <-ctx.Done() }),
		})
		for range 100 { // some are reported, some counted for the summary
			h.ReportDenied(t.Context(), auth.Identity{}, "test")
		}
		synctest.Wait()
		began := time.Now()
		if err := h.Close(); err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("Close took %v: %v", time.Since(began), err)
		}
	})
}

func TestCloseDoesNotWaitForeverForAHandlerThatDoesNotReturn(t *testing.T) {
	for name, set := range map[string]func(*auth.Config, func()){
		"events": func(c *auth.Config, f func()) { c.Events = handlerFunc(func(context.Context, auth.Event) { f() }) },
		"notices": func(c *auth.Config, f func()) {
			c.Notifier = notifierFunc(func(context.Context, auth.Notice) error { f(); return nil })
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			hold := make(chan struct{})
			cfg := auth.Config{}
			set(&cfg, func() { <-hold })
			h := authtest.With(t, memstore.New(), cfg)
			alice := h.Register()
			if err := h.ChangePassword(t.Context(), alice.Identity(), authtest.Password, otherPassword); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			began := time.Now()
			err := h.Close()
			if err == nil || !strings.Contains(err.Error(), name) || time.Since(began) > 21*time.Second {
				t.Errorf("%s: Close took %v: %v", name, time.Since(began), err)
			}
			close(hold)
		})
	}
}
