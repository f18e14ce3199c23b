//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// wantsFaults is what is called with a store that fails: everything but what needs a
// second factor to get as far as the store.
func wantsFaults(alice *authtest.User, id auth.Identity, key string) map[string]func(*auth.Manager) error {
	calls := everyCall(alice, id, key)
	for _, name := range []string{"VerifyTwoFactor", "VerifyTwoFactorAndTrust", "RemoveTrustedDevice", "ConfirmTwoFactor", "DisableTwoFactor", "ReplaceBackupCodes", "RevokeAPIKey", "LogoutSession", "RotateAPIKey", "UpdateAPIKey", "APIKeyUsage", "RevokeUserAPIKey", "RevokeInvitation", "AcceptInvitation"} {
		delete(calls, name)
	}
	for name := range mailFaults {
		delete(calls, name)
	}
	for _, name := range []string{"ForgotPassword", "ResendVerification"} { // whose queue asks the store
		delete(calls, name)
	}
	for _, name := range []string{"CheckRegistration", "CheckProfileChange", "CheckNewPassword", "CheckNewAPIKey", "CheckAPIKeyChange"} { // which ask no store
		delete(calls, name)
	}
	delete(calls, "Backup") // which this store does not have
	delete(calls, "Doctor") // which says so itself
	calls["UpdateUser, email"] = func(m *auth.Manager) error {
		email := "moved@example.com"
		_, err := m.UpdateUser(context.Background(), alice.ID, auth.UserChange{Email: &email})
		return err
	}
	calls["UpdateProfile, email"] = func(m *auth.Manager) error { return moveTo(m, id, "moved@example.com") }
	calls["UpdateProfile, email and password"] = func(m *auth.Manager) error {
		email := "moved@example.com"
		_, err := m.UpdateProfile(context.Background(), id, auth.ProfileChange{Email: &email, CurrentPassword: authtest.Password})
		return err
	}
	calls["UpdateAPIKey and APIKeyUsage"] = func(m *auth.Manager) error {
		owned, err := m.UserAPIKeys(context.Background(), alice.ID)
		if err != nil || len(owned) == 0 {
			return err
		}
		for _, enabled := range []bool{false, true} {
			if _, err := m.UpdateAPIKey(context.Background(), id, owned[0].ID, auth.APIKeyChange{Enabled: &enabled}); err != nil {
				return err
			}
		}
		_, err = m.APIKeyUsage(context.Background(), id, owned[0].ID)
		return err
	}
	calls["Invite and RevokeInvitation"] = func(m *auth.Manager) error {
		made, _, err := m.Invite(context.Background(), id, auth.NewInvitation{Email: "eve@example.com", Role: "member"})
		if err != nil {
			return err
		}
		return m.RevokeInvitation(context.Background(), id, made.ID)
	}
	calls["CreateAPIKey and password"] = func(m *auth.Manager) error {
		_, _, err := m.CreateAPIKey(context.Background(), id, auth.NewAPIKey{Name: "k", Password: authtest.Password})
		return err
	}
	return calls
}

// mailFaults are further calls, for a user with a token of each purpose.
var mailFaults = map[string]func(u *mailed) error{
	"ResetPassword": func(u *mailed) error { return u.redeem(auth.MailResetPassword, u.tokens[auth.MailResetPassword]) },
	"VerifyEmail":   func(u *mailed) error { return u.redeem(auth.MailVerifyEmail, u.tokens[auth.MailVerifyEmail]) },
	"ConfirmEmail":  func(u *mailed) error { return u.redeem(auth.MailChangeEmail, u.tokens[auth.MailChangeEmail]) },
	"CancelEmailChange": func(u *mailed) error {
		return u.h.CancelEmailChange(context.Background(), u.id)
	},
	"SendPasswordReset":               func(u *mailed) error { return u.h.SendPasswordReset(context.Background(), u.id.User.ID) },
	"UpdateProfile, email to confirm": func(u *mailed) error { return moveTo(u.h.Manager, u.id, "third@example.com") },
}

// DO-3.
// Section "fail closed": a store that fails in any call, before or after it was
// carried out, is ErrUnavailable, or it did not matter. It is never a refusal.
func TestAStoreThatFailsIsUnavailableAndNeverARefusal(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	synctest.Test(t, func(t *testing.T) {
		probe := authtest.New(t)
		probeUser := probe.Register()
		names := slices.Collect(maps.Keys(wantsFaults(probeUser, probeUser.Identity(), "")))
		for _, name := range slices.AppendSeq(names, maps.Keys(mailFaults)) {
			for _, how := range []string{"fails", "loses the reply", "hangs"} {
				failed := 0
				for nth := int64(1); ; nth++ {
					tap := newTapStore(memstore.New())
					cfg := auth.Config{StoreTimeout: timeout, Limits: unlimited(), APIKeysNeedFreshLogin: true}
					mail := mailFaults[name]
					if mail != nil {
						cfg.Mailer, cfg.ConfirmEmailChange = &authtest.Mails{}, true
					}
					h := authtest.With(t, tap, cfg)
					auth.AwaitBackground(h.Manager) // no organization ends before
					var call func(*auth.Manager) error
					if mail != nil {
						u := newMailed(t, h)
						call = func(*auth.Manager) error { return mail(u) }
					} else {
						alice := h.Register()
						call = wantsFaults(alice, alice.Identity(), alice.APIKey())[name]
					}
					var n atomic.Int64
					count := func() bool { return n.Add(1) >= nth }
					switch how {
					case "fails":
						tap.tap(func(context.Context, storeCall) error {
							if count() {
								return errOutage
							}
							return nil
						}, nil)
					case "loses the reply":
						tap.tap(nil, func(context.Context, storeCall) error {
							if count() {
								return errOutage
							}
							return nil
						})
					case "hangs":
						tap.tap(func(ctx context.Context, _ storeCall) error {
							if count() {
								<-ctx.Done()
								return ctx.Err()
							}
							return nil
						}, nil)
					}
					began := time.Now()
					err := call(h.Manager)
					took := time.Since(began)
					tap.tap(nil, nil)
					_ = h.Close()
					if n.Load() < nth {
						if err != nil {
							t.Errorf("%s without a fault: %v", name, err)
						}
						break
					}
					if err != nil {
						failed++
						if !errors.Is(err, auth.ErrUnavailable) || errors.Is(err, auth.ErrInvalidToken) || errors.Is(err, auth.ErrInvalidCredentials) || errors.Is(err, auth.ErrInvalidOneTimeToken) {
							t.Errorf("%s, whose store %s from call %d on: %v", name, how, nth, err)
						}
						if took > 2*timeout {
							t.Errorf("%s, whose store %s from call %d on: took %v", name, how, nth, took)
						}
					}
				}
				if failed == 0 {
					t.Errorf("%s, whose store %s, never failed", name, how)
				}
			}
		}
	})
}

// Every byte of every record of a user, flipped: the record is refused as a whole,
// or it is one that nothing rests on.
func TestADamagedRecordIsNeverUsed(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		log := &lockedBuffer{}
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited(), Logger: log.logger()})
		ctx := context.Background()
		alice := h.Register()
		key := alice.APIKey()
		uid := strings.TrimPrefix(alice.ID, "user_")
		items, err := s.List(ctx, "u."+uid+"/", "", 100)
		if err != nil || len(items) < 4 {
			t.Fatalf("%d records, %v", len(items), err)
		}
		tap.mu.Lock()
		for p := range tap.partitions {
			if strings.HasPrefix(p, "e.") {
				claims, _ := s.List(ctx, p+"/", "", 10)
				items = append(items, claims...)
			}
		}
		tap.mu.Unlock()
		rests := map[string][]string{ // which credentials rest on which record
			"acct": {"token", "key", "password"}, "pass": {"password"}, "s.": {"token"}, "k.": {"key"}, "claim": {"password"},
		}
		step := 1
		if t.Name() != "TestADamagedRecordIsNeverUsed/memory" {
			step = 16
		}
		for _, it := range items {
			name := it.Key[strings.IndexByte(it.Key, '/')+1:]
			for at := 0; at < len(it.Value); at += step {
				damaged := append([]byte(nil), it.Value...)
				damaged[at] ^= 1 << (at % 8)
				if err := s.Commit(ctx, store.Put(it.Key, damaged)); err != nil {
					t.Fatal(err)
				}
				_, byToken := h.VerifyAccessToken(ctx, auth.Secret(alice.Token()))
				_, byKey := h.VerifyAPIKey(ctx, auth.Secret(key))
				var byPassword error
				if strings.HasPrefix(name, "acct") || name == "pass" || name == "claim" {
					_, byPassword = h.Login(ctx, alice.Email, authtest.Password)
				}
				got := map[string]error{"token": byToken, "key": byKey, "password": byPassword}
				for prefix, credentials := range rests {
					if !strings.HasPrefix(name, prefix) {
						continue
					}
					for _, c := range credentials {
						if !errors.Is(got[c], auth.ErrUnavailable) {
							t.Fatalf("byte %d of %s flipped: %s: %v", at, name, c, got[c])
						}
					}
				}
			}
			if err := s.Commit(ctx, store.Put(it.Key, it.Value)); err != nil {
				t.Fatal(err)
			}
		}
		if !verify(t, h.Manager, alice.Token()) {
			t.Error("mended, but refused")
		}
	})
}

// A record under another's key: two users' accounts, passwords and sessions swapped.
func TestARecordUnderAnotherKeyIsNeverUsed(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		alice, eve := h.Register(), h.Register()
		for _, name := range []string{"acct", "pass"} {
			from, to := "u."+strings.TrimPrefix(eve.ID, "user_")+"/"+name, "u."+strings.TrimPrefix(alice.ID, "user_")+"/"+name
			v, err := s.Get(ctx, from)
			if err != nil {
				t.Fatal(err)
			}
			old, err := s.Get(ctx, to)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(ctx, store.Put(to, v[0])); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Login(ctx, alice.Email, authtest.Password); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if err := s.Commit(ctx, store.Put(to, old[0])); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestErrorsOfTheStoreContainNoSecretAndNoAddress(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	alice := h.Register()
	id, key := alice.Identity(), alice.APIKey()
	tap.tap(func(context.Context, storeCall) error { return errOutage }, nil)
	for name, call := range wantsFaults(alice, id, key) {
		err := call(h.Manager)
		if text := fmt.Sprintf("%v %+v", err, err); holds([]byte(text), "@", authtest.Password, alice.Token(), key) != "" {
			t.Errorf("%s: %s", name, text)
		}
	}
}
