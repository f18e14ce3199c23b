//go:build !race

package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// A fault is what happens to the Commit that makes a change.
type fault string

const (
	answerLost   fault = "the answer is lost"
	clientLeaves fault = "the client leaves"
	managerEnds  fault = "the Manager is closed"
)

// change reports whether events of the type report a change.
func change(t auth.EventType) bool {
	switch t {
	case auth.EventRegistered, auth.EventLoginSucceeded, auth.EventBackupCodeUsed, auth.EventTokenRefreshed, auth.EventTokenReused,
		auth.EventLoggedOut, auth.EventSessionRevoked, auth.EventPasswordChanged, auth.EventProfileChanged, auth.EventEmailChanged,
		auth.EventPasswordReset, auth.EventEmailVerified, auth.EventEmailChangeRequested, auth.EventEmailChangeCanceled,
		auth.EventTwoFactorStarted, auth.EventTwoFactorEnabled, auth.EventTwoFactorDisabled, auth.EventTwoFactorReset,
		auth.EventBackupCodesReplaced, auth.EventAPIKeyCreated, auth.EventAPIKeyRotated, auth.EventAPIKeyRevoked,
		auth.EventAPIKeyDisabled, auth.EventAPIKeyEnabled, auth.EventAPIKeyChanged,
		auth.EventRoleChanged, auth.EventAssignedAgentsChanged, auth.EventUserDisabled, auth.EventUserEnabled, auth.EventUserDeleted:
		return true
	}
	return false
}

// An outcome is what a scenario has reported.
type outcome struct {
	commits []string // what each Commit of the act names first
	events  []auth.Event
	notices []auth.Notice
}

// play plays a scenario on s and lets the fault happen during the nth Commit of its act, from
// 1 on.
func play(t *testing.T, s store.Store, act func(*stage), nth int, f fault) (o outcome) {
	cfg, sent := noticesOf(auditedConfig(slog.New(slog.DiscardHandler)))
	tap := newTapStore(s)
	st := newStage(t, tap, cfg)
	ctx, leave := context.WithCancel(st.ctx)
	defer leave()
	type ofAct struct{}
	st.ctx = context.WithValue(ctx, ofAct{}, true)
	closed := make(chan error, 1)
	var mu sync.Mutex // what undoes a registration commits to several partitions at once
	during := func(ctx context.Context, c storeCall, when fault) error {
		mu.Lock()
		defer mu.Unlock()
		if c.kind != "Commit" || ctx.Value(ofAct{}) == nil || len(o.commits) != nth {
			return nil
		}
		switch f {
		case answerLost:
			if when == answerLost {
				return errOutage
			}
		case clientLeaves:
			leave()
		case managerEnds:
			go func() { closed <- st.Close() }()
			for !errors.Is(st.closedError(), auth.ErrClosed) {
				runtime.Gosched()
			}
			f = ""
		}
		return nil
	}
	tap.tap(func(ctx context.Context, c storeCall) error {
		if c.kind == "Commit" && ctx.Value(ofAct{}) != nil {
			mu.Lock()
			o.commits = append(o.commits, c.keys[0])
			mu.Unlock()
		}
		return during(ctx, c, clientLeaves)
	}, func(ctx context.Context, c storeCall) error { return during(ctx, c, answerLost) })
	ends := f == managerEnds
	act(st)
	tap.tap(nil, nil)
	if !ends || f != "" {
		closed <- st.Close()
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	for _, e := range st.Events.All() {
		if e.Client.RequestID != "" && change(e.Type) {
			o.events = append(o.events, e)
		}
	}
	for _, n := range *sent {
		if n.Client.RequestID != "" {
			o.notices = append(o.notices, n)
		}
	}
	return o
}

// closedError is ErrClosed once Close has been called.
func (s *stage) closedError() error {
	_, err := s.User(context.Background(), "user_none")
	return err
}

// decisive returns which of the Commits makes the change: the first of a deletion and else the
// last in the partition of a user. The Commit of a mail is not the caller's.
func (o outcome) decisive(scenario string) int {
	decisive := 0
	for i, key := range o.commits {
		if strings.HasPrefix(key, "u.") && !strings.HasSuffix(key, "/mail") && (decisive == 0 || !strings.HasPrefix(scenario, "Delete")) {
			decisive = i + 1
		}
	}
	return decisive
}

// LO-1. What made a change is reported, whatever becomes of its client, of the store's answer
// and of the Manager meanwhile.
func TestAChangeThatHasBegunIsReportedWhateverHappensMeanwhile(t *testing.T) {
	t.Parallel()
	reported := 0
	for _, scenario := range slices.Sorted(maps.Keys(audited)) {
		act := audited[scenario].act
		plain := play(t, memstore.New(), act, 0, "")
		nth := plain.decisive(scenario)
		if len(plain.events) == 0 || nth == 0 || strings.HasSuffix(scenario, ": reuse") || strings.HasSuffix(scenario, ": again") || scenario == "DeleteAccount: backup code" { // two of one kind in one scenario, or two Commits
			continue
		}
		reported++
		for _, f := range []fault{answerLost, clientLeaves, managerEnds} {
			t.Run(scenario+": "+string(f), func(t *testing.T) {
				everyFastStore(t, func(t *testing.T, s store.Store) {
					comparePlay(t, f, plain, play(t, s, act, nth, f))
				})
			})
		}
	}
	if reported < 25 {
		t.Errorf("only %d scenarios change something", reported)
	}
}

// comparePlay fails the test unless got, with the fault, has what plain reported without one.
func comparePlay(t *testing.T, f fault, plain, got outcome) {
	t.Helper()
	for i, want := range plain.events {
		last := i == len(plain.events)-1 // some scenarios make two changes
		at := slices.IndexFunc(got.events, func(e auth.Event) bool { return e.Type == want.Type })
		switch {
		case at < 0:
			t.Errorf("%s is not reported; reported are %v", want.Type, got.events)
		case last && (got.events[len(got.events)-1].Reason == "unknown") != (f == answerLost):
			t.Errorf("%s has the reason %q", want.Type, got.events[len(got.events)-1].Reason)
		}
	}
	for i, want := range plain.notices {
		last := i == len(plain.notices)-1
		at := slices.IndexFunc(got.notices, func(n auth.Notice) bool { return n.Type == want.Type })
		switch {
		case at < 0 && (f != answerLost || change(want.Type)): // no login from a new network without its answer
			t.Errorf("no notice of %s", want.Type)
		case last && at >= 0 && change(want.Type) && (got.notices[at].Reason == "unknown") != (f == answerLost):
			t.Errorf("the notice of %s has the reason %q", want.Type, got.notices[at].Reason)
		}
	}
}
