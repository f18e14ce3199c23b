package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

const month = 30 * 24 * time.Hour

// trusting is a Config with trusted devices.
func trusting() auth.Config {
	return auth.Config{Limits: noLoginLimits(), TrustedDevices: auth.DeviceTrust{TTL: month}}
}

// byDevice logs in with the password and a device token.
func byDevice(t *testing.T, m *auth.Manager, u *authtest.User, device auth.Secret) auth.LoginResult {
	t.Helper()
	r, err := m.LoginWithDevice(t.Context(), u.Email, authtest.Password, device)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// asksForCode fails the test unless a login with the device token waits for its code, as without
// one.
func asksForCode(t *testing.T, m *auth.Manager, u *authtest.User, what string, device auth.Secret) {
	t.Helper()
	r, err := m.LoginWithDevice(t.Context(), u.Email, authtest.Password, device)
	if err != nil || !r.TwoFactorRequired() || r.AccessToken.Token != "" || r.User.ID != "" || r.DeviceToken != "" {
		t.Errorf("%s: %+v, %v", what, r, err)
	}
}

func devicesOf(t *testing.T, m *auth.Manager, userID string) []auth.TrustedDevice {
	t.Helper()
	list, err := m.TrustedDevices(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TD-1.
func TestATrustedDeviceStandsInForTheCode(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, trusting())
		u := h.Register()
		u.EnableTwoFactor()
		device := u.TrustDevice()
		trusted := h.Now()
		if text, ok := strings.CutPrefix(string(device), "dev_"); !ok || len(text) != 43 {
			t.Errorf("the token is %q", string(device))
		}
		h.Clock.Advance(time.Hour)
		for range 2 { // it is not spent
			r := byDevice(t, h.Manager, u, device)
			id := identityOf(t, h.Manager, r.AccessToken.Token)
			if r.TwoFactorRequired() || r.DeviceToken != "" || !slices.Equal(id.AMR, []string{"pwd"}) || id.MultiFactor() || !id.TrustedDevice {
				t.Fatalf("%+v, %+v", r, id)
			}
		}
		list := devicesOf(t, h.Manager, u.ID)
		if len(list) != 1 || !strings.HasPrefix(list[0].ID, "device_") || strings.Contains(list[0].ID, string(device)[4:]) ||
			!list[0].CreatedAt.Equal(trusted) || !list[0].LastUsedAt.Equal(h.Now()) || !list[0].ExpiresAt.Equal(trusted.Add(month)) {
			t.Errorf("listed is %+v", list)
		}
		if keys, _ := remains(t, s, h.Now(), string(device)[4:]); len(keys) != 0 {
			t.Errorf("the token is stored in %v", keys)
		}
		if err := login(t.Context(), h.Manager, u.Email, "a wrong one, and long"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Error(err)
		}
		if _, err := h.LoginWithDevice(t.Context(), u.Email, "a wrong one, and long", device); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("with a wrong password: %v", err)
		}
	})
}

// A device may have two users, and it sends its token whoever logs in.
func TestABoundDeviceTokenIsNobodyElsesWrongCode(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, memstore.New(), trusting())
	u, other := h.Register(), h.Register()
	u.EnableTwoFactor()
	other.EnableTwoFactor()
	r, err := h.Login(t.Context(), u.Email, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = h.VerifyTwoFactorAndTrust(t.Context(), r.TempToken, auth.Secret(u.Code())); err != nil {
		t.Fatal(err)
	}
	bound := r.BoundDeviceToken()
	if text := string(bound); !strings.HasPrefix(text, string(r.DeviceToken)+".") || strings.Contains(text, u.ID[len("user_"):]) || (auth.LoginResult{}).BoundDeviceToken() != "" {
		t.Errorf("it is %s", text)
	}
	if got, err := h.LoginWithDevice(t.Context(), other.Email, authtest.Password, bound); err != nil || !got.TwoFactorRequired() || got.DeviceRefused {
		t.Errorf("of another user: %+v, %v", got, err)
	}
	for what, token := range map[string]auth.Secret{"bound": bound, "as it is": r.DeviceToken} {
		if got, err := h.LoginWithDevice(t.Context(), u.Email, authtest.Password, token); err != nil || got.TwoFactorRequired() || got.DeviceRefused {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	if got, err := h.LoginWithDevice(t.Context(), u.Email, authtest.Password, bound+"x"); err != nil || !got.TwoFactorRequired() || got.DeviceRefused {
		t.Errorf("with another mark: %+v, %v", got, err)
	}
	if err := h.RevokeSessions(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := h.LoginWithDevice(t.Context(), u.Email, authtest.Password, bound); err != nil || !got.TwoFactorRequired() || !got.DeviceRefused {
		t.Errorf("after the trust has ended: %+v, %v", got, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	var counted []string
	for _, e := range h.Events.All() {
		if e.Type == auth.EventSecondFactorFailed {
			counted = append(counted, e.UserID+" "+e.Reason)
		}
	}
	if want := []string{u.ID + " ended"}; !slices.Equal(counted, want) {
		t.Errorf("as a wrong code count %q, not %q", counted, want)
	}
}

// TD-2.
func TestADeviceTokenThatIsNotValidAsksForTheCode(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, trusting())
		u, other := h.Register(), h.Register()
		u.EnableTwoFactor()
		other.EnableTwoFactor()
		device, foreign := u.TrustDevice(), other.TrustDevice()
		text := string(device)
		for what, token := range map[string]auth.Secret{
			"none": "", "of another user": foreign, "without its prefix": auth.Secret(text[4:]), "cut": auth.Secret(text[:len(text)-1]),
			"longer": device + "0", "in quotes": `"` + device + `"`, "spaces": " \n", "unknown": auth.Secret("dev_" + strings.Repeat("a", 43)), "huge": auth.Secret("dev_" + strings.Repeat("a", 1<<16)),
			"its id": auth.Secret(devicesOf(t, h.Manager, u.ID)[0].ID),
		} {
			asksForCode(t, h.Manager, u, what, token)
		}
		if off := twinOn(t, h, s, auth.Config{Limits: noLoginLimits()}); off.TrustsDevices() || !h.TrustsDevices() {
			t.Error("TrustsDevices is not what the Config says")
		} else {
			asksForCode(t, off.Manager, u, "where it is off", device)
		}
		h.Clock.Advance(month - time.Minute)
		if r := byDevice(t, h.Manager, u, device); r.TwoFactorRequired() {
			t.Error("it ends before its time")
		}
		h.Clock.Advance(time.Minute)
		asksForCode(t, h.Manager, u, "expired", device)
		if list := devicesOf(t, h.Manager, u.ID); len(list) != 0 {
			t.Errorf("listed is %+v", list)
		}
	})
}

// TD-2: no answer would tell a client that its token has a line break too many.
func TestSpacesAndLineBreaksAreNoPartOfADeviceToken(t *testing.T) {
	h := authtest.With(t, memstore.New(), trusting())
	u := h.Register()
	u.EnableTwoFactor()
	device := u.TrustDevice()
	for _, token := range []auth.Secret{device + "\n", device + "\r\n", " \t" + device + " ", device[:20] + "\n " + device[20:]} {
		if r := byDevice(t, h.Manager, u, token); r.TwoFactorRequired() {
			t.Errorf("%q asks for a code", string(token))
		}
	}
}

// TD-3: every end of credentials ends the trust, on every way.
func TestWhatEndsCredentialsEndsTheTrustInDevices(t *testing.T) {
	const next = auth.Secret("another, and long enough")
	ctx := context.Background()
	for name, end := range map[string]func(h *authtest.Harness, u *authtest.User) error{
		"password change": func(h *authtest.Harness, u *authtest.User) error {
			err := h.ChangePassword(ctx, u.Identity(), authtest.Password, next)
			return errors.Join(err, h.SetPassword(ctx, u.ID, authtest.Password))
		},
		"password reset": func(_ *authtest.Harness, u *authtest.User) error { u.ResetPassword(authtest.Password); return nil },
		"password set":   func(h *authtest.Harness, u *authtest.User) error { return h.SetPassword(ctx, u.ID, authtest.Password) },
		"another factor": func(h *authtest.Harness, u *authtest.User) error {
			err := h.DisableTwoFactor(ctx, u.Identity(), authtest.Password, auth.Secret(u.Code()))
			u.EnableTwoFactor()
			return err
		},
		"factor reset": func(h *authtest.Harness, u *authtest.User) error {
			err := h.ResetTwoFactor(ctx, u.ID)
			u.Login()
			u.EnableTwoFactor()
			return err
		},
		"new address": func(_ *authtest.Harness, u *authtest.User) error {
			u.Login()
			u.ChangeEmail("moved@example.com")
			return nil
		},
		"logout of the others": func(h *authtest.Harness, u *authtest.User) error {
			_, err := h.LogoutOthers(ctx, u.Identity())
			return err
		},
		"end of sessions": func(h *authtest.Harness, u *authtest.User) error { return h.RevokeSessions(ctx, u.ID) },
		"end of everything": func(h *authtest.Harness, _ *authtest.User) error {
			_, err := h.RevokeAll(ctx, auth.Revocation{})
			return err
		},
		"disabled and enabled": func(h *authtest.Harness, u *authtest.User) error {
			return errors.Join(h.DisableUser(ctx, u.ID), h.EnableUser(ctx, u.ID))
		},
		"removed": func(h *authtest.Harness, u *authtest.User) error {
			return h.RemoveTrustedDevice(ctx, u.Identity(), devicesOf(t, h.Manager, u.ID)[0].ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := trusting()
			cfg.Mailer, cfg.ConfirmEmailChange = &authtest.Mails{}, true
			s, clock := memstore.New(), authtest.NewClock()
			s.Now, cfg.Now = clock.Now, clock.Now
			h := authtest.With(t, s, cfg)
			h.Clock = clock
			u := h.Register()
			u.EnableTwoFactor()
			device := u.TrustDevice()
			h.Clock.Advance(time.Minute)
			if r := byDevice(t, h.Manager, u, device); r.TwoFactorRequired() {
				t.Fatal("the device is not trusted")
			}
			if err := end(h, u); err != nil {
				t.Fatal(err)
			}
			asksForCode(t, h.Manager, u, name, device)
			if list := devicesOf(t, h.Manager, u.ID); len(list) != 0 {
				t.Errorf("listed is %+v", list)
			}
			if u.TrustDevice() == device { // and it can be trusted again
				t.Error("the token is the same")
			}
		})
	}
}

// TD-3: what ends neither all sessions nor a factor leaves devices trusted.
func TestWhatEndsNoCredentialsLeavesDevicesTrusted(t *testing.T) {
	ctx := context.Background()
	h := authtest.With(t, memstore.New(), trusting())
	u := h.Register()
	u.EnableTwoFactor()
	device := u.TrustDevice()
	moved, name := "moved@example.com", "Another Name"
	for _, do := range []struct {
		what string
		err  func() error
	}{
		{"new backup codes", func() error {
			h.Clock.Advance(30 * time.Second)
			_, err := h.ReplaceBackupCodes(ctx, u.Identity(), authtest.Password, auth.Secret(u.Code()))
			return err
		}},
		{"another role", func() error { return h.SetRole(ctx, u.ID, "member") }},
		{"other agents", func() error { return h.SetAssignedAgents(ctx, u.ID, []string{"a"}) }},
		{"an unlocked account", func() error { return h.UnlockUser(ctx, u.ID) }},
		{"an API key", func() error { u.APIKey(); return nil }},
		{"another name", func() error {
			_, err := h.UpdateProfile(ctx, u.Identity(), auth.ProfileChange{FullName: &name})
			return err
		}},
		{"an address that needs no confirmation", func() error {
			_, err := h.UpdateProfile(ctx, u.Identity(), auth.ProfileChange{Email: &moved})
			u.Email = moved
			return err
		}},
		{"a login by the program", func() error {
			_, err := h.LoginAs(ctx, u.ID, auth.Proof{Method: "saml", MultiFactor: true})
			return err
		}},
		{"the logout of its session", func() error { return h.Logout(ctx, u.Identity()) }},
	} {
		if err := do.err(); err != nil {
			t.Fatalf("%s: %v", do.what, err)
		}
		if byDevice(t, h.Manager, u, device).TwoFactorRequired() {
			t.Errorf("%s: a code is asked for", do.what)
		}
	}
}

// TD-4: such a session is no fresh login, while the second factor is on.
func TestASessionByATrustedDeviceIsNeverFresh(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, trusting())
		u := h.Register()
		u.EnableTwoFactor()
		device := u.TrustDevice()
		r := byDevice(t, h.Manager, u, device)
		id, token := identityOf(t, h.Manager, r.AccessToken.Token), string(r.AccessToken.Token)
		for range 2 { // a refresh changes nothing
			email := "moved@example.com"
			_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email})
			if !errors.Is(err, auth.ErrReauthenticationRequired) {
				t.Errorf("an address without a proof: %v", err)
			}
			_, err = h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email, CurrentPassword: authtest.Password})
			if !errors.Is(err, auth.ErrReauthenticationRequired) {
				t.Errorf("an address with the password alone: %v", err)
			}
			if _, err := h.ExportAccount(t.Context(), id, "", ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
				t.Errorf("an export: %v", err)
			}
			h.Clock.Advance(10 * time.Second)
			token = refreshed(t, h.Manager, token)
			id = identityOf(t, h.Manager, auth.Secret(token))
			if !id.TrustedDevice {
				t.Fatal("the session has forgotten its device")
			}
		}
		h.Clock.Advance(30 * time.Second)
		if x, err := h.ExportAccount(t.Context(), id, authtest.Password, auth.Secret(u.Code())); err != nil || len(x.TrustedDevices) != 1 {
			t.Errorf("with both: %+v, %v", x.TrustedDevices, err)
		}
		h.Clock.Advance(30 * time.Second)
		if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, auth.Secret(u.Code())); err != nil {
			t.Fatal(err)
		}
		if _, err := h.ExportAccount(t.Context(), id, "", ""); err != nil {
			t.Errorf("without a second factor its login is as fresh as any: %v", err)
		}
	})
}

// TD-5: nothing but a code makes a device token.
func TestADeviceTokenNeedsACode(t *testing.T) {
	h := authtest.With(t, memstore.New(), trusting())
	u := h.Register()
	if r, err := h.LoginWithDevice(t.Context(), u.Email, authtest.Password, ""); err != nil || r.DeviceToken != "" {
		t.Errorf("without a second factor: %+v, %v", r, err)
	}
	backup := u.EnableTwoFactor()
	both := auth.Proof{Method: "saml", MultiFactor: true}
	if r, err := h.LoginAs(t.Context(), u.ID, both); err != nil || r.DeviceToken != "" {
		t.Errorf("by the program: %+v, %v", r, err)
	}
	temp := firstStep(t, h, u.Email)
	if r, err := h.VerifyTwoFactorAndTrust(t.Context(), temp, wrongCode(u.Code())); !errors.Is(err, auth.ErrInvalidCode) || r.DeviceToken != "" {
		t.Errorf("with a wrong code: %+v, %v", r, err)
	}
	if list := devicesOf(t, h.Manager, u.ID); len(list) != 0 {
		t.Errorf("listed is %+v", list)
	}
	if r, err := h.VerifyTwoFactor(t.Context(), temp, auth.Secret(u.Code())); err != nil || r.DeviceToken != "" {
		t.Errorf("that was not asked for: %+v, %v", r, err)
	}
	first, err := h.LoginAs(t.Context(), u.ID, byOAuth)
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.VerifyTwoFactorAndTrust(t.Context(), first.TempToken, backup[0]) // a backup code is a code
	if err != nil || byDevice(t, h.Manager, u, r.DeviceToken).TwoFactorRequired() {
		t.Errorf("with a backup code: %+v, %v", r, err)
	}
	off := twinOn(t, h, h.Store, auth.Config{Limits: noLoginLimits()})
	r, err = off.VerifyTwoFactorAndTrust(t.Context(), firstStep(t, off, u.Email), backup[1])
	if err != nil || r.DeviceToken != "" || r.AccessToken.Token == "" {
		t.Errorf("where it is off: %+v, %v", r, err)
	}
}

// TD-5: code and trust are one Commit. A call that is cut off anywhere leaves both or neither.
func TestACodeIsSpentWithTheTrustThatItMakes(t *testing.T) {
	for _, carriedOut := range []bool{false, true} {
		for nth := int64(1); ; nth++ {
			tap := newTapStore(memstore.New())
			h := authtest.With(t, tap, trusting())
			u := h.Register()
			u.EnableTwoFactor()
			h.Clock.Advance(30 * time.Second)
			temp, code := firstStep(t, h, u.Email), auth.Secret(u.Code())
			calls := tap.cutOff(nth, carriedOut)
			r, err := h.VerifyTwoFactorAndTrust(t.Context(), temp, code)
			tap.tap(nil, nil)
			spent := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), code) != nil
			if trusted := len(devicesOf(t, h.Manager, u.ID)) == 1; trusted != spent || err == nil && byDevice(t, h.Manager, u, r.DeviceToken).TwoFactorRequired() {
				t.Errorf("cut off at call %d: %v, the device is trusted: %v, the code is spent: %v", nth, err, trusted, spent)
			}
			if calls.Load() < nth {
				break
			}
		}
	}
}

// TD-6.
func TestOneDeviceTooManyTakesThePlaceOfTheOneUnusedForLongest(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := trusting()
		cfg.TrustedDevices.Max = 3
		h := authtest.With(t, s, cfg)
		u := h.Register()
		u.EnableTwoFactor()
		var devices []auth.Secret
		for range 3 {
			h.Clock.Advance(time.Minute)
			devices = append(devices, u.TrustDevice())
		}
		h.Clock.Advance(time.Minute)
		byDevice(t, h.Manager, u, devices[0]) // so the second is the one
		h.Clock.Advance(time.Minute)
		devices = append(devices, u.TrustDevice())
		for i, device := range devices {
			if waits := byDevice(t, h.Manager, u, device).TwoFactorRequired(); waits != (i == 1) {
				t.Errorf("device %d: a code is asked for: %v", i, waits)
			}
		}
		list := devicesOf(t, h.Manager, u.ID)
		if len(list) != 3 {
			t.Fatalf("listed is %+v", list)
		}
		if err := h.RemoveTrustedDevice(t.Context(), u.Identity(), list[0].ID); err != nil {
			t.Fatal(err)
		}
		asksForCode(t, h.Manager, u, "removed", devices[3])
		stranger := h.Register().Identity()
		for _, id := range []string{list[0].ID, "device_" + strings.Repeat("0", 22), "device_", "", string(devices[0])} {
			if err := h.RemoveTrustedDevice(t.Context(), u.Identity(), id); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		if err := h.RemoveTrustedDevice(t.Context(), stranger, list[1].ID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("of another user: %v", err)
		}
		for _, i := range []int{0, 2} {
			if byDevice(t, h.Manager, u, devices[i]).TwoFactorRequired() {
				t.Errorf("device %d is trusted no longer", i)
			}
		}
	})
}

// TD-7: a removal and logins by the device at the same time. None succeeds that begins after it,
// or that has seen the device and writes after it.
func TestARemovedDeviceIsNotBroughtBack(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := raced()
		cfg.TrustedDevices = auth.DeviceTrust{TTL: month}
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, cfg))
		u := h.Register()
		u.EnableTwoFactor()
		device := u.TrustDevice()
		id, own := devicesOf(t, h.Manager, u.ID)[0].ID, u.Identity()
		var late auth.LoginResult
		err := tap.overtaken(t, "/devices", func() (err error) {
			late, err = h.LoginWithDevice(t.Context(), u.Email, authtest.Password, device)
			return err
		}, func() error { return h.RemoveTrustedDevice(t.Context(), own, id) })
		if err != nil || !late.TwoFactorRequired() || len(devicesOf(t, h.Manager, u.ID)) != 0 {
			t.Errorf("a login that a removal overtakes: %+v, %v", late, err)
		}

		device = u.TrustDevice()
		id = devicesOf(t, h.Manager, u.ID)[0].ID
		errs := tap.abreast(t, 12, "/devices", func(ctx context.Context, i int) error {
			if i == 0 {
				return h.RemoveTrustedDevice(ctx, own, id)
			}
			_, err := h.LoginWithDevice(ctx, u.Email, authtest.Password, device)
			return err
		})
		if errs[0] != nil {
			t.Errorf("the removal: %v", errs[0])
		}
		asksForCode(t, h.Manager, u, "removed", device)
		if list := devicesOf(t, h.Manager, u.ID); len(list) != 0 {
			t.Errorf("listed is %+v", list)
		}
	})
}

// TD-8: a refused device token counts as a wrong code, and strangers who use up the codes do not
// lock out a trusted device.
func TestARefusedDeviceTokenCountsAsAWrongCode(t *testing.T) {
	cfg := trusting()
	cfg.Limits.CodeByAccount = store.Limit{Burst: 3, Every: time.Hour}
	h := authtest.With(t, memstore.New(), cfg)
	u := h.Register()
	u.EnableTwoFactor()
	device := u.TrustDevice()
	h.Clock.Advance(30 * time.Second)
	ctx := clientAt(t, "203.0.113.9")
	for range 5 { // what cannot be a token is not counted
		if _, err := h.LoginWithDevice(ctx, u.Email, authtest.Password, "dev_x"); err != nil {
			t.Fatal(err)
		}
	}
	var last auth.LoginResult
	for range 3 {
		var err error
		if last, err = h.LoginWithDevice(ctx, u.Email, authtest.Password, auth.Secret("dev_"+strings.Repeat("a", 43))); err != nil || !last.TwoFactorRequired() {
			t.Fatal(err)
		}
	}
	if err := secondStep(ctx, h.Manager, last.TempToken, auth.Secret(u.Code())); !errors.Is(err, auth.ErrRateLimited) {
		t.Errorf("a code after three guesses: %v", err)
	}
	if r, err := h.LoginWithDevice(ctx, u.Email, authtest.Password, device); err != nil || r.TwoFactorRequired() {
		t.Errorf("the trusted device: %+v, %v", r, err)
	}
}

// trustedAt is a user with a second factor who has trusted a device at home. Three wrong codes use
// up a budget.
func trustedAt(t *testing.T, home context.Context) (h *authtest.Harness, u *authtest.User, r auth.LoginResult) {
	t.Helper()
	cfg := trusting()
	cfg.Limits.CodeByAccount = store.Limit{Burst: 3, Every: time.Hour}
	cfg.Notifier, cfg.Mailer, cfg.ConfirmEmailChange = &authtest.Notices{}, &authtest.Mails{}, true
	h = authtest.With(t, memstore.New(), cfg)
	u = h.Register()
	u.EnableTwoFactor()
	r, err := h.Login(home, u.Email, authtest.Password)
	if err == nil {
		r, err = h.VerifyTwoFactorAndTrust(home, r.TempToken, auth.Secret(u.Code()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return h, u, r
}

// TD-9: a known network has wrong codes of its own, so a device token makes none known. The owner
// hears of a new one.
func TestALoginByATrustedDeviceMakesNoNetworkKnown(t *testing.T) {
	home, away := clientAt(t, "198.51.100.1"), clientAt(t, "203.0.113.9")
	h, u, r := trustedAt(t, home)
	if _, err := h.LoginWithDevice(away, u.Email, authtest.Password, r.DeviceToken); err != nil {
		t.Fatal(err)
	}
	h.AwaitNotice(u, auth.EventDeviceTrusted)
	h.AwaitNotice(u, auth.EventLoginNewNetwork)
	isUnknown(t, h, u, u.Email, "203.0.113.9")
}

// TD-9: nor does what its session does without a code.
func TestAnAddressConfirmedOnATrustedDeviceMakesNoNetworkKnown(t *testing.T) {
	const moved = "moved@example.com"
	home, away := clientAt(t, "198.51.100.1"), clientAt(t, "203.0.113.9")
	h, u, r := trustedAt(t, home)
	email := moved
	if _, err := h.UpdateProfile(home, identityOf(t, h.Manager, r.AccessToken.Token), auth.ProfileChange{Email: &email}); err != nil {
		t.Fatal(err)
	}
	token := h.AwaitMail(auth.MailChangeEmail, moved).Token
	r, err := h.LoginWithDevice(away, u.Email, authtest.Password, r.DeviceToken)
	if err == nil {
		err = h.ConfirmEmail(away, identityOf(t, h.Manager, r.AccessToken.Token), token)
	}
	if err != nil {
		t.Fatal(err)
	}
	isUnknown(t, h, u, moved, "203.0.113.9")
}

// isUnknown fails the test unless wrong codes from addr share the budget of those from all
// networks that are not known.
func isUnknown(t *testing.T, h *authtest.Harness, u *authtest.User, email, addr string) {
	t.Helper()
	h.Clock.Advance(30 * time.Second)
	for i, addr := range []string{addr, addr, "192.0.2.77", addr} {
		ctx := clientAt(t, addr)
		first, err := h.Login(ctx, email, authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		err = secondStep(ctx, h.Manager, first.TempToken, wrongCode(u.Code()))
		if want := []error{auth.ErrInvalidCode, auth.ErrRateLimited}[i/3]; !errors.Is(err, want) {
			t.Errorf("code %d: %v, want %v", i, err, want)
		}
	}
}

// TD-2: a damaged record asks for the code, and keeps nobody from the list and the export.
func TestADamagedRecordOfDevicesAsksForTheCode(t *testing.T) {
	s, clock, cfg := memstore.New(), authtest.NewClock(), trusting()
	s.Now, cfg.Now = clock.Now, clock.Now
	h := authtest.With(t, s, cfg)
	h.Clock = clock
	u := h.Register()
	u.EnableTwoFactor()
	device := u.TrustDevice()
	key := "u." + strings.TrimPrefix(u.ID, "user_") + "/devices"
	if err := s.Commit(t.Context(), store.Put(key, []byte("damaged"))); err != nil {
		t.Fatal(err)
	}
	asksForCode(t, h.Manager, u, "damaged", device)
	if x, err := h.ExportAccount(t.Context(), u.Identity(), "", ""); err != nil || len(x.TrustedDevices) != 0 {
		t.Errorf("the export: %+v, %v", x.TrustedDevices, err)
	}
	if byDevice(t, h.Manager, u, u.TrustDevice()).TwoFactorRequired() {
		t.Error("a device cannot be trusted any more")
	}
}

// TD-10: the policy is met by a user with a second factor, however the login was.
func TestATrustedDeviceMeetsThePolicyAndNoMultiFactorRule(t *testing.T) {
	cfg := trusting()
	cfg.TwoFactorPolicy.Of = auth.Everyone
	cfg.SessionTTL, cfg.MultiFactorSessionTTL = 10*24*time.Hour, time.Hour
	cfg.RefreshAfterExpiry = 5 * time.Hour
	h := authtest.With(t, memstore.New(), cfg)
	u := h.Register()
	u.EnableTwoFactor()
	r := byDevice(t, h.Manager, u, u.TrustDevice())
	id := identityOf(t, h.Manager, r.AccessToken.Token)
	if r.EnrollmentOnly || id.EnrollmentOnly || id.MultiFactor() {
		t.Errorf("%+v", id)
	}
	h.Clock.Advance(2 * time.Hour)
	refreshed(t, h.Manager, string(r.AccessToken.Token)) // so it is no session of a second factor
}
