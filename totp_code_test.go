package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// typedCodes are texts that people type and programs show for one code.
func typedCodes(code auth.Secret) (all []auth.Secret) {
	c, half := string(code), len(code)/2
	for _, s := range []string{
		" " + c, c + "\r\n", c[:half] + " " + c[half:], c[:half] + "-" + c[half:], "\t" + c[:half] + " - " + c[half:] + "\n", c[:half] + "." + c[half:], strings.Join(strings.Split(c, ""), "_"),
	} {
		all = append(all, auth.Secret(s))
	}
	return all
}

// noCodes can be no code, whatever the account's is.
func noCodes(code auth.Secret) []auth.Secret {
	c := string(code)
	return []auth.Secret{
		"-", "12345", "1234567", "12345a", "O23456", "1 2 3 4 5", auth.Secret(strings.Repeat("1", 33)), auth.Secret(c[:3] + "\u00a0" + c[3:]), "１２３４５６", "١٢٣٤٥٦", auth.Secret(c + "\x00"), auth.Secret("+" + c),
	}
}

// TF-7, F-O6, Advisory 14 (CVE-2025-6014, CVE-2025-6015): a code is what is left of a text without its separators. It works once, in
// whichever spelling.
func TestACodeWithSeparatorsWorksOnceInAllItsSpellings(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited(), BackupCodeLength: 16})
		u := h.Register()
		e := enrol(t, h, u.Identity())
		confirming := typedCodes(codeAt(e, h.Clock.Now()))
		if err := h.ConfirmTwoFactor(t.Context(), u.Identity(), confirming[4]); err != nil {
			t.Fatal(err)
		}
		once := func(what string, all []auth.Secret, first int) {
			t.Helper()
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), all[first]); err != nil {
				t.Errorf("%s %q: %v", what, string(all[first]), err)
			}
			for _, code := range all {
				if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), code); err != auth.ErrInvalidCode {
					t.Errorf("%s %q after %q: %v, want ErrInvalidCode", what, string(code), string(all[first]), err)
				}
			}
		}
		for i := range confirming {
			h.Clock.Advance(step)
			right := codeAt(e, h.Clock.Now())
			once("TOTP code", append(typedCodes(right), right), i)
			once("backup code", append(typedCodes(e.BackupCodes[i]), e.BackupCodes[i]), i)
		}
		h.Clock.Advance(step)
		lookalike := strings.NewReplacer("0", "O", "1", "l").Replace(string(e.BackupCodes[8]))
		once("backup code", []auth.Secret{auth.Secret(lookalike), auth.Secret(strings.ToLower(lookalike)), e.BackupCodes[8]}, 0)
		if err := h.DisableTwoFactor(t.Context(), sessionWith(t, h, u, e), authtest.Password, typedCodes(e.BackupCodes[9])[3]); err != nil {
			t.Errorf("turned off with a backup code: %v", err)
		}
	})
}

// TF-7, TF-8: what can be no code is refused as a wrong one is. It is charged to no budget and
// no try, and nothing is compared or written.
func TestWhatCanBeNoCodeIsNotCharged(t *testing.T) {
	ctx := context.Background()
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{APIKeysNeedFreshLogin: true})
	u, e := withSecondFactor(t, h)
	id := sessionWith(t, h, u, e)
	made, _ := newKey(t, h.Manager, id, auth.NewAPIKey{})
	h.Clock.Advance(11 * time.Minute) // no login is fresh any more
	temp := firstStep(t, h, u.Email)
	confirmer := h.Register()
	begun := enrol(t, h, confirmer.Identity())
	calls := map[string]struct {
		want error
		call func(code auth.Secret) error
	}{
		"VerifyTwoFactor":  {auth.ErrInvalidCode, func(code auth.Secret) error { return secondStep(ctx, h.Manager, temp, code) }},
		"ConfirmTwoFactor": {auth.ErrInvalidCode, func(code auth.Secret) error { return h.ConfirmTwoFactor(ctx, confirmer.Identity(), code) }},
		"DisableTwoFactor": {auth.ErrInvalidCredentials, func(code auth.Secret) error { return h.DisableTwoFactor(ctx, id, authtest.Password, code) }},
		"UpdateProfile": {auth.ErrInvalidCredentials, func(code auth.Secret) error {
			return moveWith(ctx, h.Manager, id, "new@example.com", authtest.Password, code)
		}},
		"ReplaceBackupCodes": {auth.ErrInvalidCredentials, func(code auth.Secret) error {
			_, err := h.ReplaceBackupCodes(ctx, id, authtest.Password, code)
			return err
		}},
		"CreateAPIKey": {auth.ErrInvalidCredentials, func(code auth.Secret) error {
			_, _, err := h.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "k", Password: authtest.Password, Code: code})
			return err
		}},
		"RotateAPIKey": {auth.ErrInvalidCredentials, func(code auth.Secret) error {
			_, _, err := h.RotateAPIKey(ctx, id, made.ID, time.Hour, authtest.Password, code)
			return err
		}},
	}
	for name, c := range calls {
		tap.tap(func(_ context.Context, sc storeCall) error {
			if sc.kind != "Get" {
				t.Errorf("%s: %s, though nothing is compared", name, sc.kind)
			}
			return nil
		}, nil)
		for range 4 { // less than the changes that a profile may have at once
			for _, code := range noCodes("123456") {
				want := c.want
				if code == "-" && want == auth.ErrInvalidCredentials && name != "DisableTwoFactor" && name != "ReplaceBackupCodes" {
					want = auth.ErrReauthenticationRequired // it is no code at all
				}
				if err := c.call(code); err != want {
					t.Errorf("%s with %q: %v, want %v", name, string(code), err, want)
				}
			}
		}
		tap.tap(nil, nil)
	}
	if err := secondStep(ctx, h.Manager, temp, codeAt(e, h.Clock.Now())); err != nil {
		t.Errorf("the right code after them: %v", err)
	}
	if err := h.ConfirmTwoFactor(ctx, confirmer.Identity(), codeAt(begun, h.Clock.Now())); err != nil {
		t.Errorf("the right code confirms: %v", err)
	}
	if err := h.DisableTwoFactor(ctx, id, authtest.Password, e.BackupCodes[0]); err != nil {
		t.Errorf("a backup code turns it off: %v", err)
	}
}
