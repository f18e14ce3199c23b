package auth

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	pquerna "github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// codeOf returns the code of a step.
func codeOf(t *testing.T, secret []byte, step uint64) Secret {
	t.Helper()
	code, err := hotp.GenerateCodeCustom(otp.Base32(secret), step, hotp.ValidateOpts{Digits: pquerna.DigitsSix, Algorithm: pquerna.AlgorithmSHA1})
	if err != nil {
		t.Fatal(err)
	}
	return Secret(code)
}

// twoUsersWithFactor are two users with a second factor each, on one Manager.
func twoUsersWithFactor(t *testing.T, now func() time.Time) (m *Manager, users [2]User, uids [2]string, secrets [2][]byte) {
	t.Helper()
	ctx := context.Background()
	s := memstore.New()
	m, err := New(s, Config{
		Secrets: []Secret{"a root secret for this test alone, 0123456789"}, Now: now,
		PasswordHash: HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	for i, email := range []string{"ann@example.com", "bob@example.com"} {
		u, err := m.Register(ctx, Registration{Email: email, Password: "correct horse battery", FullName: "X"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.Login(ctx, email, "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		id, err := m.VerifyAccessToken(ctx, r.AccessToken.Token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.EnableTwoFactor(ctx, id, ""); err != nil {
			t.Fatal(err)
		}
		uids[i], users[i] = uidOf(id), u
		totp := totpRow(uids[i])
		if err := m.records.Read(ctx, &totp); err != nil {
			t.Fatal(err)
		}
		p := totp.Rec.Pending
		if secrets[i], _, _, err = m.openFactor(uids[i], p.ID, p.Sealed); err != nil {
			t.Fatal(err)
		}
		if err := m.ConfirmTwoFactor(ctx, id, codeOf(t, secrets[i], uint64(now().Unix())/30-1)); err != nil {
			t.Fatal(err)
		}
	}
	return m, users, uids, secrets
}

func editTOTP(t *testing.T, m *Manager, uid string, edit func(*totpRecord)) {
	t.Helper()
	totp := totpRow(uid)
	if err := m.records.Read(t.Context(), &totp); err != nil {
		t.Fatal(err)
	}
	edit(&totp.Rec)
	if err := m.records.Commit(t.Context(), totp.Put()); err != nil {
		t.Fatal(err)
	}
}

func secondStepOf(t *testing.T, m *Manager, u User, code Secret) error {
	t.Helper()
	r, err := m.Login(t.Context(), u.Email, "correct horse battery")
	if err != nil || !r.TwoFactorRequired() {
		t.Fatalf("the first step: %v", err)
	}
	_, err = m.VerifyTwoFactor(t.Context(), r.TempToken, code)
	return err
}

// TF-13: what is sealed for one user cannot be opened for another, even where someone who can
// write to the store gets the record's checksum and enrolment right.
func TestASealedSecretOfAnotherUserIsRefused(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	m, users, uids, secrets := twoUsersWithFactor(t, func() time.Time { return now })
	var stolen []byte
	editTOTP(t, m, uids[0], func(r *totpRecord) { stolen = slices.Clone(r.Active.Sealed) })
	editTOTP(t, m, uids[1], func(r *totpRecord) { r.Active.Sealed = stolen })
	for _, secret := range secrets {
		if err := secondStepOf(t, m, users[1], codeOf(t, secret, uint64(now.Unix())/30)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a code against another's sealed secret: %v, want ErrUnavailable", err)
		}
	}
	if _, _, _, err := m.openFactor(uids[0], "another enrolment", stolen); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a sealed secret under another enrolment: %v", err)
	}
}

// A record that is copied to another key does not even decode.
func TestATOTPRecordIsGoodUnderItsOwnKeyOnly(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	m, users, uids, secrets := twoUsersWithFactor(t, func() time.Time { return now })
	raw, err := m.records.Store.Get(t.Context(), totpKey(uids[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.records.Commit(t.Context(), store.Put(totpKey(uids[1]), raw[0])); err != nil {
		t.Fatal(err)
	}
	r, err := m.Login(t.Context(), users[1].Email, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = m.VerifyTwoFactor(t.Context(), r.TempToken, codeOf(t, secrets[0], uint64(now.Unix())/30)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the record of another user: %v, want ErrUnavailable", err)
	}
}

// TF-5, Advisory 13 (CVE-2022-25838): who used a code does not use up the same digits of
// anybody else.
func TestACodeThatOneUserSpentStillServesAnother(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	m, users, uids, secrets := twoUsersWithFactor(t, func() time.Time { return now })
	editTOTP(t, m, uids[1], func(r *totpRecord) { r.Active.Sealed = m.sealFactor(uids[1], r.Active.ID, secrets[0]) })
	code := codeOf(t, secrets[0], uint64(now.Unix())/30)
	for i, u := range users {
		if err := secondStepOf(t, m, u, code); err != nil {
			t.Errorf("user %d: %v", i, err)
		}
		if err := secondStepOf(t, m, u, code); !errors.Is(err, ErrInvalidCode) {
			t.Errorf("user %d again: %v, want ErrInvalidCode", i, err)
		}
	}
}

// A clock that jumps ahead and back must not lock the user out for longer than the
// jump, so the step kept is never further ahead than the drift allows.
func TestTheLastStepIsNeverAheadOfTheClockByMoreThanTheDrift(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	m, users, uids, secrets := twoUsersWithFactor(t, func() time.Time { return now })
	step := uint64(now.Unix()) / 30
	if err := secondStepOf(t, m, users[0], codeOf(t, secrets[0], step+2)); !errors.Is(err, ErrInvalidCode) {
		t.Errorf("a code of two steps ahead: %v", err)
	}
	if err := secondStepOf(t, m, users[0], codeOf(t, secrets[0], step+1)); err != nil {
		t.Errorf("a code of one step ahead: %v", err)
	}
	editTOTP(t, m, uids[0], func(r *totpRecord) {
		if r.Active.LastStep != step+1 {
			t.Errorf("the last step is %d, now is %d", r.Active.LastStep, step)
		}
	})
}

// FuzzCode: six ASCII digits are a code, eight to 32 a backup code, and nothing else is. What
// is left of a text without its separators is what it was all along.
func FuzzCode(f *testing.F) {
	for _, s := range []string{"081804", "050471", "081805", "00000000", "99999999", "", "08180", "0818040", "081804 ", "+81804", "٠٨١٨٠٤", "0x1804", "08180\n", "1e5000",
		" 005924", "\u00a0005924", "005 924", "05924", "0005924", "００５９２４", "00592\x004", "005924\x00", "-05924", "1234-5678", "12.34.56", "12_34_56", "O123-4567", "oil-LI0-11", "O12345",
		strings.Repeat("7", 20), strings.Repeat("0", 32), strings.Repeat("0", 33), strings.Repeat("٠", 4), "0000000x", "00000000" + strings.Repeat(" ", 100)} {
		f.Add(s)
	}
	form := regexp.MustCompile(`\A([0-9]{6}|[0-9]{8,32})\z`)
	typed := regexp.MustCompile(`\A[\t-\r ._-]*(([0-9][\t-\r ._-]*){6}|([0-9OoIiLl][\t-\r ._-]*){8,32})\z`)
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		if got := wellFormedCode(Secret(s)); got != form.MatchString(s) {
			t.Fatalf("wellFormedCode(%q) = %v", s, got)
		}
		code := tidyCode(Secret(s))
		ok := wellFormedCode(code)
		if saw(ok); ok != typed.MatchString(s) {
			t.Fatalf("%q is read as %q", s, string(code))
		}
		if tidyCode(code) != code || form.MatchString(s) && string(code) != s {
			t.Fatalf("%q is read as %q, and that as %q", s, string(code), string(tidyCode(code)))
		}
		if backup := isBackupCode(code); backup != (ok && len(code) != otp.Digits) {
			t.Fatalf("isBackupCode(%q) = %v", string(code), backup)
		}
	})
}
