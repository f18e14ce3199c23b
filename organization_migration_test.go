package auth_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// olden removes from s what a version without rosters did not write.
func olden(t *testing.T, s store.Store) {
	t.Helper()
	for place := ""; ; {
		page, err := s.(store.Walker).Walk(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			if strings.HasPrefix(rec.Key, "o.") && !strings.HasSuffix(rec.Key, "/org") || strings.HasPrefix(rec.Key, "m.auth/") {
				if err := s.Commit(t.Context(), store.Delete(rec.Key)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if place = page.Next; place == "" {
			return
		}
	}
}

// An oldStore is a store of a version without rosters.
type oldStore struct {
	*authtest.Harness // closed
	ann, bob, cat     auth.User
	empty             auth.User // its organization has lost its only user
}

func newOldStore(t *testing.T, s store.Store) oldStore {
	t.Helper()
	h := authtest.With(t, s, auth.Config{Limits: unlimited()})
	auth.AwaitBackground(h.Manager)
	old := oldStore{Harness: h, ann: h.Register().User, cat: h.Register().User, empty: h.Register().User}
	old.bob = mustJoin(t, h, old.ann.OrganizationID, "bob@example.com", "reader")
	if err := h.DisableUser(auth.WithForce(t.Context()), old.bob.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	uid := strings.TrimPrefix(old.empty.ID, "user_")
	if err := s.Commit(t.Context(), store.Delete("u."+uid+"/acct"), store.Delete("u."+uid+"/pass")); err != nil {
		t.Fatal(err)
	}
	olden(t, s)
	h.Clock.Advance(24 * time.Hour)
	return old
}

// check fails the test unless the rosters are complete, and only organizations with a user are
// there.
func (o oldStore) check(t *testing.T, h *authtest.Harness) {
	t.Helper()
	checkRoster(t, h, o.ann.OrganizationID, "two users", o.ann.ID, o.bob.ID)
	checkRoster(t, h, o.cat.OrganizationID, "one user", o.cat.ID)
	if _, err := h.Organization(t.Context(), o.empty.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an organization whose users an older version deleted: %v", err)
	}
	for _, u := range []auth.User{o.ann, o.bob} {
		if _, err := h.Organization(t.Context(), u.OrganizationID); err != nil {
			t.Errorf("before %s is deleted: %v", u.ID, err)
		}
		if err := h.DeleteUser(auth.WithForce(t.Context()), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Organization(t.Context(), o.ann.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("after its last user is deleted: %v", err)
	}
}

// PR-10.
func TestTheAccountsOfAnOlderVersionGetTheirRosters(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		old := newOldStore(t, s)
		h := twin(t, old.Harness, auth.Config{})
		auth.AwaitBackground(h.Manager)
		old.check(t, h)
	})
}

// PR-10. Wherever the migration is cut off, the next Manager completes it.
func TestAMigrationCutOffAnywhereIsCompletedByTheNextManager(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		old := newOldStore(t, s)
		tap := newTapStore(s)
		tap.background = true
		for nth := int64(1); ; nth++ {
			var n atomic.Int64
			cut := make(chan struct{})
			tap.tap(nil, func(_ context.Context, c storeCall) error {
				if c.kind != "Commit" {
					return nil
				}
				at := n.Add(1)
				if at == nth {
					close(cut)
				}
				if at >= nth { // until the Manager is closed
					return errOutage
				}
				return nil
			})
			h := twinOn(t, old.Harness, tap, auth.Config{})
			done := make(chan struct{})
			go func() { auth.AwaitBackground(h.Manager); close(done) }()
			select {
			case <-cut:
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				<-done
				if nth > 20 {
					t.Fatal("it never ends")
				}
				continue
			case <-done:
			}
			tap.tap(nil, nil)
			old.check(t, h)
			return
		}
	})
}

// PR-10.
func TestSeveralManagersMigrateAStoreAtTheSameTime(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		old := newOldStore(t, s)
		var all [4]*authtest.Harness
		for i := range all {
			all[i] = twinOn(t, old.Harness, s, auth.Config{})
		}
		if err := all[0].SetRole(auth.WithForce(t.Context()), old.ann.ID, "reader"); err != nil { // beside it
			t.Fatal(err)
		}
		for _, h := range all {
			auth.AwaitBackground(h.Manager)
		}
		old.check(t, all[3])
	})
}

// PR-10. Before it is certain who is in an organization, none ends.
func TestNoOrganizationEndsBeforeTheRostersAreComplete(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		old := newOldStore(t, s)
		tap := newTapStore(s)
		tap.background = true
		walking, on := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Walk" && once.CompareAndSwap(false, true) {
				close(walking)
				<-on
			}
			return nil
		}, nil)
		h := twinOn(t, old.Harness, tap, auth.Config{})
		<-walking
		for _, u := range []auth.User{old.ann, old.cat} {
			if err := h.DeleteUser(auth.WithForce(t.Context()), u.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Organization(t.Context(), u.OrganizationID); err != nil {
				t.Errorf("the rosters are not complete: %v", err)
			}
		}
		close(on)
		auth.AwaitBackground(h.Manager)
		if _, err := h.Organization(t.Context(), old.ann.OrganizationID); err != nil {
			t.Errorf("an organization with a user ended: %v", err)
		}
		if _, err := h.Organization(t.Context(), old.cat.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("an organization whose last user was deleted meanwhile: %v", err)
		}
		checkRoster(t, h, old.ann.OrganizationID, "one user is left", old.bob.ID)
	})
}

// PR-10. An account that cannot be read may be in any organization.
func TestADamagedAccountKeepsEveryOrganizationUntilItIsMended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		old := newOldStore(t, s)
		bob := "u." + strings.TrimPrefix(old.bob.ID, "user_") + "/acct"
		damage(t, s, bob)
		log := &lockedBuffer{}
		h := twin(t, old.Harness, auth.Config{Logger: log.logger()})
		time.Sleep(time.Hour) // the bubble's time
		synctest.Wait()
		if err := h.DeleteUser(auth.WithForce(t.Context()), old.cat.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Organization(t.Context(), old.cat.OrganizationID); err != nil {
			t.Errorf("while an account is damaged: %v", err)
		}
		if n := strings.Count(log.String(), "the Manager tries again"); n != 1 {
			t.Errorf("it is logged %d times: %s", n, log)
		}
		damage(t, s, bob) // mended
		auth.AwaitBackground(h.Manager)
		if _, err := h.Organization(t.Context(), old.cat.OrganizationID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("once it is mended: %v", err)
		}
		for _, e := range h.Events.All() {
			if e.Type == auth.EventStoreFailed {
				t.Error("a failure in the background is an event")
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// PR-10. What cannot be walked keeps its organizations, and what walks with a panic ends no program.
func TestAStoreThatCannotBeWalkedKeepsItsOrganizations(t *testing.T) {
	for name, s := range map[string]store.Store{
		"no Walker": struct{ store.Store }{memstore.New()},
		"a panic":   panickingWalk{memstore.New()},
	} {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		if err := h.DeleteUser(auth.WithForce(t.Context()), u.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := h.Organization(t.Context(), u.OrganizationID); err != nil {
			t.Errorf("%s: the organization: %v", name, err)
		}
		if err := h.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type panickingWalk struct{ *memstore.Store }

func (panickingWalk) Walk(context.Context, string) (store.Page, error) { panic("page 7 is damaged") }

// A store that was migrated costs a start two reads.
func TestAMigrationIsDoneOnce(t *testing.T) {
	tap := newTapStore(memstore.New())
	tap.background = true
	old := newOldStore(t, tap)
	first := twinOn(t, old.Harness, tap, auth.Config{})
	auth.AwaitBackground(first.Manager)
	var calls []storeCall
	tap.tap(func(_ context.Context, c storeCall) error { calls = append(calls, c); return nil }, nil)
	second := twinOn(t, old.Harness, tap, auth.Config{})
	auth.AwaitBackground(second.Manager)
	if len(calls) != 2 || calls[0].kind != "Get" || calls[1].kind != "Get" {
		t.Errorf("the second start calls %v", calls)
	}
}
