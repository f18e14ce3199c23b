package auth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/emptystore"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

// restored is a backup of s that was put in another place.
func restored(t *testing.T, s store.Store) store.Store {
	t.Helper()
	switch s := s.(type) {
	case *boltstore.Store:
		path := filepath.Join(t.TempDir(), "restored.db")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			err = errors.Join(s.Backup(t.Context(), f), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := boltstore.Open(path, boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return r
	case *memstore.Store:
		return copied(t, s, memstore.New())
	case *redisstore.Store:
		return copied(t, s, onRedis(t, redistest.SharedServer(t).Addr(), fmt.Sprintf("restored%d:", prefixes.Add(1))))
	default:
		return copied(t, s.(store.Walker), emptystore.Postgres(t))
	}
}

func copied(t *testing.T, from store.Walker, to store.Store) store.Store {
	t.Helper()
	for place := ""; ; {
		page, err := from.Walk(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			if err := to.Commit(t.Context(), rec.Op()); err != nil {
				t.Fatal(err)
			}
		}
		if place = page.Next; place == "" {
			return to
		}
	}
}

// ST-10.
func TestWhatWasRevokedAfterABackupIsEndedOnceItIsRestored(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits(), UsageInterval: rarely})
		ann, bob, eve := h.Register(), h.Register(), h.Register()
		tokens, keys := []string{ann.Token(), eve.Token()}, []string{ann.APIKey(), ann.APIKey(), eve.APIKey()}
		if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(keys[0])); err != nil {
			t.Fatal(err)
		}
		codes := bob.EnableTwoFactor()
		tokens = append(tokens, bob.Token())
		temp := firstStep(t, h, bob.Email)
		if err := h.DisableUser(t.Context(), eve.ID); err != nil {
			t.Fatal(err)
		}
		backup := restored(t, s)

		err := errors.Join(
			h.RevokeSessions(t.Context(), ann.ID),
			h.RevokeUserAPIKey(t.Context(), ann.ID, keyIDs(t, h, ann)[0]), h.RevokeUserAPIKey(t.Context(), ann.ID, keyIDs(t, h, ann)[0]),
			secondStep(t.Context(), h.Manager, firstStep(t, h, bob.Email), codes[0]),
			h.ResetTwoFactor(t.Context(), bob.ID),
		)
		if err != nil {
			t.Fatal(err)
		}
		r := twinOn(t, h, backup, auth.Config{Limits: noLoginLimits(), UsageInterval: rarely})
		alive := func() (n int) {
			for _, token := range tokens {
				if verify(t, r.Manager, token) {
					n++
				}
			}
			for _, key := range keys {
				if _, err := r.VerifyAPIKey(t.Context(), auth.Secret(key)); err == nil {
					n++
				} else if !errors.Is(err, auth.ErrInvalidToken) {
					t.Error(err)
				}
			}
			return n
		}
		if n := alive(); n != 4 { // all but the two of a user who is disabled
			t.Fatalf("%d of what was revoked is alive in the backup, want 4: the test shows nothing", n)
		}
		done, err := r.RevokeAll(t.Context(), auth.Revocation{})
		if err != nil || done != (auth.Revoked{Users: 3, APIKeys: 3}) {
			t.Errorf("%+v, %v", done, err)
		}
		if err := r.EnableUser(t.Context(), eve.ID); err != nil {
			t.Fatal(err)
		}
		if n := alive(); n != 0 {
			t.Errorf("%d are alive", n)
		}
		if err := secondStep(t.Context(), r.Manager, temp, codes[1]); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("a login of before the backup goes on: %v", err)
		}
		if keys, err := r.UserAPIKeys(t.Context(), ann.ID); err != nil || len(keys) != 0 {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		// What no call brings back.
		if err := secondStep(t.Context(), r.Manager, firstStep(t, r, bob.Email), codes[0]); err != nil {
			t.Errorf("a backup code that was used since: %v", err)
		}
		done, err = r.RevokeAll(t.Context(), auth.Revocation{VoidBackupCodes: true})
		if err != nil || done != (auth.Revoked{Users: 3}) {
			t.Errorf("again: %+v, %v", done, err)
		}
		if n := codesLeft(t, r, bob); n != 0 {
			t.Errorf("%d backup codes are left", n)
		}
		next := firstStep(t, r, bob.Email)
		for _, code := range codes {
			if err := secondStep(t.Context(), r.Manager, next, code); err == nil {
				t.Error("a backup code that is void is accepted")
			}
		}
		if err := secondStep(t.Context(), r.Manager, firstStep(t, r, bob.Email), auth.Secret(bob.Code())); err != nil {
			t.Errorf("the authenticator: %v", err)
		}
	})
}

func keyIDs(t *testing.T, h *authtest.Harness, u *authtest.User) (ids []string) {
	t.Helper()
	keys, err := h.UserAPIKeys(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestAPIKeysAreKeptWhereThatIsAskedFor(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		key := u.APIKey()
		done, err := h.RevokeAll(t.Context(), auth.Revocation{KeepAPIKeys: true})
		if err != nil || done != (auth.Revoked{Users: 1}) || verify(t, h.Manager, u.Token()) {
			t.Errorf("%+v, %v", done, err)
		}
		if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(key)); err != nil {
			t.Error(err)
		}
	})
}

// crumbs is a store whose walk has one record a page, each after an empty one.
type crumbs struct{ *memstore.Store }

// Walk goes on after a key and not after a count: the records that come and go
// meanwhile (the Manager writes some of its own) move nothing.
func (s crumbs) Walk(ctx context.Context, after string) (page store.Page, err error) {
	key, empty := strings.CutSuffix(after, "|")
	if !empty {
		return store.Page{Next: key + "|"}, nil
	}
	var first store.Record
	for place := ""; ; {
		p, err := s.Store.Walk(ctx, place)
		if err != nil {
			return page, err
		}
		for _, r := range p.Records {
			if r.Key > key && (first.Key == "" || r.Key < first.Key) {
				first = r
			}
		}
		if place = p.Next; place == "" {
			break
		}
	}
	if first.Key != "" {
		page = store.Page{Records: []store.Record{first}, Next: first.Key}
	}
	return page, nil
}

func TestEveryAccountIsFoundOnWhateverPageItIs(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, crumbs{memstore.New()}, auth.Config{})
	const n = 20
	var tokens []string
	for range n {
		tokens = append(tokens, h.Register().Token())
	}
	if done, err := h.RevokeAll(t.Context(), auth.Revocation{}); err != nil || done.Users != n {
		t.Errorf("%+v, %v", done, err)
	}
	for _, token := range tokens {
		if verify(t, h.Manager, token) {
			t.Error("a session is alive")
		}
	}
}

// Close waits for the event of a run, and not for a million accounts.
func TestCloseInterruptsRevokeAll(t *testing.T) {
	t.Parallel()
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	const n = 100
	for range n {
		h.Register()
	}
	held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" })
	var done auth.Revoked
	var err error
	over, closed := make(chan struct{}), make(chan error)
	go func() {
		defer close(over)
		done, err = h.RevokeAll(context.Background(), auth.Revocation{})
	}()
	held()
	go func() { closed <- h.Close() }()
	for {
		if _, err := h.User(context.Background(), "user_none"); errors.Is(err, auth.ErrClosed) {
			break
		}
		runtime.Gosched()
	}
	release()
	<-over
	if done.Users == 0 || done.Users == n || !errors.Is(err, auth.ErrClosed) {
		t.Errorf("%+v, %v", done, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	all := h.Events.All()
	if e := all[len(all)-1]; e.Type != auth.EventAllRevoked || e.Reason != "unfinished" || e.Count != done.Users {
		t.Errorf("reported is %+v", e)
	}
}

// Cut off after any step, it is finished by another run.
func TestARunThatWasCutOffIsFinishedByAnother(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		var users [2]*authtest.User
		for i := range users {
			users[i] = h.Register()
		}
		users[0].EnableTwoFactor()
		everything := auth.Revocation{VoidBackupCodes: true}
		for nth, over := int64(1), false; !over; nth++ {
			var secrets []auth.Secret
			for _, u := range users {
				secrets = append(secrets, auth.Secret(u.Login()), auth.Secret(u.APIKey()))
			}
			var n atomic.Int64
			tap.tap(nil, func(context.Context, storeCall) error {
				if n.Add(1) >= nth {
					return errOutage
				}
				return nil
			})
			_, err := h.RevokeAll(t.Context(), everything)
			if over = n.Load() < nth; over != (err == nil) || err != nil && !errors.Is(err, auth.ErrUnavailable) {
				t.Fatalf("cut off after %d: %v", nth, err)
			}
			tap.tap(nil, nil)
			if done, err := h.RevokeAll(t.Context(), everything); err != nil || done.Users != len(users) {
				t.Errorf("cut off after %d, again: %+v, %v", nth, done, err)
			}
			for _, secret := range secrets {
				if _, err := h.Authenticate(t.Context(), secret); !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("cut off after %d: %v", nth, err)
				}
			}
		}
	})
}

func TestADamagedAccountDoesNotStopRevokeAll(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		broken, torn, key, well := h.Register(), h.Register(), h.Register(), h.Register()
		torn.EnableTwoFactor()
		at := func(u *authtest.User) string { return "u." + strings.TrimPrefix(u.ID, "user_") }
		tokens := []string{torn.Token(), key.Token(), well.Token()}
		key.APIKey()
		damage(t, s, at(key)+"/k."+strings.TrimPrefix(keyIDs(t, h, key)[0], "key_"))
		damage(t, s, at(broken)+"/acct")
		damage(t, s, at(torn)+"/totp")
		done, err := h.RevokeAll(t.Context(), auth.Revocation{VoidBackupCodes: true})
		if !errors.Is(err, auth.ErrUnavailable) || !strings.Contains(err.Error(), "2 accounts") || done != (auth.Revoked{Users: 3, APIKeys: 1, Damaged: 2}) {
			t.Errorf("%+v, %v", done, err)
		}
		for _, token := range tokens {
			if verify(t, h.Manager, token) {
				t.Error("a session is alive")
			}
		}
		damage(t, s, at(broken)+"/acct") // the same bit, so it is mended
		if !verify(t, h.Manager, broken.Token()) {
			t.Error("the session of a damaged account was ended: its token shows nothing")
		}
		damage(t, s, at(torn)+"/totp")
		if done, err = h.RevokeAll(t.Context(), auth.Revocation{VoidBackupCodes: true}); err != nil || done.Users != 4 || verify(t, h.Manager, broken.Token()) {
			t.Errorf("once it is mended: %+v, %v", done, err)
		}
	})
}

// A session that is being ended leaves no key behind.
func TestNoKeyMadeWhileItsSessionEndsIsAccepted(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		for range 5 {
			u := h.Register()
			id := u.Identity()
			errs := atOnce(t, 8, func(i int) error {
				if i == 0 {
					_, err := h.RevokeAll(t.Context(), auth.Revocation{})
					return err
				}
				for range 5 {
					_, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "beside"})
					if err != nil && !errors.Is(err, auth.ErrInvalidToken) {
						return err
					}
				}
				return nil
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
			if n := len(keyIDs(t, h, u)); n != 0 {
				t.Errorf("%d keys are left", n)
			}
		}
	})
}

func TestAStoreThatCannotBeWalkedIsRefused(t *testing.T) {
	h := authtest.With(t, struct{ store.Store }{memstore.New()}, auth.Config{})
	u := h.Register()
	_, err := h.RevokeAll(t.Context(), auth.Revocation{})
	if err == nil || !strings.Contains(err.Error(), "store.Walker") || errors.Is(err, auth.ErrUnavailable) || !verify(t, h.Manager, u.Token()) {
		t.Error(err)
	}
}
