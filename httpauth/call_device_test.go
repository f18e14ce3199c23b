package httpauth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// trustDevice logs in with both steps, and trusts the device.
func (f *fixture) trustDevice(email, code, userAgent string) (token, device string) {
	f.t.Helper()
	temp := f.call("POST", "/login", members{"email": email, "password": password}).want(200).text("temp_token")
	a := f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": code, "trust_device": true}, header("User-Agent", userAgent)).want(200).
		wantMembers("access_token", "token_type", "expires_in", "user", "device_token")
	return a.text("access_token"), a.text("device_token")
}

// twoFactorAccount is ada@example.com with a second factor, one step after its last code.
func twoFactorAccount(f *fixture) (token, secret string) {
	f.t.Helper()
	token = f.account("ada@example.com")
	secret, _ = f.enrol(token)
	f.clock.advance(30 * time.Second)
	return token, secret
}

// TD-1.
func TestALoginOnATrustedDeviceNeedsNoCode(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		_, secret := twoFactorAccount(f)
		token, device := f.trustDevice("ada@example.com", f.code(secret), firefox)
		began := f.in(0)
		f.clock.advance(time.Hour / 2)
		a := f.call("POST", "/login", members{"email": "ada@example.com", "password": password, "device_token": device}).want(200).
			wantMembers("access_token", "token_type", "expires_in", "user")
		for _, body := range []members{
			{}, {"device_token": "dev_1"}, {"device_token": ""}, {"device_token": nil}, {"device_token": "dev_" + strings.Repeat("0", 43)}, {"device_token": token},
		} {
			body["email"], body["password"] = "ada@example.com", password
			f.call("POST", "/login", body).want(200).wantMembers("requires_2fa", "temp_token")
		}
		list := f.call("GET", "/trusted-devices", nil, bearer(token)).want(200).wantMembers("trusted_devices")
		one := dig(list.body["trusted_devices"].([]any)[0])
		wantMembers(t, "listed device", one, "id", "created_at", "expires_at", "last_used_at", "device", "address")
		if one["created_at"] != began || one["last_used_at"] != f.in(0) || one["expires_at"] != f.in(30*24*time.Hour-time.Hour/2) ||
			one["device"] != "Firefox on Linux" || one["address"] != "127.0.0.1" || strings.Contains(list.raw, device) {
			t.Errorf("listed is %v", one)
		}
		// The session of the device can see the list, and is not enough for what needs a fresh login.
		byDevice := a.text("access_token")
		f.call("POST", "/me/export", nil, bearer(byDevice)).want(401, httpauth.CodeReauthenticationRequired)
		f.call("DELETE", "/trusted-devices/"+one["id"].(string), nil, bearer(f.account("eve@example.com"))).want(404, httpauth.CodeNotFound)
		f.call("DELETE", "/trusted-devices/"+one["id"].(string), nil, bearer(byDevice)).want(200).wantMembers("success", "message")
		f.call("DELETE", "/trusted-devices/"+one["id"].(string), nil, bearer(byDevice)).want(404, httpauth.CodeNotFound)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password, "device_token": device}).want(200).wantMembers("requires_2fa", "temp_token")
		f.call("GET", "/me", nil, bearer(byDevice)).want(200)
	})
}

// TD-4: the rules on freshness and on factors see how the session began.
func TestASessionByATrustedDevicePassesNoStrictRule(t *testing.T) {
	f := newFixture(t, setup{})
	_, secret := twoFactorAccount(f)
	full, device := f.trustDevice("ada@example.com", f.code(secret), firefox)
	byDevice := f.call("POST", "/login", members{"email": "ada@example.com", "password": password, "device_token": device}).want(200).text("access_token")
	for _, tc := range []struct {
		rule       httpauth.Rule
		strict, ok string
	}{
		{httpauth.FreshLogin(time.Hour), byDevice, full},
		{httpauth.MultiFactor, byDevice, full},
		{httpauth.TwoFactorUser, "", byDevice},
	} {
		for token, allowed := range map[string]bool{tc.strict: false, tc.ok: true} {
			if token == "" {
				continue
			}
			id, err := f.manager.VerifyAccessToken(context.Background(), auth.Secret(token))
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.rule(httpauth.Access{Identity: id, Now: f.manager.Now()}); (err == nil) != allowed {
				t.Errorf("trusted device %v: %v", id.TrustedDevice, err)
			}
		}
	}
}

// Where devices cannot be trusted, nothing of them is there, and the members are as unknown as any.
func TestWithoutTrustedDevicesThereIsNothingOfThem(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.TrustedDevices = auth.DeviceTrust{} }})
	token, secret := twoFactorAccount(f)
	temp := f.call("POST", "/login", members{"email": "ada@example.com", "password": password, "device_token": 5}).want(200).text("temp_token")
	f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": f.code(secret), "trust_device": "yes"}).want(200).
		wantMembers("access_token", "token_type", "expires_in", "user")
	document := f.call("GET", "/openapi.json", nil).want(200)
	for _, word := range []string{"trusted-devices", "device_token", "trust_device"} {
		if strings.Contains(document.raw, word) {
			t.Errorf("the document has %s", word)
		}
	}
	f.call("POST", "/me/export", nil, bearer(token)).want(200)
	for _, path := range []string{"/trusted-devices", "/trusted-devices/device_1"} {
		f.call("GET", path, nil, bearer(token)).want(404)
		f.call("DELETE", path, nil, bearer(token)).want(404)
	}
}
