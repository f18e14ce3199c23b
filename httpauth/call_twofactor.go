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
	QRCode      string   `json:"qr_code" pattern:"^data:image/png;base64," example:"data:image/png;base64,iVBORw0KGgo=" doc:"A data URI for scanning."`
	BackupCodes []string `json:"backup_codes" input:"backup" example:"12345678" doc:"Each replaces a TOTP code, once. They have 8 digits, unless the service is configured for more."`
}

func enableTwoFactor(c *call, in enableTwoFactorBody) (any, error) {
	e, err := c.manager.EnableTwoFactor(c, c.identity, orZero(in.Password))
	if err != nil {
		return nil, err
	}
	codes := make([]string, len(e.BackupCodes))
	for i, code := range e.BackupCodes {
		codes[i] = string(code)
	}
	return enrollment{string(e.Secret), "data:image/png;base64," + base64.StdEncoding.EncodeToString(e.QRCode), codes}, nil
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

type disableTwoFactorBody struct {
	Password auth.Secret `json:"password" example:"SecurePass123!"`
	Code     auth.Secret `json:"code" input:"code" example:"123456" doc:"A TOTP code, or a backup code."`
}

func disableTwoFactor(c *call, in disableTwoFactorBody) (any, error) {
	if err := c.manager.DisableTwoFactor(c, c.identity, in.Password, in.Code); err != nil {
		return nil, withDetail(err, CodeInvalidCredentials, wrongProof)
	}
	return success{true, "Two-factor authentication disabled"}, nil
}
