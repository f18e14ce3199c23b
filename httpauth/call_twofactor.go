package httpauth

import (
	"encoding/base64"

	"github.com/datixlab/auth"
)

type enableTwoFactorBody struct {
	Password *auth.Secret `json:"password" doc:"If the login is not fresh."`
}

type enrollment struct {
	Secret      string   `json:"secret" pattern:"^[A-Z2-7]+$" example:"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" doc:"Base32, for typing in by hand."`
	OTPAuthURL  string   `json:"otpauth_url" pattern:"^otpauth://totp/" example:"otpauth://totp/auth:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=auth&algorithm=SHA1&digits=6&period=30" doc:"The text of the QR code. On a phone, a link to it opens the authenticator."`
	QRCode      string   `json:"qr_code" pattern:"^data:image/png;base64," example:"data:image/png;base64,iVBORw0KGgo=" doc:"A data URI for scanning."`
	BackupCodes []string `json:"backup_codes" input:"backup" example:"12345678" doc:"Each replaces a TOTP code, once. They have 8 digits, unless the service is configured for more."`
}

func enableTwoFactor(c *call, in enableTwoFactorBody) (any, error) {
	e, err := c.manager.EnableTwoFactor(c, c.identity, orZero(in.Password))
	if err != nil {
		return nil, err
	}
	image := "data:image/png;base64," + base64.StdEncoding.EncodeToString(e.QRCode)
	return enrollment{string(e.Secret), string(e.URI), image, texts(e.BackupCodes)}, nil
}

// texts are secrets for an answer that shows them.
func texts(secrets []auth.Secret) []string {
	list := make([]string, len(secrets))
	for i, s := range secrets {
		list[i] = string(s)
	}
	return list
}

type confirmTwoFactorBody struct {
	Code auth.Secret `json:"code" input:"totp" example:"123456"`
}

func confirmTwoFactor(c *call, in confirmTwoFactorBody) (any, error) {
	if err := c.manager.ConfirmTwoFactor(c, c.identity, in.Code); err != nil {
		err = withDetail(err, CodeInvalidCode, notConfirmed)
		return nil, withDetail(err, CodeTwoFactorNotEnabled, nothingToConfirm)
	}
	return success{true, "Two-factor authentication enabled"}, nil
}

// The details of refused confirmations. A backup code confirms nothing, and a code of an earlier
// QR code is not one of the last.
const (
	notConfirmed     = "The code is malformed, wrong or expired. Send the six digits that the authenticator shows for the last QR code or secret. If new codes fail too, set the clock of the authenticator."
	nothingToConfirm = "Nothing waits to be confirmed by this session, or it waited for more than ten minutes; call enable-2fa again."
)

type twoFactorStatus struct {
	Enabled         bool    `json:"enabled" example:"true"`
	EnabledAt       *string `json:"enabled_at" format:"date-time" example:"2026-01-15T10:30:00Z" doc:"Null while it is off."`
	BackupCodesLeft int     `json:"backup_codes_left" minimum:"0" maximum:"10" example:"10" doc:"How many are not used yet."`
	Required        bool    `json:"required" example:"true" doc:"Whether the service demands a second factor of this user, now or from required_from on."`
	RequiredFrom    *string `json:"required_from" format:"date-time" example:"2026-03-01T00:00:00Z" doc:"Since when, or from when on. Null: there is no date."`
}

func getTwoFactor(c *call) (any, error) {
	s, err := c.manager.TwoFactorStatus(c, c.identity.User.ID)
	if err != nil {
		return nil, asCaller(err)
	}
	return twoFactorStatus{s.Enabled, formatTimeOrNull(s.EnabledAt), s.BackupCodesLeft, s.Required, formatTimeOrNull(s.RequiredFrom)}, nil
}

type replaceBackupCodesBody struct {
	Password auth.Secret `json:"password" example:"SecurePass123!" doc:"Empty if the account has no password: then a fresh login stands in for it."`
	Code     auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
}

type newBackupCodes struct {
	BackupCodes []string `json:"backup_codes" input:"backup" example:"12345678" doc:"Ten. Each replaces a TOTP code, once. They have 8 digits, unless the service is configured for more."`
}

func replaceBackupCodes(c *call, in replaceBackupCodesBody) (any, error) {
	codes, err := c.manager.ReplaceBackupCodes(c, c.identity, in.Password, in.Code)
	if err != nil {
		return nil, withDetail(err, CodeInvalidCredentials, wrongProof)
	}
	return newBackupCodes{texts(codes)}, nil
}

type disableTwoFactorBody struct {
	Password auth.Secret `json:"password" example:"SecurePass123!" doc:"Empty if the account has no password: then a fresh login stands in for it."`
	Code     auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
}

func disableTwoFactor(c *call, in disableTwoFactorBody) (any, error) {
	if err := c.manager.DisableTwoFactor(c, c.identity, in.Password, in.Code); err != nil {
		return nil, withDetail(err, CodeInvalidCredentials, wrongProof)
	}
	return success{true, "Two-factor authentication disabled"}, nil
}
