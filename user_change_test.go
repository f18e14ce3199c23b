package auth_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestAnOperatorChangesAnAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Mailer: &authtest.Mails{}, Limits: unlimited()})
		ann, bob := h.Register(), h.Register()
		update := func(change auth.UserChange) (auth.User, error) {
			u, err := h.UpdateUser(t.Context(), ann.ID, change)
			if now := userOf(t, h, ann.ID); err == nil && (!sameUser(u, now) || u.EmailVerified != now.EmailVerified) {
				t.Errorf("%+v is returned, and read as %+v", u, now)
			}
			return u, err
		}
		yes, no, name, email, spelled := true, false, " Ada King ", "ada.king@example.com", "Ada.King@Example.com"
		if u, err := update(auth.UserChange{FullName: &name, EmailVerified: &yes}); err != nil || u.FullName != "Ada King" || !u.EmailVerified || u.Email != ann.Email {
			t.Errorf("name and proof: %+v, %v", u, err)
		}
		if u, err := update(auth.UserChange{Email: &email}); err != nil || u.Email != email || u.EmailVerified || u.FullName != "Ada King" {
			t.Errorf("email: %+v, %v", u, err)
		}
		if err := login(t.Context(), h.Manager, email, authtest.Password); err != nil {
			t.Errorf("login with the new address: %v", err)
		}
		if !verify(t, h.Manager, ann.Token()) {
			t.Error("the session has ended")
		}
		if err := register(t.Context(), h.Manager, ann.Email); err != nil {
			t.Errorf("the old address is not free: %v", err)
		}
		if u, err := update(auth.UserChange{Email: &spelled, EmailVerified: &yes}); err != nil || u.Email != spelled || !u.EmailVerified {
			t.Errorf("spelling and proof: %+v, %v", u, err)
		}
		if u, err := update(auth.UserChange{EmailVerified: &no}); err != nil || u.EmailVerified {
			t.Errorf("no proof: %+v, %v", u, err)
		}
		moved := "verified@example.com"
		if u, err := update(auth.UserChange{Email: &moved, EmailVerified: &yes}); err != nil || !u.EmailVerified || u.Email != moved {
			t.Errorf("a verified address: %+v, %v", u, err)
		}
		bad := "nowhere"
		for name, tc := range map[string]struct {
			change auth.UserChange
			want   error
		}{
			"nothing": {auth.UserChange{}, auth.ErrInvalidInput}, "no address": {auth.UserChange{Email: &bad, EmailVerified: &yes}, auth.ErrInvalidInput},
			"another's": {auth.UserChange{Email: &bob.Email, FullName: &bad}, auth.ErrEmailTaken},
		} {
			if _, err := update(tc.change); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
			}
		}
		if u := userOf(t, h, ann.ID); u.Email != moved || u.FullName != "Ada King" {
			t.Errorf("after refusals: %+v", u)
		}
		if _, err := h.UpdateUser(t.Context(), "user_x", auth.UserChange{EmailVerified: &yes}); err != auth.ErrNotFound {
			t.Errorf("nobody: %v", err)
		}
	})
}

// Whoever reads the mail of the old address may be why the operator changes it. Their tokens stay void
// if the address comes back.
func TestAnAddressThatAnOperatorGivesVoidsTheTokensOfTheOldOne(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, memstore.New(), mailConfig())
	u := newMailed(t, h)
	for _, address := range []string{"given@example.com", u.Email} {
		now, err := h.UpdateUser(t.Context(), u.ID, auth.UserChange{Email: &address})
		if err != nil || now.Email != address || now.PendingEmail != "" {
			t.Fatalf("%+v, %v", now, err)
		}
		for _, purpose := range purposes {
			if err := u.redeem(purpose, u.tokens[purpose]); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
				t.Errorf("%s, at %s: %v", purpose, address, err)
			}
		}
	}
}

// RC-2. Two operators who give two accounts one address at the same time.
func TestOfTwoChangesByOperatorsToOneAddressOneSucceeds(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	users := []*authtest.User{h.Register(), h.Register()}
	for round := range 20 {
		email := emailOf("one", round)
		errs := atOnce(t, 2, func(i int) error {
			_, err := h.UpdateUser(t.Context(), users[i].ID, auth.UserChange{Email: &email})
			return err
		})
		if countIs(errs, nil) != 1 || countIs(errs, auth.ErrEmailTaken) != 1 {
			t.Fatalf("round %d: %v", round, errs)
		}
	}
}

// moveByOperator is moveTo by an operator.
func moveByOperator(m *auth.Manager, userID, email string) error {
	_, err := m.UpdateUser(context.Background(), userID, auth.UserChange{Email: &email})
	return err
}

// PR-3. The steps are those of a change by the owner, so the store makes no difference.
func TestAChangeByAnOperatorCutOffAnywhereLeavesBothOwnedOrFree(t *testing.T) {
	t.Parallel()
	ids := map[int]string{}
	afterEveryStop(t, memstore.New(),
		func(h *authtest.Harness, round int) func(*auth.Manager) error {
			ids[round] = member(t, h.Manager, emailOf("old", round)).User.ID
			return func(m *auth.Manager) error { return moveByOperator(m, ids[round], emailOf("new", round)) }
		},
		func(h *authtest.Harness, tap *tapStore, round int, err error) {
			if u := userOf(t, h, ids[round]); err == nil && u.Email != emailOf("new", round) || err != nil && !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("round %d: %s, %v", round, u.Email, err)
			}
			tap.checkOwners(t, h.Manager)
			checkOwnedOrFree(t, h.Manager, emailOf("old", round))
			checkOwnedOrFree(t, h.Manager, emailOf("new", round))
			tap.checkOwners(t, h.Manager)
		})
}

// RC-3.
func TestAnAddressChangedByOwnerAndOperatorAtOnceIsOneOfTheTwo(t *testing.T) {
	t.Parallel()
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
	other := twinOn(t, h, tap, auth.Config{Limits: unlimited()})
	for round := range 20 {
		id := member(t, h.Manager, emailOf("ada", round))
		goals := []string{emailOf("mine", round), emailOf("theirs", round)}
		errs := atOnce(t, 2, func(i int) error {
			if i == 0 {
				return moveTo(h.Manager, id, goals[0])
			}
			return moveByOperator(other.Manager, id.User.ID, goals[1])
		})
		u := userOf(t, h, id.User.ID)
		if u.Email != goals[0] && u.Email != goals[1] || countIs(errs, nil) == 0 || countIs(errs, nil)+countIs(errs, auth.ErrEmailTaken) != 2 {
			t.Errorf("round %d: %s, %v", round, u.Email, errs)
		}
	}
	tap.checkOwners(t, h.Manager)
}

// What an operator sees of locks is what UnlockUser frees.
func TestTheLocksOfAUserAreWhatUnlockUserFrees(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ann := h.Register()
		ann.EnableTwoFactor()
		locks := func() (names []string) {
			t.Helper()
			found, err := h.UserLocks(t.Context(), ann.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range found {
				if !l.Until.After(h.Clock.Now()) {
					t.Errorf("%+v has ended", l)
				}
				names = append(names, l.Budget+" "+l.Network)
			}
			return names
		}
		if got := locks(); got != nil {
			t.Errorf("before: %v", got)
		}
		for range 2 {
			temp := firstStep(t, h, ann.Email)
			for range 5 {
				_, _ = h.VerifyTwoFactor(t.Context(), temp, noCode)
			}
		}
		exhaustAccountBudget(t, h.Manager, ann.Email)
		got := locks()
		if !slices.Contains(got, "account ") || !slices.ContainsFunc(got, func(l string) bool { return l[:4] == "code" }) {
			t.Errorf("locks: %q", got)
		}
		if again := locks(); !slices.Equal(again, got) {
			t.Errorf("looking changes them: %q, then %q", got, again)
		}
		if err := h.UnlockUser(t.Context(), ann.ID); err != nil {
			t.Fatal(err)
		}
		if got := locks(); got != nil {
			t.Errorf("after UnlockUser: %v", got)
		}
		for range 30 { // what a look charges is given back
			locks()
		}
		failLogins(clientAt(t, "203.0.113.77"), t, h.Manager, ann.Email, 5)
	})
}

func TestAnOperatorSendsAReset(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: &authtest.Mails{}})
	ann := h.Register()
	sent := 0
	for range 4 {
		err := h.SendPasswordReset(t.Context(), ann.ID)
		if err == nil {
			sent++
		} else if !errors.Is(err, auth.ErrRateLimited) {
			t.Fatal(err)
		}
	}
	if sent == 0 || sent > 3 {
		t.Errorf("%d of 4 were sent", sent)
	}
	token := h.AwaitMail(auth.MailResetPassword, ann.Email).Token
	if err := h.ResetPassword(t.Context(), token, otherPassword); err != nil {
		t.Error(err)
	}
	if err := h.DisableUser(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.SendPasswordReset(t.Context(), ann.ID); err != auth.ErrForbidden {
		t.Errorf("to a disabled user: %v", err)
	}
	if err := h.SendPasswordReset(t.Context(), "user_x"); err != auth.ErrNotFound {
		t.Errorf("to nobody: %v", err)
	}
	without, err := auth.New(h.Store, auth.Config{
		Secrets: []auth.Secret{authtest.Secret}, PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close()
	if err := without.SendPasswordReset(t.Context(), ann.ID); err != auth.ErrUnsupported {
		t.Errorf("without a Mailer: %v", err)
	}
}
