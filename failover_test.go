package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store/redisstore"
)

// An act is something that must never be undone: what it does, and what a credential
// that it ended or spent is still accepted.
type act struct {
	name         string
	do           func(*auth.Manager) error
	verify       func(*auth.Manager) error // nil if it does
	acknowledged bool
}

// Every act that was acknowledged before the master died, or while it did, still holds
// under the next master, where the store waits for a replica.
func TestAFailoverUndoesNoAcknowledgedRevocationAndNoOnceOnlyAct(t *testing.T) {
	t.Parallel()
	if !redistest.Available(t) {
		return
	}
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		s := redistest.StartSentinel(t)
		testFailover(t, redis.UniversalOptions{Addrs: s.SentinelAddrs(), MasterName: redistest.MasterName},
			func() { s.WaitForFailover(s.KillMaster()) })
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		c := redistest.StartCluster(t)
		testFailover(t, redis.UniversalOptions{Addrs: c.Addrs()}, func() {
			old := c.KillMaster("any")
			c.WaitHealthy()
			old.Restart() // as the replica that the new master waits for
		})
	})
}

func testFailover(t *testing.T, u redis.UniversalOptions, failover func()) {
	s, err := redisstore.OpenOrCreate(t.Context(), u, redisstore.Options{Prefix: "auth:", Replicas: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := authtest.With(t, s, auth.Config{Limits: unlimited()})
	acts := actsOf(h)

	var done atomic.Int64
	enough := make(chan struct{})
	var wg sync.WaitGroup
	const workers = 8
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(acts); i += workers {
				a := &acts[i]
				a.acknowledged = a.do(h.Manager) == nil
				if a.acknowledged && done.Add(1) == int64(len(acts)/3) {
					close(enough)
				}
			}
		})
	}
	select {
	case <-enough: // the master is killed in the middle of it
	case <-time.After(raceTime):
		t.Fatalf("%d of %d acts in %v", done.Load(), len(acts), raceTime)
	}
	killed := time.Now()
	failover()
	wg.Wait()
	servertest.Within(t, 10*time.Second, func() error {
		_, err := signUp(h.Manager, "after@example.com")
		if errors.Is(err, auth.ErrEmailTaken) {
			return nil
		}
		return err
	})
	t.Logf("served again after %v", time.Since(killed).Round(time.Millisecond))

	undone, acknowledged := 0, 0
	for _, a := range acts {
		if !a.acknowledged {
			continue
		}
		acknowledged++
		var err error
		servertest.Within(t, 10*time.Second, func() error { // a call that meets the dead master first is told so, once
			if err = a.verify(h.Manager); errors.Is(err, auth.ErrUnavailable) {
				return err
			}
			return nil
		})
		switch {
		case err == nil:
			undone++
			t.Errorf("%s: was acknowledged, and is undone", a.name)
		case !errors.Is(err, auth.ErrInvalidToken) && !errors.Is(err, auth.ErrInvalidCode):
			t.Errorf("%s: %v", a.name, err)
		}
	}
	t.Logf("%d of %d acts were acknowledged, %d of them undone", acknowledged, len(acts), undone)
}

// actsOf returns acts of every kind, each on a user of its own.
func actsOf(h *authtest.Harness) (acts []act) {
	ctx := context.Background()
	verify := func(token string) func(*auth.Manager) error {
		return func(m *auth.Manager) error {
			_, err := m.VerifyAccessToken(ctx, auth.Secret(token))
			return err
		}
	}
	for range 40 {
		alice := h.Register()
		id, token := alice.Identity(), alice.Token()
		acts = append(acts, act{"logout", func(m *auth.Manager) error { return m.Logout(ctx, id) }, verify(token), false})

		bob := h.Register()
		key := bob.APIKey()
		acts = append(acts, act{"disabling a user", func(m *auth.Manager) error { return m.DisableUser(ctx, bob.ID) }, func(m *auth.Manager) error {
			_, err := m.VerifyAPIKey(ctx, auth.Secret(key))
			return err
		}, false})

		carol := h.Register()
		acts = append(acts, act{"ending all sessions", func(m *auth.Manager) error { return m.RevokeSessions(ctx, carol.ID) }, verify(carol.Token()), false})
	}
	for range 10 {
		dave := h.Register()
		codes := dave.EnableTwoFactor()
		second := func(m *auth.Manager) error {
			r, err := m.Login(ctx, dave.Email, authtest.Password)
			if err == nil {
				_, err = m.VerifyTwoFactor(ctx, r.TempToken, codes[0])
			}
			return err
		}
		acts = append(acts, act{"spending a backup code", second, second, false})
	}
	return acts
}
