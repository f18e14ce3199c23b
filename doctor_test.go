package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestTheDoctorLooksAtEveryStore(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		auth.AwaitBackground(h.Manager)
		checks := examined(t, h.Manager)
		for _, name := range []string{"version", "secrets", "hashing", "read", "write", "store", "clock", "rosters", "listing", "mail", "events"} {
			c, ok := checks[name]
			if !ok || c.Detail == "" || c.Status == auth.CheckFail || strings.Contains(c.Detail, string(authtest.Secret)) {
				t.Errorf("%s: %+v", name, c)
			}
			delete(checks, name)
		}
		if len(checks) != 0 {
			t.Errorf("others: %v", checks)
		}
		if _, memory := s.(*memstore.Store); memory && examined(t, h.Manager)["store"].Status != auth.CheckWarn {
			t.Error("a store in memory is no warning")
		}
	})
}

// An ill store has a clock that is wrong, and does not accept a Commit.
type ill struct{ store.Store }

func (ill) Commit(context.Context, ...store.Op) error { return errOutage }

func (ill) Examine(context.Context) (store.Examination, error) {
	return store.Examination{Kind: "ill", Time: time.Now().Add(time.Hour), Warnings: []string{"It is ill."}}, nil
}

func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, ill{memstore.New()}, auth.Config{})
	for name, want := range map[string]auth.CheckStatus{
		"read": auth.CheckOK, "write": auth.CheckFail, "clock": auth.CheckFail, "store": auth.CheckWarn, "listing": auth.CheckWarn,
		"mail": auth.CheckWarn, "hashing": auth.CheckWarn,
	} {
		if c := examined(t, h.Manager)[name]; c.Status != want {
			t.Errorf("%s: %+v, want %s", name, c, want)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Doctor(t.Context()); !errors.Is(err, auth.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func examined(t *testing.T, m *auth.Manager) map[string]auth.Check {
	t.Helper()
	found, err := m.Doctor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]auth.Check{}
	for _, c := range found {
		checks[c.Name] = c
	}
	return checks
}
