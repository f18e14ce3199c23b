package httpauth

import (
	"errors"
	"time"

	"github.com/datixlab/auth"
)

type loginBody struct {
	Email    string      `json:"email" example:"ada@example.com"`
	Password auth.Secret `json:"password" example:"SecurePass123!"`
}

// loginOnDeviceBody is loginBody where devices can be trusted, under the same name.
type loginOnDeviceBody struct {
	Email       string       `json:"email" example:"ada@example.com"`
	Password    auth.Secret  `json:"password" example:"SecurePass123!"`
	DeviceToken *auth.Secret `json:"device_token" example:"dev_1a2b3c" doc:"Of an earlier verify-2fa on this device, for this account. With it no code is asked for. If the answer is requires_2fa all the same, the token is refused and counts as a wrong code: send it no more. To log in again after reauthentication_required, leave it out."`
}

func (loginOnDeviceBody) variantOf() any { return loginBody{} }

type accessToken struct {
	AccessToken string `json:"access_token" example:"eyJhbGciOiJIUzI1NiIs..."`
	TokenType   string `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn   int64  `json:"expires_in" example:"3600" doc:"Seconds."`
}

type session struct {
	AccessToken string      `json:"access_token" example:"eyJhbGciOiJIUzI1NiIs..."`
	TokenType   string      `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn   int64       `json:"expires_in" example:"3600" doc:"Seconds."`
	User        sessionUser `json:"user"`
}

type sessionUser struct {
	ID               string `json:"id" example:"user_1a2b3c"`
	Email            string `json:"email" format:"email" example:"ada@example.com"`
	FullName         string `json:"full_name" example:"Ada Lovelace"`
	Role             string `json:"role" example:"admin"`
	OrganizationID   string `json:"organization_id" example:"org_1a2b3c"`
	TwoFactorEnabled bool   `json:"two_factor_enabled" example:"false"`
}

// secondStep is the answer to a right password where a second factor is on.
type secondStep struct {
	Requires2FA bool   `json:"requires_2fa" enum:"true" example:"true"`
	TempToken   string `json:"temp_token" example:"temp_1a2b3c" doc:"For verify-2fa, once, within minutes. It is good for nothing else."`
}

func login(c *call, in loginBody) (any, error) {
	return answerLogin(c.manager.Login(c, in.Email, in.Password))
}

func loginOnDevice(c *call, in loginOnDeviceBody) (any, error) {
	return answerLogin(c.manager.LoginWithDevice(c, in.Email, in.Password, orZero(in.DeviceToken)))
}

// answerLogin answers with a session, which has the members of a sessionOnDevice too: a login
// makes no device token.
func answerLogin(res auth.LoginResult, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if res.TwoFactorRequired() {
		return secondStep{true, string(res.TempToken)}, nil
	}
	return sessionOf(res), nil
}

type verifyTwoFactorBody struct {
	TempToken auth.Secret `json:"temp_token" input:"temp" example:"temp_1a2b3c"`
	Code      auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
}

func verifyTwoFactor(c *call, in verifyTwoFactorBody) (any, error) {
	res, err := c.manager.VerifyTwoFactor(c, in.TempToken, in.Code)
	if err != nil {
		return nil, refusedSecondStep(err)
	}
	return sessionOf(res), nil
}

// verifyAndTrustBody is verifyTwoFactorBody where devices can be trusted, under the same name.
type verifyAndTrustBody struct {
	TempToken   auth.Secret `json:"temp_token" input:"temp" example:"temp_1a2b3c"`
	Code        auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
	TrustDevice *bool       `json:"trust_device" example:"true" doc:"Whether later logins on this device need no code: the answer has a device_token then."`
}

func (verifyAndTrustBody) variantOf() any { return verifyTwoFactorBody{} }

// sessionOnDevice is session where devices can be trusted, under the same name.
type sessionOnDevice struct {
	AccessToken string      `json:"access_token" example:"eyJhbGciOiJIUzI1NiIs..."`
	TokenType   string      `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn   int64       `json:"expires_in" example:"3600" doc:"Seconds."`
	User        sessionUser `json:"user"`
	DeviceToken string      `json:"device_token,omitempty" example:"dev_1a2b3c" doc:"Of verify-2fa, if trust_device was true: for login, on this device only. It is shown once. Keep it as a password is kept."`
}

func (sessionOnDevice) variantOf() any { return session{} }

func verifyAndTrust(c *call, in verifyAndTrustBody) (any, error) {
	verify := c.manager.VerifyTwoFactor
	if orZero(in.TrustDevice) {
		verify = c.manager.VerifyTwoFactorAndTrust
	}
	res, err := verify(c, in.TempToken, in.Code)
	if err != nil {
		return nil, refusedSecondStep(err)
	}
	s := sessionOf(res)
	return sessionOnDevice{s.AccessToken, s.TokenType, s.ExpiresIn, s.User, string(res.DeviceToken)}, nil
}

// refusedSecondStep returns the error of a second step for its answer.
func refusedSecondStep(err error) error {
	if errors.Is(err, auth.ErrInvalidToken) {
		// The temp token: not a token that the challenge could speak of.
		return &refusal{code: CodeInvalidToken, detail: "The temp token is malformed, unknown, expired or used, or had as many wrong codes as it may; log in again."}
	}
	return err
}

func sessionOf(res auth.LoginResult) session {
	t := accessTokenOf(res.AccessToken)
	return session{t.AccessToken, t.TokenType, t.ExpiresIn, sessionUser{
		ID:               res.User.ID,
		Email:            res.User.Email,
		FullName:         res.User.FullName,
		Role:             res.User.Role,
		OrganizationID:   res.User.OrganizationID,
		TwoFactorEnabled: res.User.TwoFactorEnabled,
	}}
}

func accessTokenOf(t auth.AccessToken) accessToken {
	return accessToken{string(t.Token), "bearer", int64(t.ExpiresIn / time.Second)}
}

func refresh(c *call) (any, error) {
	t, err := c.manager.Refresh(c, auth.Secret(c.token))
	if err != nil {
		return nil, err
	}
	return accessTokenOf(t), nil
}

func logout(c *call) (any, error) {
	if err := c.manager.LogoutToken(c, auth.Secret(c.token)); err != nil {
		return nil, err
	}
	return success{true, "Logged out successfully"}, nil
}
