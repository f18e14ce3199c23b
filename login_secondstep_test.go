package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// TT-1.
func TestATempTokenSaysNothingOfItsUser(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	u.EnableTwoFactor()
	seen := map[auth.Secret]bool{}
	for range 5 {
		temp := firstStep(t, h, u.Email)
		body, ok := strings.CutPrefix(string(temp), "temp_")
		raw, err := base64.RawURLEncoding.DecodeString(body)
		if !ok || err != nil || seen[temp] {
			t.Fatalf("%q, seen before: %v, %v", string(temp), seen[temp], err)
		}
		seen[temp] = true
		for _, secret := range []string{strings.TrimPrefix(u.ID, "user_"), u.Email, u.OrganizationID} {
			if strings.Contains(string(temp), secret) || strings.Contains(string(raw), secret) {
				t.Errorf("the temp token says %s", secret)
			}
		}
		if s := fmt.Sprintf("%v %+v %#v %s %q", temp, temp, temp, temp, temp); strings.Contains(s, body) {
			t.Errorf("it prints itself: %s", s)
		}
	}
}

// TT-4, RC-7, Advisory 3 (GHSA-392p-2q2v-4372): of 50 who use one temp token with one right
// code, one gets a session.
func TestATempTokenMakesOneSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		u := h.Register()
		u.EnableTwoFactor()
		before, err := h.Sessions(t.Context(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		temp, code := firstStep(t, h, u.Email), auth.Secret(u.Code())
		errs := tap.abreast(t, 50, "/totp", func(ctx context.Context, i int) error {
			return secondStep(ctx, []*auth.Manager{h.Manager, other.Manager}[i%2], temp, code)
		})
		won, dead := countIs(errs, nil), countIs(errs, auth.ErrInvalidToken)
		if won != 1 || won+dead+countIs(errs, auth.ErrRateLimited)+countIs(errs, auth.ErrInvalidCode) != 50 {
			t.Errorf("%d won: %v", won, errs)
		}
		after, err := h.Sessions(t.Context(), u.ID)
		if err != nil || len(after) != len(before)+1 {
			t.Errorf("%d sessions became %d, %v", len(before), len(after), err)
		}
		h.Clock.Advance(30 * time.Second)
		if err := secondStep(t.Context(), h.Manager, temp, auth.Secret(u.Code())); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the used token with a new code: %v, want ErrInvalidToken", err)
		}
	})
}

// RC-7: two right codes at once on one temp token make one session, and the code that
// lost is not spent.
func TestTwoRightCodesOnOneTempTokenMakeOneSession(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		u := h.Register()
		backup := u.EnableTwoFactor()
		for round := range 4 {
			temp := firstStep(t, h, u.Email)
			codes := []auth.Secret{backup[2*round], backup[2*round+1]}
			errs := tap.abreast(t, 2, "/totp", func(ctx context.Context, i int) error {
				return secondStep(ctx, []*auth.Manager{h.Manager, other.Manager}[i], temp, codes[i])
			})
			if countIs(errs, nil) != 1 || countIs(errs, auth.ErrInvalidToken) != 1 {
				t.Fatalf("round %d: %v", round, errs)
			}
			status, err := h.TwoFactorStatus(t.Context(), u.ID)
			if err != nil || status.BackupCodesLeft != 10-round-1 {
				t.Fatalf("round %d: %d codes left, %v", round, status.BackupCodesLeft, err)
			}
		}
	})
}

// TT-3, RC-23. The store is made to keep the record for good: the time in the record
// decides, not the store's clean-up.
func TestATempTokenExpiresByTheClockEvenIfTheStoreKeepsIt(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, keeper{s}, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		u.EnableTwoFactor()
		temp := firstStep(t, h, u.Email)
		h.Clock.Advance(5*time.Minute - 1)
		if err := secondStep(t.Context(), h.Manager, temp, wrongCode(u.Code())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("just before its end: %v, want ErrInvalidCode", err)
		}
		h.Clock.Advance(1)
		if err := secondStep(t.Context(), h.Manager, temp, auth.Secret(u.Code())); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("at its end: %v, want ErrInvalidToken", err)
		}
		h.Clock.Advance(-time.Nanosecond)
		if err := secondStep(t.Context(), h.Manager, temp, auth.Secret(u.Code())); err != nil {
			t.Errorf("the same code just before its end: %v", err)
		}
	})
}

// keeper drops nothing by itself.
type keeper struct{ store.Store }

func (k keeper) Commit(ctx context.Context, ops ...store.Op) error {
	ops = append([]store.Op(nil), ops...)
	for i := range ops {
		ops[i].Expires = time.Time{}
	}
	return k.Store.Commit(ctx, ops...)
}

// TT-5, RC-20, Advisory 10 (CVE-2026-33668): what the login stood on has changed.
func TestATempTokenEndsWhenTheAccountChanges(t *testing.T) {
	for name, change := range map[string]func(h *authtest.Harness, u *authtest.User) error{
		"password change": func(h *authtest.Harness, u *authtest.User) error {
			return h.ChangePassword(context.Background(), u.Identity(), authtest.Password, "another, and long enough")
		},
		"second factor off": func(h *authtest.Harness, u *authtest.User) error {
			code := u.Code()
			h.Clock.Advance(30 * time.Second)
			return h.DisableTwoFactor(context.Background(), u.Identity(), authtest.Password, auth.Secret(code))
		},
		"second factor off and on again": func(h *authtest.Harness, u *authtest.User) error {
			code := u.Code()
			h.Clock.Advance(30 * time.Second)
			err := h.DisableTwoFactor(context.Background(), u.Identity(), authtest.Password, auth.Secret(code))
			u.EnableTwoFactor()
			return err
		},
		"reset by the program": func(h *authtest.Harness, u *authtest.User) error {
			return h.ResetTwoFactor(context.Background(), u.ID)
		},
		"all sessions ended": func(h *authtest.Harness, u *authtest.User) error {
			return h.RevokeSessions(context.Background(), u.ID)
		},
		"account disabled": func(h *authtest.Harness, u *authtest.User) error {
			return h.DisableUser(context.Background(), u.ID)
		},
		"account disabled and enabled": func(h *authtest.Harness, u *authtest.User) error {
			return errors.Join(h.DisableUser(context.Background(), u.ID), h.EnableUser(context.Background(), u.ID))
		},
		"account deleted": func(h *authtest.Harness, u *authtest.User) error {
			return h.DeleteUser(context.Background(), u.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
				other := twin(t, h, auth.Config{Limits: noLoginLimits()})
				u := h.Register()
				backup := u.EnableTwoFactor()
				temp := firstStep(t, other, u.Email)
				if err := change(h, u); err != nil {
					t.Fatal(err)
				}
				for _, code := range []auth.Secret{auth.Secret(u.Code()), backup[0]} {
					if err := secondStep(t.Context(), other.Manager, temp, code); !errors.Is(err, auth.ErrInvalidToken) {
						t.Errorf("afterwards: %v, want ErrInvalidToken", err)
					}
				}
			})
		})
	}
}

// TT-4: the eleventh waiting login ends the oldest.
func TestNoMoreThanTenLoginsWaitForTheirSecondStep(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		u.EnableTwoFactor()
		var temps []auth.Secret
		for range 12 {
			temps = append(temps, firstStep(t, h, u.Email))
		}
		uid := strings.TrimPrefix(u.ID, "user_")
		items, err := s.List(t.Context(), "u."+uid+"/temp", "", 10)
		if err != nil || len(items) != 1 {
			t.Fatalf("%d records, %v", len(items), err)
		}
		for i, temp := range temps {
			want := auth.ErrInvalidCode
			if i < 2 {
				want = auth.ErrInvalidToken
			}
			if err := secondStep(t.Context(), h.Manager, temp, "12345"); !errors.Is(err, want) {
				t.Errorf("login %d of 12: %v, want %v", i, err, want)
			}
		}
		if err := secondStep(t.Context(), h.Manager, temps[2], auth.Secret(u.Code())); err != nil {
			t.Errorf("the oldest of the ten: %v", err)
		}
		for range 30 {
			firstStep(t, h, u.Email)
		}
		again, err := s.List(t.Context(), "u."+uid+"/temp", "", 10)
		if err != nil || len(again) != 1 || len(again[0].Value) > len(items[0].Value)+32 {
			t.Errorf("%d waiting logins grew to %d bytes from %d, %v", len(again), len(again[0].Value), len(items[0].Value), err)
		}
	})
}

// TT-2, Advisory 2 (GHSA-xg6x-h9c9-2m83): no kind of credential passes for another.
func TestNoCredentialPassesForAnotherKind(t *testing.T) {
	h := authtest.With(t, memstore.New(), trusting())
	u := h.Register()
	key := u.APIKey()
	u.EnableTwoFactor()
	device := string(u.TrustDevice())
	h.Clock.Advance(30 * time.Second)
	temp := string(firstStep(t, h, u.Email))
	code := u.Code()
	credentials := map[string]string{"access token": u.Token(), "API key": key, "temp token": temp, "device token": device}
	doors := map[string]func(credential string) error{
		"access token": func(c string) error { _, err := h.VerifyAccessToken(t.Context(), auth.Secret(c)); return err },
		"API key":      func(c string) error { _, err := h.VerifyAPIKey(t.Context(), auth.Secret(c)); return err },
		"refresh":      func(c string) error { _, err := h.Refresh(t.Context(), auth.Secret(c)); return err },
		"temp token":   func(c string) error { return secondStep(t.Context(), h.Manager, auth.Secret(c), auth.Secret(code)) },
		"device token": func(c string) error {
			r, err := h.LoginWithDevice(t.Context(), u.Email, authtest.Password, auth.Secret(c))
			if r.TwoFactorRequired() { // the answer to every token that is refused
				return auth.ErrInvalidToken
			}
			return err
		},
	}
	for kind, credential := range credentials {
		for door, try := range doors {
			if kind == door || kind == "access token" && door == "refresh" {
				continue
			}
			if err := try(credential); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("%s at the door of %s: %v, want ErrInvalidToken", kind, door, err)
			}
		}
	}
	for kind, credential := range credentials {
		if err := doors[kind](credential); err != nil {
			t.Errorf("%s at its own door: %v", kind, err)
		}
	}
}

// TT-4: malformed, foreign, unknown and used are one and the same, and cheap.
func TestAMalformedTempTokenIsRefusedWithoutAskingTheStore(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		spy := &spyStore{Store: s}
		h := authtest.With(t, spy, auth.Config{})
		stranger := twin(t, h, auth.Config{Secrets: []auth.Secret{"another secret that nobody knows, for this test"}})
		u := h.Register()
		u.EnableTwoFactor()
		temp := string(firstStep(t, h, u.Email))
		foreign := string(firstStep(t, stranger, u.Email))
		body := temp[len("temp_"):]
		flip := byte('A')
		if body[len(body)/2] == flip {
			flip = 'B'
		}
		before := spy.gets.Load() + spy.hits.Load() + spy.commits.Load()
		for name, bad := range map[string]string{
			"empty": "", "the prefix": "temp_", "no prefix": body, "another prefix": "tmp_" + body, "capitals": "TEMP_" + body,
			"cut": temp[:len(temp)-1], "longer": temp + "A", "padded": temp + "=", "a space before": " " + temp, "a line after": temp + "\n",
			"a line inside": temp[:20] + "\n" + temp[20:], "one digit changed": "temp_" + body[:len(body)/2] + string(flip) + body[len(body)/2+1:],
			"long": "temp_" + strings.Repeat("A", 1<<20), "not base64": "temp_!!!!", "not ASCII": "temp_é", "NUL": temp + "\x00",
			"of another secret": foreign, "all zero": "temp_" + strings.Repeat("A", len(body)),
		} {
			if err := secondStep(t.Context(), h.Manager, auth.Secret(bad), auth.Secret(u.Code())); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("%s: %v, want ErrInvalidToken", name, err)
			}
		}
		if n := spy.gets.Load() + spy.hits.Load() + spy.commits.Load() - before; n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		if err := secondStep(t.Context(), h.Manager, auth.Secret(temp), auth.Secret(u.Code())); err != nil {
			t.Errorf("the token itself: %v", err)
		}
	})
}

// TF-7, F-O6, Advisory 14 (CVE-2025-6014, CVE-2025-6015), Advisory 20 (CVE-2019-16109):
// what has not the form of a code costs no try.
func TestAMalformedCodeIsRefusedAndCostsNoTry(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	u.EnableTwoFactor()
	temp, code := firstStep(t, h, u.Email), u.Code()
	for _, bad := range []string{
		"", " ", "-", "\u00a0" + code, code[:3] + "\u2009" + code[3:], code[:3] + "\u2010" + code[3:], code[:3] + ":" + code[3:], code[:5], code[:5] + "O", "0" + code, code + strings.Repeat("0", 27), "１２３４５６",
		"12345a", "12345\x00", "-12345", strings.Repeat("1", 1<<20), "1234567", strings.Repeat("1", 33),
		"1234567a", "+12345", "12.345", "0x1234", "1e5000", "abcdef", // more than there are tries
	} {
		if err := secondStep(t.Context(), h.Manager, temp, auth.Secret(bad)); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("%.20q: %v, want ErrInvalidCode", bad, err)
		}
	}
	if err := secondStep(t.Context(), h.Manager, temp, auth.Secret(code)); err != nil {
		t.Errorf("the right code after that: %v", err)
	}
}

// RC-23: a step that the end of its temp token overtakes fails, wherever it is by then,
// until all that is left is to write the session; also where the store keeps the record.
func TestATempTokenThatEndsDuringItsUseIsRefused(t *testing.T) {
	t.Parallel()
	refused := 0
	for nth := 1; ; nth++ {
		tap := newTapStore(keeper{memstore.New()})
		h := authtest.With(t, tap, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		codes := u.EnableTwoFactor()
		temp := firstStep(t, h, u.Email)
		var mu sync.Mutex // some calls are made at the same time
		calls, writing := 0, false
		tap.tap(func(_ context.Context, c storeCall) error {
			mu.Lock()
			defer mu.Unlock()
			calls++
			writing = writing || c.kind == "List" && calls <= nth // of the sessions, for the one to come
			if calls == nth {
				h.Clock.Advance(5 * time.Minute)
			}
			return nil
		}, nil)
		err := secondStep(clientAt(t, "192.0.2.7"), h.Manager, temp, codes[0])
		switch {
		case writing && err != nil:
			t.Errorf("it ended at call %d, when the session was being written: %v", nth, err)
		case !writing && calls >= nth && !errors.Is(err, auth.ErrInvalidToken):
			t.Errorf("it ended at call %d: %v", nth, err)
		case !writing && calls >= nth:
			refused++
		}
		if calls < nth {
			break
		}
	}
	if refused < 5 { // the reading, three budgets, the counting of the try
		t.Errorf("%d refused: the test saw too little", refused)
	}
}

// RC-23: use and end at the same time. A call that begins after the end has no success.
func TestNoTempTokenOrSessionIsUsedAfterItsEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := auth.Config{Limits: unlimited(), HashQueue: 500, HashWait: time.Minute, MultiFactorSessionTTL: 5 * time.Minute}
		h := authtest.With(t, keeper{s}, cfg)
		managers := []*auth.Manager{h.Manager, twin(t, h, cfg).Manager}
		for range 3 {
			u := h.Register()
			codes := u.EnableTwoFactor()
			token := auth.Secret(u.Login())
			var temps []auth.Secret
			for range codes {
				temps = append(temps, firstStep(t, h, u.Email))
			}
			end := h.Clock.Now().Add(5 * time.Minute)
			errs := atOnce(t, 2*len(codes)+1, func(i int) error {
				if i == 2*len(codes) {
					for range 5 {
						h.Clock.Advance(time.Minute)
					}
					return nil
				}
				m := managers[i%2]
				for {
					over := !h.Clock.Now().Before(end)
					var err error
					if i < len(codes) {
						err = secondStep(t.Context(), m, temps[i], codes[i])
					} else {
						_, err = m.VerifyAccessToken(t.Context(), token)
					}
					switch {
					case over && err == nil:
						return errors.New("used after its end")
					case errors.Is(err, auth.ErrInvalidToken):
						return nil
					case err != nil && !errors.Is(err, auth.ErrInvalidCode):
						return err
					}
				}
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
		}
	})
}

// LG-8: a thief of the password begins more logins than may wait, from as many networks.
func TestPendingLoginsFromElsewhereDoNotPushOutThoseOfTheOwnerAtHome(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		const email = "ada@example.com"
		home := clientAt(t, "192.0.2.7")
		if err := register(home, h.Manager, email); err != nil {
			t.Fatal(err)
		}
		r, err := h.Login(home, email, authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		e := enrol(t, h, identityOf(t, h.Manager, r.AccessToken.Token))
		if err := h.ConfirmTwoFactor(home, identityOf(t, h.Manager, r.AccessToken.Token), codeAt(e, h.Clock.Now())); err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(time.Minute)
		if r, err = h.Login(home, email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		var last auth.Secret
		for i := range 15 {
			thief, err := h.Login(clientAt(t, fmt.Sprintf("203.0.%d.1", i)), email, authtest.Password)
			if err != nil {
				t.Fatal(err)
			}
			last = thief.TempToken
		}
		if err := secondStep(home, h.Manager, r.TempToken, codeAt(e, h.Clock.Now())); err != nil {
			t.Errorf("the owner at home: %v", err)
		}
		if err := secondStep(home, h.Manager, last, "000000"); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("the newest login from elsewhere: %v", err)
		}
	})
}
