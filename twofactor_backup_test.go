package auth_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// BC-3, BC-6, Advisory 31 (GHSA-4hf6-3x24-c9m8).
func TestEachBackupCodeWorksOnceAndTheOwnerSeesHowManyAreLeft(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		for i, code := range u.EnableTwoFactor() {
			r, err := h.VerifyTwoFactor(t.Context(), firstStep(t, h, u.Email), code)
			if err != nil {
				t.Fatalf("code %d: %v", i, err)
			}
			id, err := h.VerifyAccessToken(t.Context(), r.AccessToken.Token)
			if err != nil || !id.MultiFactor() {
				t.Errorf("code %d opened %v, %v", i, id.AMR, err)
			}
			if n := codesLeft(t, h, u); n != 9-i {
				t.Errorf("%d codes left after %d", n, i+1)
			}
			h.Clock.Advance(24 * time.Hour)
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), code); !errors.Is(err, auth.ErrInvalidCode) {
				t.Errorf("code %d the next day: %v, want ErrInvalidCode", i, err)
			}
		}
		_ = h.Close()
		reported := 0
		for _, e := range h.Events.All() {
			if e.Type == auth.EventBackupCodeUsed && e.UserID == u.ID {
				reported++
			}
		}
		if reported != 10 {
			t.Errorf("%d of 10 uses were reported", reported)
		}
	})
}

// RC-6, Advisory 3 (GHSA-392p-2q2v-4372): one backup code, fifty logins and ten disablings at once.
func TestOneBackupCodeAtOnceInManyPlacesWorksInOne(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		managers := []*auth.Manager{h.Manager, manyProcesses(twin(t, h, raced())).Manager}
		u := h.Register()
		codes := u.EnableTwoFactor()
		id := u.Identity()
		var temps []auth.Secret
		for range 10 {
			temps = append(temps, firstStep(t, h, u.Email))
		}
		race := func(n int, code auth.Secret) []error {
			return tap.abreast(t, n, "/totp", func(ctx context.Context, i int) error {
				if i >= 50 {
					return managers[i%2].DisableTwoFactor(ctx, id, authtest.Password, code)
				}
				return secondStep(ctx, managers[i%2], temps[i%10], code)
			})
		}
		if errs := race(50, codes[0]); countIs(errs, nil) != 1 {
			t.Errorf("%d won: %v", countIs(errs, nil), errs)
		}
		if n := codesLeft(t, h, u); n != 9 {
			t.Errorf("%d codes left, want 9", n)
		}
		if errs := race(60, codes[1]); countIs(errs, nil) != 1 {
			t.Errorf("with disablings, %d won: %v", countIs(errs, nil), errs)
		}
	})
}

// BC-4, Advisory 31 (CVE-2025-64175, CVE-2022-36071).
func TestABackupCodeOfAnotherUserIsRefusedAndNotSpent(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		ann, bob := h.Register(), h.Register()
		codes := ann.EnableTwoFactor()
		bob.EnableTwoFactor()
		temp := firstStep(t, h, bob.Email)
		for _, code := range codes[:3] {
			if err := secondStep(t.Context(), h.Manager, temp, code); !errors.Is(err, auth.ErrInvalidCode) {
				t.Errorf("another's code: %v, want ErrInvalidCode", err)
			}
		}
		if a, b := codesLeft(t, h, ann), codesLeft(t, h, bob); a != 10 || b != 10 {
			t.Errorf("%d and %d codes left", a, b)
		}
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, ann.Email), codes[0]); err != nil {
			t.Errorf("its owner: %v", err)
		}
	})
}

// BC-4.
func TestReplacingBackupCodesVoidsTheOldOnes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		if _, err := h.ReplaceBackupCodes(t.Context(), u.Identity(), authtest.Password, "123456"); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
			t.Errorf("without a second factor: %v, want ErrTwoFactorNotEnabled", err)
		}
		old := u.EnableTwoFactor()
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), old[0]); err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(time.Hour - 2*time.Minute)
		id := u.Identity()
		if n := codesLeft(t, h, u); n != 9 {
			t.Fatalf("%d codes left, want 9", n)
		}
		fresh, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, auth.Secret(u.Code()))
		if err != nil || len(fresh) != 10 || codesLeft(t, h, u) != 10 {
			t.Fatalf("%d new codes, %d left, %v", len(fresh), codesLeft(t, h, u), err)
		}
		temp := firstStep(t, h, u.Email)
		for _, code := range old[1:4] {
			if err := secondStep(t.Context(), h.Manager, temp, code); !errors.Is(err, auth.ErrInvalidCode) {
				t.Errorf("an old code: %v, want ErrInvalidCode", err)
			}
		}
		if err := secondStep(t.Context(), h.Manager, temp, fresh[9]); err != nil {
			t.Errorf("a new code: %v", err)
		}
		u.Login() // the authenticator is as it was
	})
}

// BC-4, PR-2: ten codes are worth the second factor, so nothing less than the password and a
// code of it makes them, however fresh the login is.
func TestReplacingBackupCodesNeedsThePasswordAndACode(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		old := u.EnableTwoFactor()
		r, err := h.VerifyTwoFactor(t.Context(), firstStep(t, h, u.Email), old[0])
		if err != nil {
			t.Fatal(err)
		}
		id := identityOf(t, h.Manager, r.AccessToken.Token) // of this moment
		right := auth.Secret(u.Code())
		for name, proof := range map[string][2]auth.Secret{
			"nothing":             {"", ""},
			"the password alone":  {authtest.Password, ""},
			"a code alone":        {"", right},
			"a backup code alone": {"", old[1]},
			"a wrong password":    {"wrong, and long enough", right},
			"a wrong code":        {authtest.Password, wrongCode(u.Code())},
			"a spent backup code": {authtest.Password, old[0]},
		} {
			if codes, err := h.ReplaceBackupCodes(t.Context(), id, proof[0], proof[1]); !errors.Is(err, auth.ErrInvalidCredentials) || codes != nil {
				t.Errorf("%s: %d codes, %v, want ErrInvalidCredentials", name, len(codes), err)
			}
			if err := h.UnlockUser(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
		}
		if n := codesLeft(t, h, u); n != 9 {
			t.Errorf("%d codes are left after the refusals, want 9", n)
		}
		if _, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, right); err != nil {
			t.Fatalf("with both: %v", err)
		}
		if _, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, right); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("with the same code again: %v, want ErrInvalidCredentials", err)
		}
		if _, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, old[1]); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("with a backup code of the old set: %v, want ErrInvalidCredentials", err)
		}
	})
}

// A code that makes ten codes is spent in the Commit that writes them: at once, one call wins.
func TestOneCodeMakesOneSetOfBackupCodes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := raced()
		h := authtest.With(t, s, cfg)
		managers := []*auth.Manager{h.Manager, twin(t, h, cfg).Manager}
		u := h.Register()
		backup := u.EnableTwoFactor()
		id := u.Identity()
		made := make([][]auth.Secret, 6)
		errs := atOnce(t, len(made), func(i int) (err error) {
			made[i], err = managers[i%2].ReplaceBackupCodes(t.Context(), id, authtest.Password, backup[3])
			return err
		})
		if won := countIs(errs, nil); won != 1 || won+countIs(errs, auth.ErrInvalidCredentials) != len(made) {
			t.Fatalf("%d won: %v", won, errs)
		}
		for i, codes := range made {
			if errs[i] != nil {
				continue
			}
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), codes[0]); err != nil {
				t.Errorf("a code of the set that was made: %v", err)
			}
		}
	})
}

// BC-5, DO-2: a client with the right proof gets ten sets at once and then one in 10 minutes,
// and a set that was refused costs none of the account's guesses.
func TestNewBackupCodesAreLimited(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: auth.Limits{LoginByAddress: plenty}})
	u := h.Register()
	u.EnableTwoFactor()
	id := u.Identity()
	for i := range 16 {
		_, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, auth.Secret(u.Code()))
		switch {
		case i < 10 && err != nil:
			t.Fatalf("set %d: %v", i, err)
		case i >= 10 && !errors.Is(err, auth.ErrRateLimited):
			t.Fatalf("set %d: %v, want ErrRateLimited", i, err)
		}
		if err == nil { // a code that was refused its set is not spent
			h.Clock.Advance(step)
		}
	}
	if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, auth.Secret(u.Code())); err != nil {
		t.Errorf("the code and the guesses that are left: %v", err)
	}
	if e := last(t, h, auth.EventRateLimited); e.Reason != "new_codes" {
		t.Errorf("the event has the reason %q", e.Reason)
	}
}

// BC-6: codes of any length work, and go on working where another is configured, also
// if that happens between their making and their confirmation.
func TestBackupCodesOfEveryLengthWorkWhateverIsConfigured(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		eight := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		for _, length := range []int{8, 9, 16, 20, 32} {
			long := twin(t, eight, auth.Config{Limits: noLoginLimits(), BackupCodeLength: length})
			u := eight.Register()
			e, err := long.EnableTwoFactor(t.Context(), u.Identity(), "")
			if err == nil {
				err = eight.ConfirmTwoFactor(t.Context(), u.Identity(), codeAt(e, eight.Clock.Now()))
			}
			if err != nil {
				t.Fatalf("%d: %v", length, err)
			}
			for _, code := range e.BackupCodes {
				if len(code) != length {
					t.Errorf("a code of %d digits, want %d", len(code), length)
				}
			}
			for name, wrong := range map[string]auth.Secret{
				"cut": e.BackupCodes[0][:7], "longer": e.BackupCodes[0] + "0", "padded": "0" + e.BackupCodes[0], "doubled": e.BackupCodes[0] + e.BackupCodes[1],
			} {
				if err := secondStep(t.Context(), eight.Manager, firstStep(t, eight, u.Email), wrong); !errors.Is(err, auth.ErrInvalidCode) {
					t.Errorf("%d, %s: %v, want ErrInvalidCode", length, name, err)
				}
			}
			for i, h := range []*authtest.Harness{eight, long} {
				temp := firstStep(t, h, u.Email)
				if err := secondStep(t.Context(), h.Manager, temp, e.BackupCodes[i]); err != nil {
					t.Errorf("%d, a login: %v", length, err)
				}
				if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), e.BackupCodes[i]); !errors.Is(err, auth.ErrInvalidCode) {
					t.Errorf("%d, the same code again: %v", length, err)
				}
			}
			if n := codesLeft(t, eight, u); n != 8 {
				t.Errorf("%d: %d codes left, want 8", length, n)
			}
			id := u.Identity()
			fresh, err := long.ReplaceBackupCodes(t.Context(), id, authtest.Password, e.BackupCodes[2])
			if err != nil || len(fresh[0]) != length {
				t.Fatalf("%d: new codes: %v", length, err)
			}
			if err := moveWith(t.Context(), eight.Manager, id, "moved+"+u.Email, authtest.Password, fresh[0]); err != nil {
				t.Errorf("%d, a change of address: %v", length, err)
			}
			if err := eight.DisableTwoFactor(t.Context(), id, authtest.Password, fresh[1]); err != nil {
				t.Errorf("%d, turning it off: %v", length, err)
			}
		}
		_ = eight.Close()
		used := 0
		for _, event := range eight.Events.All() {
			if event.Type == auth.EventBackupCodeUsed {
				used++
			}
		}
		if used != 5*3 { // of each length one login, the change and the end were on this Manager
			t.Errorf("%d uses were reported, want 15", used)
		}
	})
}

const newSecret auth.Secret = "another secret of this service, for after a rotation"

// JW-11, ST-10, TF-6, F-O3 for what rests: [new, old] is the time to move, [new] is after it.
func TestAfterARotationOfTheSecretsFactorsWorkAndMove(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		before := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		both := twin(t, before, auth.Config{Limits: noLoginLimits(), Secrets: []auth.Secret{newSecret, authtest.Secret}})
		after := twin(t, before, auth.Config{Limits: noLoginLimits(), Secrets: []auth.Secret{newSecret}})
		moved, left := before.Register(), before.Register()
		em, el := confirmed(t, before, moved), confirmed(t, before, left)
		before.Clock.Advance(step)

		temp := firstStep(t, before, moved.Email)
		if err := secondStep(t.Context(), both.Manager, temp, codeAt(em, before.Clock.Now())); err != nil {
			t.Fatalf("[new, old], a TOTP code on a temp token of old: %v", err)
		}
		if err := secondStep(t.Context(), both.Manager, firstStep(t, both, left.Email), el.BackupCodes[0]); err != nil {
			t.Fatalf("[new, old], a backup code: %v", err)
		}
		before.Clock.Advance(step)
		if err := secondStep(t.Context(), after.Manager, firstStep(t, after, moved.Email), codeAt(em, before.Clock.Now())); err != nil {
			t.Errorf("[new], a TOTP secret that was sealed again: %v", err)
		}
		if err := secondStep(t.Context(), after.Manager, firstStep(t, after, left.Email), codeAt(el, before.Clock.Now())); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("[new], a TOTP secret that was not: %v, want ErrUnavailable", err)
		}
		for _, c := range []struct {
			u *authtest.User
			e auth.TwoFactorEnrollment
		}{{moved, em}, {left, el}} {
			if err := secondStep(t.Context(), after.Manager, firstStep(t, after, c.u.Email), c.e.BackupCodes[1]); !errors.Is(err, auth.ErrInvalidCode) {
				t.Errorf("[new], a backup code under old: %v, want ErrInvalidCode", err)
			}
		}
		if err := secondStep(t.Context(), after.Manager, firstStep(t, before, moved.Email), codeAt(em, before.Clock.Now())); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("[new], a temp token of old: %v, want ErrInvalidToken", err)
		}

		id := sessionWith(t, both, moved, em)
		before.Clock.Advance(step)
		fresh, err := both.ReplaceBackupCodes(t.Context(), id, authtest.Password, codeAt(em, before.Clock.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if err := secondStep(t.Context(), after.Manager, firstStep(t, after, moved.Email), fresh[0]); err != nil {
			t.Errorf("[new], a backup code of after the rotation: %v", err)
		}
	})
}

// sessionWith is a new session on h, by the next code of the enrolment.
func sessionWith(t *testing.T, h *authtest.Harness, u *authtest.User, e auth.TwoFactorEnrollment) auth.Identity {
	t.Helper()
	h.Clock.Advance(step)
	r, err := h.VerifyTwoFactor(t.Context(), firstStep(t, h, u.Email), codeAt(e, h.Clock.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(t, h.Manager, r.AccessToken.Token)
}

// ST-2, BC-2, AK-3, TF-13, F-D9: a thief of the file, with all that was ever deleted from it,
// has nothing to log in with. A digest that anybody can compute from a guess is as bad
// as the secret itself where guesses are few.
func TestNoSecretIsInTheStore(t *testing.T) {
	t.Parallel()
	t.Run("bolt", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "auth.db")
		s, err := boltstore.OpenOrCreate(path, boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkAtRest(t, s, func() []byte {
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return file
		})
	})
	if testing.Short() {
		return
	}
	// The log of all that was ever written, and the dump of what is there.
	t.Run("redis", func(t *testing.T) {
		if !redistest.Available(t) {
			return
		}
		server := redistest.Start(t, "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--rdbcompression", "no")
		checkAtRest(t, onRedis(t, server.Addr(), "auth:"), func() (all []byte) {
			server.Do("SAVE")
			dir := server.Do("CONFIG", "GET", "dir").([]any)[1].(string)
			for _, pattern := range []string{"*.rdb", "appendonlydir/*.aof"} {
				paths, err := filepath.Glob(filepath.Join(dir, pattern))
				if err != nil || len(paths) == 0 {
					t.Fatalf("%s: %v, %v", pattern, paths, err)
				}
				for _, path := range paths {
					file, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, file...)
				}
			}
			return all
		})
	})
	// The tables with what was deleted from them, and the log of the transactions.
	t.Run("postgres", func(t *testing.T) {
		if !pgtest.Available(t) {
			return
		}
		server := pgtest.Start(t)
		p := place{"postgres", server.URL(), "auth"}
		checkAtRest(t, p.open(t, 0), func() (all []byte) {
			server.Exec("CHECKPOINT")
			data := server.Query("SHOW data_directory")
			tables := server.Query("SELECT concat('base/', oid, '/*') FROM pg_database WHERE datname = current_database()")
			for _, pattern := range []string{tables, "pg_wal/0*"} {
				paths, err := filepath.Glob(filepath.Join(data, pattern))
				if err != nil || len(paths) == 0 {
					t.Fatalf("%s: %v, %v", pattern, paths, err)
				}
				for _, path := range paths {
					file, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, file...)
				}
			}
			return all
		})
	})
}

// checkAtRest has a user live with the store, closes it, and looks for that user's
// secrets in what is left.
func checkAtRest(t *testing.T, s store.Store, left func() []byte) {
	t.Helper()
	h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
	u := h.Register()
	guessable := map[string]string{"password": authtest.Password}
	random := map[string]string{"first token": u.Token(), "root secret": string(authtest.Secret)}

	e := confirmed(t, h, u)
	random["key"] = u.APIKey()
	h.Clock.Advance(step)
	temp := firstStep(t, h, u.Email)
	random["temp token"] = string(temp)
	r, err := h.VerifyTwoFactor(t.Context(), temp, e.BackupCodes[0])
	if err != nil {
		t.Fatal(err)
	}
	random["second token"] = string(r.AccessToken.Token)
	id := identityOf(t, h.Manager, r.AccessToken.Token)
	fresh, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, e.BackupCodes[1])
	if err != nil {
		t.Fatal(err)
	}
	k, rotated, err := h.RotateAPIKey(t.Context(), id, theKey(t, h.Manager, id).ID, time.Hour, "", "")
	if err != nil {
		t.Fatal(err)
	}
	random["rotated key"] = string(rotated)
	use(t, h.Manager, string(rotated), "192.0.2.7")
	if err := h.RevokeAPIKey(t.Context(), id, k.ID); err != nil {
		t.Fatal(err)
	}
	pending := h.Register()
	guessable["new password"] = "a new password, and long enough"
	if err := h.ChangePassword(t.Context(), pending.Identity(), authtest.Password, "a new password, and long enough"); err != nil {
		t.Fatal(err)
	}
	p, err := h.EnableTwoFactor(t.Context(), pending.Identity(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, all := range map[string][]auth.Secret{"backup code": e.BackupCodes, "new code": fresh, "pending code": p.BackupCodes} {
		for i, code := range all {
			guessable[name+" "+string(rune('0'+i))] = string(code)
		}
	}
	for name, secret := range map[string]auth.Secret{"TOTP secret": e.Secret, "pending secret": p.Secret} {
		raw, err := base32.StdEncoding.DecodeString(string(secret))
		if err != nil {
			t.Fatal(err)
		}
		random[name] = string(secret)
		random[name+" as bytes"] = string(raw)
	}
	_ = h.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	file := left()
	if !bytes.Contains(file, []byte(u.Email)) {
		t.Fatal("the file does not hold the account: the test looks at nothing")
	}
	spellings := func(b []byte) [][]byte {
		return [][]byte{
			b, []byte(hex.EncodeToString(b)), []byte(base64.RawStdEncoding.EncodeToString(b)),
			[]byte(base64.RawURLEncoding.EncodeToString(b)),
		}
	}
	for name, secret := range random {
		for _, form := range spellings([]byte(secret)) {
			if bytes.Contains(file, form) {
				t.Errorf("the %s is in the file", name)
			}
		}
	}
	for name, secret := range guessable {
		sum256, sum1 := sha256.Sum256([]byte(secret)), sha1.Sum([]byte(secret))
		for _, b := range [][]byte{[]byte(secret), sum256[:], sum1[:]} {
			for _, form := range spellings(b) {
				if bytes.Contains(file, form) {
					t.Errorf("the %s, or a digest of it, is in the file", name)
				}
			}
		}
	}
	// An access token must not be made again either: its signature is nowhere.
	if sig := random["second token"][len(random["second token"])-43:]; bytes.Contains(file, []byte(sig)) {
		t.Error("the signature of an access token is in the file")
	}
}

// BC-5: a code is compared with all ten tags for the price of one hash, right or wrong,
// and for none once the budget is used up. Hashing is one slot with a line before it:
// a call that needs a second hash finds the slot taken.
func TestABackupCodeCostsOneHash(t *testing.T) {
	for name, pick := range map[string]func(codes []auth.Secret) (code auth.Secret, want error){
		"a right one": func(codes []auth.Secret) (auth.Secret, error) { return codes[9], nil },
		"a wrong one": func([]auth.Secret) (auth.Secret, error) { return "00000000", auth.ErrInvalidCode },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, Limits: noLoginLimits()})
				u := h.Register()
				code, want := pick(u.EnableTwoFactor())
				temp := firstStep(t, h, u.Email)
				releaseFirst := h.OccupyHashing()
				result := make(chan error, 1)
				go func() { result <- secondStep(t.Context(), h.Manager, temp, code) }()
				synctest.Wait()
				if len(result) != 0 {
					t.Fatalf("answered without a hash: %v", <-result)
				}
				next := make(chan func(), 1)
				go func() { next <- h.OccupyHashing() }() // stands in line behind the code
				synctest.Wait()
				releaseFirst()
				synctest.Wait()
				if len(result) != 1 || len(next) != 1 {
					t.Error("it waits for a second hash")
				}
				(<-next)()
				if err := <-result; !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			})
		})
	}
}

// BC-5, DO-2: the budget is asked before the code is hashed.
func TestABackupCodeOverItsBudgetIsNotHashed(t *testing.T) {
	limits := noLoginLimits()
	limits.CodeByAccount = store.Limit{Burst: 3, Every: time.Hour}
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1, Limits: limits})
	u := h.Register()
	codes := u.EnableTwoFactor()
	temp := firstStep(t, h, u.Email)
	for range 3 {
		if err := secondStep(t.Context(), h.Manager, temp, "00000000"); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatal(err)
		}
	}
	release := h.OccupyHashing()
	defer release()
	for _, code := range []auth.Secret{"00000000", codes[0]} {
		retryAfter(t, secondStep(t.Context(), h.Manager, temp, code)) // and not ErrOverloaded
	}
}
