package httpauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/datixlab/auth"
)

// cookies are those of a call by a browser: the ones that came, and those to set.
type cookies struct {
	names *cookieNames
	r     *http.Request
	now   time.Time
	set   []*http.Cookie
}

func (c *cookies) sent(name string) (string, error) { return c.names.sent(c.r, name) }

// put sets a cookie until then.
func (c *cookies) put(name string, value auth.Secret, until time.Time) {
	c.add(name, string(value), max(1, int(until.Sub(c.now)/time.Second)))
}

func (c *cookies) remove(names ...string) {
	for _, name := range names {
		c.add(name, "", -1)
	}
}

func (c *cookies) add(name, value string, maxAge int) {
	c.set = append(c.set, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c *cookies) write(w http.ResponseWriter) {
	for _, one := range c.set {
		http.SetCookie(w, one)
	}
}

// browserSession is session without the token, under the same name.
type browserSession struct {
	ExpiresIn int64       `json:"expires_in" example:"3600" doc:"Seconds, after which refresh is needed."`
	User      sessionUser `json:"user"`
}

func (browserSession) variantOf() any { return session{} }

// browserStep is secondStep without the token, under the same name.
type browserStep struct {
	Requires2FA bool `json:"requires_2fa" enum:"true" example:"true"`
}

func (browserStep) variantOf() any { return secondStep{} }

// browserToken is accessToken without the token, under the same name.
type browserToken struct {
	ExpiresIn int64 `json:"expires_in" example:"3600" doc:"Seconds."`
}

func (browserToken) variantOf() any { return accessToken{} }

// browserCodeBody is verifyTwoFactorBody without the token, under the same name.
type browserCodeBody struct {
	Code auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
}

func (browserCodeBody) variantOf() any { return verifyTwoFactorBody{} }

// browserTrustBody is browserCodeBody where devices can be trusted.
type browserTrustBody struct {
	Code        auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
	TrustDevice *bool       `json:"trust_device" example:"true" doc:"Whether later logins in this browser need no code."`
}

func (browserTrustBody) variantOf() any { return verifyTwoFactorBody{} }

func loginInBrowser(c *call, in loginBody) (any, error) {
	device, err := c.cookies.sent(c.cookies.names.device)
	if err != nil {
		return nil, err
	}
	res, err := c.manager.LoginWithDevice(c, in.Email, in.Password, auth.Secret(device))
	if err != nil {
		return nil, err
	}
	if !res.TwoFactorRequired() {
		return c.beginInBrowser(res), nil
	}
	c.cookies.put(c.cookies.names.secondStep, res.TempToken, res.TempTokenExpiresAt)
	if res.DeviceRefused {
		c.cookies.remove(c.cookies.names.device)
	}
	return browserStep{true}, nil
}

func verifyInBrowser(c *call, in browserCodeBody) (any, error) {
	return c.verifyInBrowser(in.Code, (*auth.Manager).VerifyTwoFactor)
}

func verifyAndTrustInBrowser(c *call, in browserTrustBody) (any, error) {
	if !orZero(in.TrustDevice) {
		return verifyInBrowser(c, browserCodeBody{in.Code})
	}
	return c.verifyInBrowser(in.Code, (*auth.Manager).VerifyTwoFactorAndTrust)
}

func (c *call) verifyInBrowser(code auth.Secret, verify func(*auth.Manager, context.Context, auth.Secret, auth.Secret) (auth.LoginResult, error)) (any, error) {
	temp, err := c.cookies.sent(c.cookies.names.secondStep)
	if err != nil {
		return nil, err
	}
	res, err := verify(c.manager, c, auth.Secret(temp), code)
	if errors.Is(err, auth.ErrInvalidToken) {
		c.cookies.remove(c.cookies.names.secondStep)
	}
	if err != nil {
		return nil, refusedSecondStep(err)
	}
	if res.DeviceToken != "" { // people share browsers
		c.cookies.put(c.cookies.names.device, res.BoundDeviceToken(), res.DeviceTokenExpiresAt)
	}
	return c.beginInBrowser(res), nil
}

// beginInBrowser sets the cookie of a session, which ends the second step, and the session of the
// cookie that was there.
func (c *call) beginInBrowser(res auth.LoginResult) browserSession {
	s := sessionOf(res)
	c.endReplaced()
	c.cookies.put(c.cookies.names.session, res.AccessToken.Token, res.AccessToken.RefreshUntil)
	c.cookies.remove(c.cookies.names.secondStep)
	return browserSession{s.ExpiresIn, s.User}
}

// endReplaced ends the session whose cookie the call replaces. If the store does not do it, that session
// goes on: the login has succeeded.
func (c *call) endReplaced() {
	token, err := c.cookies.sent(c.cookies.names.session)
	if err != nil || token == "" {
		return
	}
	_ = catchPanic(func() error { return c.manager.EndReplacedSession(c, auth.Secret(token)) })
}

func refreshInBrowser(c *call) (any, error) {
	t, err := c.manager.Refresh(c, auth.Secret(c.token))
	if err != nil {
		return nil, err
	}
	c.cookies.put(c.cookies.names.session, t.Token, t.RefreshUntil)
	return browserToken{accessTokenOf(t).ExpiresIn}, nil
}

// ending returns e, which ends the session. In a Browser it ends the cookies too.
func (h *Handler) ending(e endpoint) endpoint {
	if h.names == nil {
		return e
	}
	run := e.run
	e.run = func(c *call) (any, error) {
		answer, err := run(c)
		if _, other := parseCredential(c.cookies.r.Header); err == nil && errors.Is(other, ErrNoCredential) { // not the session of a header
			c.cookies.remove(c.cookies.names.session, c.cookies.names.secondStep)
		}
		return answer, err
	}
	return e
}
