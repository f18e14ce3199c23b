package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestANameIsChangedAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{FreshLogin: -1})
		alice := h.Register()
		name := "Ada King"
		u, err := h.UpdateProfile(context.Background(), alice.Identity(), auth.ProfileChange{FullName: &name})
		if err != nil {
			t.Fatal(err)
		}
		want := alice.User
		want.FullName = name
		if got, err := h.User(context.Background(), alice.ID); err != nil || !sameUser(got, want) || !sameUser(u, want) {
			t.Errorf("%+v, %+v, %v", u, got, err)
		}
	})
}

// PR-2, PR-3, Advisory 8 (CVE-2026-53514).
func TestAChangedAddressMovesTheLoginAndFreesTheOldOneAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		id := member(t, h.Manager, "old@example.com")
		name, email := "Ada King", "New@Example.com"
		u, err := h.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name, Email: &email})
		if err != nil || u.Email != email || u.FullName != name || u.ID != id.User.ID {
			t.Fatalf("%+v, %v", u, err)
		}
		if _, err := h.Login(ctx, "old@example.com", authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the old address: %v", err)
		}
		if r, err := h.Login(ctx, "new@example.com", authtest.Password); err != nil || r.User.ID != id.User.ID {
			t.Errorf("the new address: %v", err)
		}
		if _, err := h.UserByEmail(ctx, "old@example.com"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the old address: %v", err)
		}
		if other, err := signUp(h.Manager, "OLD@example.com"); err != nil || other.ID == u.ID {
			t.Errorf("register the old address: %v", err)
		}
		if err := moveTo(h.Manager, id, "old@example.com"); err != auth.ErrEmailTaken {
			t.Errorf("back to an address that is another's now: %v", err)
		}
	})
}

func TestAnotherSpellingOfTheSameAddressNeedsNoFreshLogin(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{FreshLogin: -1})
	id := member(t, h.Manager, "ada@example.com")
	if err := moveTo(h.Manager, id, "Ada@Example.com"); err != nil {
		t.Fatal(err)
	}
	if u, err := h.UserByEmail(context.Background(), "ada@example.com"); err != nil || u.Email != "Ada@Example.com" {
		t.Errorf("%+v, %v", u, err)
	}
}

// PR-2
func TestAnAddressIsChangedAfterAFreshLoginOrWithThePassword(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{FreshLogin: 5 * time.Minute})
	ctx := context.Background()
	id := member(t, h.Manager, "ada@example.com")
	change := func(email string, pw auth.Secret) error {
		_, err := h.UpdateProfile(ctx, id, auth.ProfileChange{Email: &email, CurrentPassword: pw})
		return err
	}
	if err := change("a@example.com", "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("fresh, but a wrong password: %v", err)
	}
	h.Clock.Advance(5 * time.Minute)
	if err := change("b@example.com", ""); err != nil {
		t.Errorf("fresh: %v", err)
	}
	h.Clock.Advance(time.Second)
	if err := change("c@example.com", ""); err != auth.ErrReauthenticationRequired {
		t.Errorf("not fresh: %v", err)
	}
	if err := change("c@example.com", "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("not fresh, a wrong password: %v", err)
	}
	if err := change("c@example.com", authtest.Password); err != nil {
		t.Errorf("not fresh, the right password: %v", err)
	}
	if u, err := h.User(ctx, id.User.ID); err != nil || u.Email != "c@example.com" {
		t.Errorf("%s, %v", u.Email, err)
	}
}

// PR-2: of the two, neither alone is accepted, and no refusal shows which was wrong.
func TestANewAddressNeedsACodeAndThePasswordWhereTheFactorIsOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: noLoginLimits()})
		ctx := t.Context()
		u, eve := h.Register(), h.Register()
		e, others := confirmed(t, h, u), eve.EnableTwoFactor()
		id, name := u.Identity(), "Ada King"
		change := func(email string, pw, code auth.Secret) error {
			_, err := h.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name, Email: &email, CurrentPassword: pw, Code: code})
			return err
		}
		if err := change("fresh@example.com", "", ""); err != nil {
			t.Errorf("after a fresh login: %v", err)
		}
		h.Clock.Advance(11 * time.Minute)
		name = "Eve"
		before := userOf(t, h, u.ID)
		right := codeAt(e, h.Clock.Now())
		const wrongPassword = "wrong, and long enough"
		for _, brings := range [][2]auth.Secret{{"", ""}, {authtest.Password, ""}, {wrongPassword, ""}, {"", right}, {"", e.BackupCodes[0]}} {
			tap.tap(func(_ context.Context, c storeCall) error {
				if c.kind != "Get" {
					t.Errorf("%s, though nothing is checked", c.kind)
				}
				return nil
			}, nil)
			if err := change("new@example.com", brings[0], brings[1]); err != auth.ErrReauthenticationRequired {
				t.Errorf("with %t, %t: %v, want ErrReauthenticationRequired", brings[0] != "", brings[1] != "", err)
			}
			tap.tap(nil, nil)
		}
		for what, brings := range map[string][2]auth.Secret{
			"wrong code":                    {authtest.Password, wrongFor(e, h.Clock.Now())},
			"malformed code":                {authtest.Password, "+" + right},
			"replayed code":                 {authtest.Password, codeAt(e, h.Clock.Now().Add(-11*time.Minute))},
			"another's backup code":         {authtest.Password, others[0]},
			"wrong password":                {wrongPassword, right},
			"wrong password, a backup code": {wrongPassword, e.BackupCodes[0]},
			"both wrong":                    {wrongPassword, wrongFor(e, h.Clock.Now())},
			"a code for the password":       {right, right},
		} {
			if err := change("new@example.com", brings[0], brings[1]); err != auth.ErrInvalidCredentials {
				t.Errorf("%s: %v, want ErrInvalidCredentials", what, err)
			}
			if err := h.UnlockUser(ctx, u.ID); err != nil {
				t.Fatal(err)
			}
		}
		if now := userOf(t, h, u.ID); !sameUser(now, before) || codesLeft(t, h, u) != 10 {
			t.Errorf("refusals changed %+v into %+v, %d codes left", before, now, codesLeft(t, h, u))
		}
		if err := change("new@example.com", authtest.Password, right); err != nil {
			t.Errorf("password and code: %v", err)
		}
		if now := userOf(t, h, u.ID); now.Email != "new@example.com" || now.FullName != "Eve" {
			t.Errorf("it is %+v", now)
		}
		if err := change("newer@example.com", authtest.Password, right); err != auth.ErrInvalidCredentials {
			t.Errorf("the same code again: %v", err)
		}
		if err := change(eve.Email, authtest.Password, e.BackupCodes[0]); err != auth.ErrEmailTaken || codesLeft(t, h, u) != 10 {
			t.Errorf("a backup code for an address that is taken: %v, %d codes left", err, codesLeft(t, h, u))
		}
		if err := change("newest@example.com", authtest.Password, e.BackupCodes[0]); err != nil || codesLeft(t, h, u) != 9 {
			t.Errorf("a backup code: %v, %d codes left", err, codesLeft(t, h, u))
		}
	})
}

// A session that turns the factor off while it changes the address has brought a code
// of nothing.
func TestACodeOfAFactorTurnedOffDuringTheCallChangesNoAddress(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, auth.Config{}))
		u := h.Register()
		codes := u.EnableTwoFactor()
		id, once := u.Identity(), true
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" && once {
				once = false
				if err := h.DisableTwoFactor(context.Background(), id, authtest.Password, codes[0]); err != nil {
					t.Error(err)
				}
			}
			return nil
		}, nil)
		err := moveWith(t.Context(), h.Manager, id, "new@example.com", authtest.Password, codes[1])
		if now := userOf(t, h, u.ID); once || err != auth.ErrInvalidCredentials || now.Email != u.Email {
			t.Errorf("%v, and the address is %s", err, now.Email)
		}
	})
}

func TestARefusedChangeOfProfileChangesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		member(t, h.Manager, "bob@example.com")
		id := member(t, h.Manager, "ada@example.com")
		name, taken, bad, blank, long := "Ada King", "BOB@example.com", "x", " ", strings.Repeat("n", 101)
		for what, tc := range map[string]struct {
			change auth.ProfileChange
			is     error
			fields []string
		}{
			"a taken address": {auth.ProfileChange{FullName: &name, Email: &taken}, auth.ErrEmailTaken, nil},
			"no address":      {auth.ProfileChange{FullName: &name, Email: &bad}, auth.ErrInvalidInput, []string{"email: invalid_email"}},
			"no name":         {auth.ProfileChange{FullName: &blank, Email: &bad}, auth.ErrInvalidInput, []string{"full_name: required", "email: invalid_email"}},
			"a long name":     {auth.ProfileChange{FullName: &long}, auth.ErrInvalidInput, []string{"full_name: too_long"}},
			"nothing":         {auth.ProfileChange{CurrentPassword: authtest.Password}, auth.ErrInvalidInput, []string{"full_name: required"}},
		} {
			_, err := h.UpdateProfile(ctx, id, tc.change)
			if !errors.Is(err, tc.is) || !slices.Equal(fieldCodes(err), tc.fields) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if u, err := h.User(ctx, id.User.ID); err != nil || !sameUser(u, id.User) {
			t.Errorf("%+v, %v", u, err)
		}
		if _, err := h.Login(ctx, "bob@example.com", authtest.Password); err != nil {
			t.Error(err)
		}
	})
}

func TestAProfileIsChangedFromALiveSessionOnly(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	name := "Eve"
	for what, end := range map[string]func(auth.Identity) error{
		"logout":  func(id auth.Identity) error { return h.Logout(ctx, id) },
		"disable": func(id auth.Identity) error { return h.DisableUser(ctx, id.User.ID) },
		"delete":  func(id auth.Identity) error { return h.DeleteUser(ctx, id.User.ID) },
	} {
		id := h.Register().Identity()
		if err := end(id); err != nil {
			t.Fatal(err)
		}
		if _, err := h.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name}); err != auth.ErrInvalidToken {
			t.Errorf("after %s: %v", what, err)
		}
	}
}

// A password that was compared is charged, whatever became of its code. Here the
// one slot to hash in is taken away at every instant of the call that the clock is asked for.
func TestAWrongPasswordIsChargedWhenTheCodeCannotBeChecked(t *testing.T) {
	t.Parallel()
	onlyThePassword := 0 // was checked
	for nth := int64(1); ; nth++ {
		var h *authtest.Harness
		var armed atomic.Bool
		var asked atomic.Int64
		clock, release := authtest.NewClock(), func() {}
		h = authtest.With(t, memstore.New(), auth.Config{
			HashSlots: 1, HashQueue: -1,
			Limits: auth.Limits{LoginByAccountAddress: store.Limit{Burst: 1, Every: time.Hour}},
			Now: func() time.Time {
				if armed.Load() && asked.Add(1) == nth {
					release = h.OccupyHashing()
				}
				return clock.Now()
			},
		})
		h.Clock = clock
		u := h.Register()
		u.EnableTwoFactor()
		u.Login()
		id, email := u.Identity(), "new@example.com"
		auth.AwaitBackground(h.Manager) // it asks for the time too
		armed.Store(true)
		_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email, CurrentPassword: "wrong wrong wrong", Code: "12345678"})
		armed.Store(false)
		release()
		charged := errors.Is(login(t.Context(), h.Manager, u.Email, authtest.Password), auth.ErrRateLimited)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		told := map[auth.EventType]bool{}
		for _, e := range h.Events.All() {
			told[e.Type] = true
		}
		compared := told[auth.EventReauthFailed]
		if compared != charged || compared != errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("instant %d: compared: %v, charged: %v, %v", nth, compared, charged, err)
		}
		if compared && told[auth.EventOverloaded] {
			onlyThePassword++
		}
		if asked.Load() < nth {
			break
		}
	}
	if onlyThePassword == 0 {
		t.Error("no slot was ever taken away between the two")
	}
}

func TestOneAccountCannotWriteWithoutEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		alice, bob := h.Register(), h.Register()
		var commits atomic.Int64
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" {
				commits.Add(1)
			}
			return nil
		}, nil)
		rename := func(id auth.Identity, n int) error {
			name := fmt.Sprintf("Ada %d", n)
			_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{FullName: &name})
			return err
		}
		id := alice.Identity()
		refused := 0
		for i, err := range atOnce(t, 100, func(i int) error { return rename(id, i) }) {
			switch {
			case errors.Is(err, auth.ErrRateLimited):
				refused++
			case err != nil:
				t.Errorf("change %d: %v", i, err)
			}
		}
		if refused != 100-60 || commits.Load() > 2*60 {
			t.Errorf("100 changes at once: %d were refused, %d Commits", refused, commits.Load())
		}
		if err := rename(bob.Identity(), 1); err != nil {
			t.Errorf("another user's change: %v", err)
		}
		if err := h.ChangePassword(t.Context(), id, authtest.Password, otherPassword); err != nil {
			t.Errorf("a change of the password after them: %v", err)
		}
		h.Clock.Advance(time.Second)
		if err := errors.Join(rename(id, 1), h.Logout(t.Context(), id)); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

// PR-2: who mistypes the new address keeps the code, and is not charged for it.
func TestNoCodeIsSpentOnAnAddressThatIsTaken(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		few := store.Limit{Burst: 2, Every: 24 * time.Hour}
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{
			LoginByAddress: plenty, LoginByAccountAddress: few, CodeByAccount: few, RegisterByAddress: store.Limit{Burst: 5, Every: 24 * time.Hour},
		}})
		ctx := clientAt(t, "192.0.2.1")
		u, other := h.Register(), h.Register()
		code := u.EnableTwoFactor()[0]
		u.Login()
		id := u.Identity()
		change := func(email string) error {
			_, err := h.UpdateProfile(ctx, id, auth.ProfileChange{Email: &email, CurrentPassword: authtest.Password, Code: code})
			return err
		}
		for range 3 {
			if err := change(other.Email); !errors.Is(err, auth.ErrEmailTaken) {
				t.Fatalf("an address that is taken: %v", err)
			}
		}
		if err := change("moved@example.com"); err != nil {
			t.Errorf("the same code for a free address: %v", err)
		}
		if err := change("again@example.com"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the code once more: %v, want ErrInvalidCredentials", err)
		}
		h.Clock.Advance(30 * time.Second)
		code = auth.Secret(u.Code())
		if err := change(other.Email); !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("a taken address again: %v", err)
		}
		if err := change("again@example.com"); !errors.Is(err, auth.ErrRateLimited) {
			t.Errorf("beyond the budget of registrations: %v, want ErrRateLimited", err)
		}
	})
}
