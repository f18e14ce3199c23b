package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// spyStore counts the calls of a store, and fails those that its owner wants to fail. The
// goroutine that New starts is let through.
type spyStore struct {
	store.Store
	gets, commits, hits atomic.Int64
	beforeCommit        func(ops []store.Op) error // its error is the Commit's
	afterCommit         func(ops []store.Op)
	afterList           func(prefix string)
	afterHit            func(key string)
}

func (s *spyStore) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if !auth.InBackground(ctx) {
		s.gets.Add(1)
	}
	return s.Store.Get(ctx, keys...)
}

func (s *spyStore) Commit(ctx context.Context, ops ...store.Op) error {
	if auth.InBackground(ctx) {
		return s.Store.Commit(ctx, ops...)
	}
	s.commits.Add(1)
	if s.beforeCommit != nil {
		if err := s.beforeCommit(ops); err != nil {
			return err
		}
	}
	err := s.Store.Commit(ctx, ops...)
	if err == nil && s.afterCommit != nil {
		s.afterCommit(ops)
	}
	return err
}

func (s *spyStore) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	items, err := s.Store.List(ctx, prefix, after, limit)
	if s.afterList != nil {
		s.afterList(prefix)
	}
	return items, err
}

func (s *spyStore) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	s.hits.Add(1)
	d, err := s.Store.Hit(ctx, key, l, n, now)
	if s.afterHit != nil {
		s.afterHit(key)
	}
	return d, err
}

// ofUsage reports whether a Commit writes the use of a key.
func ofUsage(ops []store.Op) bool {
	for _, op := range ops {
		if strings.Contains(op.Key, "/l.") && op.Write == store.Set {
			return true
		}
	}
	return false
}

// rarely is a UsageInterval within which nothing is written behind a test's back.
const rarely = time.Minute

func theKey(t *testing.T, m *auth.Manager, id auth.Identity) auth.APIKey {
	t.Helper()
	keys, err := m.APIKeys(t.Context(), id)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	return keys[0]
}

func use(t *testing.T, m *auth.Manager, key, addr string) {
	t.Helper()
	if _, err := m.VerifyAPIKey(clientAt(t, addr), auth.Secret(key)); err != nil {
		t.Fatal(err)
	}
}

func TestAUseShowsAtOnceHereAndInOtherProcessesAfterClose(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		u := h.Register()
		id, key := u.Identity(), u.APIKey()
		if k := theKey(t, h.Manager, id); !k.LastUsedAt.IsZero() || k.Uses != 0 || k.LastAddress != "" {
			t.Errorf("before its first use: %+v", k)
		}
		for range 3 {
			h.Clock.Advance(time.Second)
			use(t, h.Manager, key, "2001:db8:1:2:3:4:5:6")
		}
		want := h.Clock.Now()
		if k := theKey(t, h.Manager, id); !k.LastUsedAt.Equal(want) || k.Uses != 3 || k.LastAddress != "2001:db8:1:2::" {
			t.Errorf("here: %+v, want 3 uses until %v", k, want)
		}
		if k := theKey(t, other.Manager, id); k.Uses != 0 {
			t.Errorf("elsewhere, before it was written: %+v", k)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if k := theKey(t, other.Manager, id); !k.LastUsedAt.Equal(want) || k.Uses != 3 || k.LastAddress != "2001:db8:1:2::" {
			t.Errorf("elsewhere, after Close: %+v, want 3 uses until %v", k, want)
		}
		h.Clock.Advance(time.Second)
		use(t, other.Manager, key, "192.0.2.7")
		if k := theKey(t, other.Manager, id); k.Uses != 4 || k.LastAddress != "192.0.2.7" {
			t.Errorf("written and new uses together: %+v", k)
		}
	})
}

// An owner sees from where and in which hours a key was used: at once where it was accepted, and
// elsewhere once that is written.
func TestTheUseOfAKeyShowsItsNetworksAndHours(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		u := h.Register()
		made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		looks := func(m *auth.Manager, id auth.Identity, want auth.APIKeyUsage) {
			t.Helper()
			got, err := m.APIKeyUsage(t.Context(), id, made.ID)
			if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("%+v, %v\nwant %+v", got, err, want)
			}
		}
		looks(h.Manager, u.Identity(), auth.APIKeyUsage{})
		hour := h.Clock.Now().Truncate(time.Hour).Add(time.Hour)
		h.Clock.Advance(hour.Add(-2 * time.Second).Sub(h.Clock.Now()))
		u.Login()
		id := u.Identity()
		for i, addr := range []string{"192.0.2.7", "192.0.2.9", "2001:db8:1:2:3:4:5:6", "192.0.2.9", "2001:db8:1:2:3:4:5:6"} {
			if i == 3 { // what is written, and what is not
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				h = other
			}
			use(t, h.Manager, key, addr)
			h.Clock.Advance(time.Second)
		}
		v4, v6 := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")
		want := auth.APIKeyUsage{
			Total: 5, LastUsedAt: hour.Add(2 * time.Second), LastNetwork: netip.MustParsePrefix("2001:db8:1:2::/64"),
			Networks: []auth.APIKeyNetwork{{v6, hour, hour.Add(2 * time.Second)}, {v4, hour.Add(-2 * time.Second), hour.Add(time.Second)}},
			Hours:    []auth.APIKeyHour{{hour.Add(-time.Hour), 2}, {hour, 3}},
		}
		looks(h.Manager, id, want)
		if err := h.RevokeAPIKey(t.Context(), id, made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.APIKeyUsage(t.Context(), id, made.ID); err != auth.ErrNotFound {
			t.Errorf("of a revoked key: %v, want ErrNotFound", err)
		}
	})
}

func TestAThousandUsesCostNoWriteAndThenOne(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		spy := &spyStore{Store: s}
		h := authtest.With(t, spy, auth.Config{UsageInterval: rarely})
		key := h.Register().APIKey()
		gets, commits, hits := spy.gets.Load(), spy.commits.Load(), spy.hits.Load()
		for range 1000 {
			h.Clock.Advance(time.Millisecond)
			use(t, h.Manager, key, "192.0.2.7")
		}
		if n := spy.commits.Load() - commits; n != 0 {
			t.Errorf("1000 uses made %d Commits", n)
		}
		if n := spy.hits.Load() - hits; n != 0 {
			t.Errorf("1000 uses made %d Hits", n)
		}
		if n := spy.gets.Load() - gets; n != 1000 {
			t.Errorf("1000 uses made %d Gets", n)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if n := spy.commits.Load() - commits; n != 1 {
			t.Errorf("writing them made %d Commits", n)
		}
	})
}

// Uses of several processes add up, and the later one is the last, whoever writes first.
func TestUsesOfTwoProcessesAddUp(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		last := twin(t, h, auth.Config{UsageInterval: rarely})
		u := h.Register()
		id, key := u.Identity(), u.APIKey()
		use(t, other.Manager, key, "192.0.2.1")
		h.Clock.Advance(time.Minute)
		use(t, h.Manager, key, "192.0.2.2")
		want := h.Clock.Now()
		_ = h.Close() // the later one is written first
		_ = other.Close()
		if k := theKey(t, last.Manager, id); k.Uses != 2 || !k.LastUsedAt.Equal(want) || k.LastAddress != "192.0.2.2" {
			t.Errorf("%+v, want 2 uses until %v", k, want)
		}
	})
}

func TestTheLastUseNeverGoesBackWithTheClock(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{UsageInterval: rarely})
	u := h.Register()
	id, key := u.Identity(), u.APIKey()
	use(t, h.Manager, key, "192.0.2.1")
	want := h.Clock.Now()
	h.Clock.Advance(-5 * time.Second)
	use(t, h.Manager, key, "192.0.2.2")
	if k := theKey(t, h.Manager, id); !k.LastUsedAt.Equal(want) || k.LastAddress != "192.0.2.1" || k.Uses != 2 {
		t.Errorf("%+v, want the use at %v as the last", k, want)
	}
}

// A use that is on its way to the store must not be missed by a call that reads just then:
// neither before nor after it has arrived.
func TestAUseShowsWhileItIsBeingWritten(t *testing.T) {
	spy := &spyStore{Store: memstore.New()}
	h := authtest.With(t, spy, auth.Config{UsageInterval: rarely})
	other := twin(t, h, auth.Config{UsageInterval: rarely})
	u := h.Register()
	id, key := u.Identity(), u.APIKey()
	use(t, h.Manager, key, "192.0.2.1")
	want := h.Clock.Now()
	seen := 0
	spy.afterCommit = func(ops []store.Op) {
		if ofUsage(ops) {
			seen++
			if k := theKey(t, other.Manager, id); !k.LastUsedAt.Equal(want) || k.Uses != 1 {
				t.Errorf("once it is written: %+v", k)
			}
		}
	}
	spy.afterList = func(prefix string) { // the writer overtakes the call that reads here
		if strings.HasSuffix(prefix, "/l.") {
			spy.afterList = nil
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if k := theKey(t, h.Manager, id); !k.LastUsedAt.Equal(want) || k.Uses != 1 || seen != 1 {
		t.Errorf("after %d writes: %+v", seen, k)
	}
}

// AK-5, Advisory 7.
// What better-auth's issue 9974 was: the write behind a use must not bring back a key
// that was revoked in the meantime.
func TestWritingAUseNeverBringsARevokedKeyBack(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		u := h.Register()
		id, key := u.Identity(), u.APIKey()
		use(t, h.Manager, key, "192.0.2.1")
		if err := other.RevokeAPIKey(t.Context(), id, theKey(t, other.Manager, id).ID); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := other.VerifyAPIKey(t.Context(), auth.Secret(key)); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the revoked key: %v, want ErrInvalidToken", err)
		}
		uid := strings.TrimPrefix(u.ID, "user_")
		for _, kind := range []string{"k.", "l."} {
			if items, err := s.List(t.Context(), "u."+uid+"/"+kind, "", 10); err != nil || len(items) != 0 {
				t.Errorf("%d records under %s, %v", len(items), kind, err)
			}
		}
	})
}

// Advisory 7.
// The revocation comes in between the writer's look at the key and its Commit.
func TestWritingAUseLeavesNoRecordOfAKeyRevokedDuringIt(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		spy := &spyStore{Store: s}
		h := authtest.With(t, spy, auth.Config{UsageInterval: rarely})
		u := h.Register()
		id, key := u.Identity(), u.APIKey()
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		made := theKey(t, h.Manager, id)
		use(t, h.Manager, key, "192.0.2.1")
		spy.beforeCommit = func([]store.Op) error {
			spy.beforeCommit = nil
			return other.RevokeAPIKey(context.Background(), id, made.ID)
		}
		if err := h.Close(); err != nil || spy.beforeCommit != nil {
			t.Fatalf("Close: %v", err)
		}
		for _, kind := range []string{"k.", "l."} {
			if items, err := s.List(t.Context(), "u."+strings.TrimPrefix(u.ID, "user_")+"/"+kind, "", 10); err != nil || len(items) != 0 {
				t.Errorf("%d records under %s, %v", len(items), kind, err)
			}
		}
	})
}

// A use that comes while the ones before it are being written waits for the next time.
func TestAUseDuringAWriteIsWrittenLater(t *testing.T) {
	spy := &spyStore{Store: memstore.New()}
	h := authtest.With(t, spy, auth.Config{UsageInterval: time.Millisecond})
	other := twinOn(t, h, spy, auth.Config{UsageInterval: rarely})
	u := h.Register()
	id, key := u.Identity(), u.APIKey()
	again := make(chan error, 1)
	var once sync.Once
	spy.beforeCommit = func(ops []store.Op) error {
		if ofUsage(ops) {
			once.Do(func() {
				_, err := h.VerifyAPIKey(context.Background(), auth.Secret(key))
				again <- err
			})
		}
		return nil
	}
	use(t, h.Manager, key, "192.0.2.1")
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if k := theKey(t, other.Manager, id); k.Uses != 2 {
		t.Errorf("%d uses, want 2", k.Uses)
	}
}

// AK-11: what cannot be written is kept and tried again, and no request fails for it.
func TestAFailureToWriteAUseFailsNoRequest(t *testing.T) {
	full := errors.New("disk full")
	spy := &spyStore{Store: memstore.New()}
	tried := make(chan struct{})
	var failing atomic.Bool
	failing.Store(true)
	spy.beforeCommit = func(ops []store.Op) error {
		if ofUsage(ops) && failing.Load() {
			select {
			case tried <- struct{}{}:
			default:
			}
			return full
		}
		return nil
	}
	h := authtest.With(t, spy, auth.Config{UsageInterval: time.Millisecond})
	other := twin(t, h, auth.Config{UsageInterval: rarely})
	u := h.Register()
	id, key := u.Identity(), u.APIKey()
	for range 3 {
		use(t, h.Manager, key, "192.0.2.1")
		<-tried
	}
	if k := theKey(t, h.Manager, id); k.Uses != 3 {
		t.Errorf("while the store fails: %+v, want 3 uses", k)
	}
	failing.Store(false)
	if err := h.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if k := theKey(t, other.Manager, id); k.Uses != 3 {
		t.Errorf("after the store was well again: %+v, want 3 uses", k)
	}
}

func TestCloseSaysThatUsesCouldNotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	spy := &spyStore{Store: memstore.New(), beforeCommit: func(ops []store.Op) error {
		if ofUsage(ops) {
			return full
		}
		return nil
	}}
	h := authtest.With(t, spy, auth.Config{UsageInterval: rarely})
	use(t, h.Manager, h.Register().APIKey(), "192.0.2.1")
	if err := h.Close(); !errors.Is(err, full) || !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("Close: %v, want ErrUnavailable and its cause", err)
	}
}

// The interval is real time: other processes see a use without any Close.
func TestUsesAreWrittenWithinTheInterval(t *testing.T) {
	spy := &spyStore{Store: memstore.New()}
	written := make(chan struct{}, 1)
	spy.afterCommit = func(ops []store.Op) {
		if ofUsage(ops) {
			written <- struct{}{}
		}
	}
	h := authtest.With(t, spy, auth.Config{UsageInterval: time.Millisecond})
	other := twin(t, h, auth.Config{UsageInterval: rarely})
	u := h.Register()
	id, key := u.Identity(), u.APIKey()
	if _, err := h.VerifyAPIKey(auth.WithClient(t.Context(), auth.Client{Addr: netip.Addr{}}), auth.Secret(key)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-written:
	case <-time.After(time.Minute):
		t.Fatal("a use was not written")
	}
	if k := theKey(t, other.Manager, id); k.Uses != 1 || k.LastAddress != "" {
		t.Errorf("elsewhere: %+v", k)
	}
}

// RC-10 with writes behind: whoever verifies, writes and lists at the same time sees
// every use once in the end.
func TestEveryUseDuringAWriteIsCountedOnce(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{UsageInterval: time.Millisecond})
	other := twin(t, h, auth.Config{UsageInterval: time.Millisecond})
	last := twin(t, h, auth.Config{})
	u := h.Register()
	id, key := u.Identity(), u.APIKey()
	const racers, each = 8, 200
	errs := atOnce(t, racers, func(i int) error {
		m := []*auth.Manager{h.Manager, other.Manager}[i%2]
		for j := range each {
			if _, err := m.VerifyAPIKey(t.Context(), auth.Secret(key)); err != nil {
				return err
			}
			if j%50 == 0 {
				keys, err := m.APIKeys(t.Context(), id)
				if err != nil {
					return err
				}
				if keys[0].LastUsedAt.IsZero() {
					return errors.New("a key that was used shows no use")
				}
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	_, _ = h.Close(), other.Close()
	if k := theKey(t, last.Manager, id); k.Uses != racers*each {
		t.Errorf("%d uses, want %d", k.Uses, racers*each)
	}
}

// damage puts a byte of the record under key out of order.
func damage(t *testing.T, s store.Store, key string) {
	t.Helper()
	values, err := s.Get(t.Context(), key)
	if err != nil || values[0] == nil {
		t.Fatalf("no record at %s: %v", key, err)
	}
	bad := append([]byte(nil), values[0]...)
	bad[len(bad)-1] ^= 1
	if err := s.Commit(t.Context(), store.Put(key, bad)); err != nil {
		t.Fatal(err)
	}
}

// usedKeys are n keys of u that were each used and written once.
func usedKeys(t *testing.T, h *authtest.Harness, u *authtest.User, n int) (ids, keys []string) {
	t.Helper()
	writer := twin(t, h, auth.Config{UsageInterval: rarely})
	for range n {
		made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		ids, keys = append(ids, made.ID), append(keys, key)
		use(t, writer.Manager, key, "192.0.2.1")
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return ids, keys
}

// A record that can never be written holds up no other, and is given up once.
func TestOneDamagedUsageRecordIsDroppedAndTheOthersAreWritten(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		u := h.Register()
		ids, keys := usedKeys(t, h, u, 24)
		damage(t, s, "u."+strings.TrimPrefix(u.ID, "user_")+"/l."+strings.TrimPrefix(ids[7], "key_"))
		for _, key := range keys {
			use(t, h.Manager, key, "192.0.2.1")
		}
		if err := h.Close(); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("Close: %v, want ErrUnavailable", err)
		}
		if err := h.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
		listed, err := other.UserAPIKeys(t.Context(), u.ID)
		if err != nil || len(listed) != len(keys) {
			t.Fatalf("%d keys, %v", len(listed), err)
		}
		for _, k := range listed {
			if k.ID != ids[7] && k.Uses != 2 {
				t.Errorf("%s has %d uses, want 2", k.ID, k.Uses)
			}
		}
	})
}

func TestADamagedUsageRecordIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		s := memstore.New()
		h := authtest.With(t, s, auth.Config{Logger: log.logger()})
		u := h.Register()
		ids, keys := usedKeys(t, h, u, 3)
		damage(t, s, "u."+strings.TrimPrefix(u.ID, "user_")+"/l."+strings.TrimPrefix(ids[1], "key_"))
		for _, key := range keys {
			use(t, h.Manager, key, "192.0.2.1")
		}
		time.Sleep(time.Minute)
		if n := strings.Count(log.String(), "were not written"); n != 1 {
			t.Errorf("%d complaints within a minute, want 1: %s", n, log.String())
		}
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// The three things that a stolen key does, on every store, with two processes: each is
// reported once, and names the key.
func TestUnusualUseOfAKeyIsReportedOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely, APIKeyTTL: -1})
		u := h.Register()
		made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		var told []string
		// processes use the key n times each and write one after the other, as they end.
		processes := func(n int, addrs ...string) {
			var all []*authtest.Harness
			for range 2 {
				m := twin(t, h, auth.Config{UsageInterval: rarely})
				for i := range n {
					use(t, m.Manager, key, addrs[i%len(addrs)])
				}
				all = append(all, m)
			}
			for _, m := range all {
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				for _, e := range m.Events.All() {
					told = append(told, string(e.Type)+" "+strconv.Itoa(e.Count))
					if e.APIKeyID != made.ID || e.Actor != made.ID || e.UserID != u.ID || e.Time.After(h.Clock.Now()) {
						t.Errorf("the event is %+v", e)
					}
				}
			}
		}
		for range 10 { // as usual, from one network
			processes(3, "192.0.2.1", "192.0.2.99")
			h.Clock.Advance(time.Hour)
		}
		processes(2, "192.0.2.1", "2001:db8::1")
		processes(2, "2001:db8:0:1::1")
		h.Clock.Advance(30 * 24 * time.Hour)
		processes(1, "192.0.2.7")
		h.Clock.Advance(time.Hour)
		processes(200, "192.0.2.7")
		want := []string{"api_key_new_network 0", "api_key_woke 30", "api_key_burst 100"}
		if !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
	})
}
