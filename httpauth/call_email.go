package httpauth

import "github.com/datixlab/auth"

type verifyEmailBody struct {
	Token auth.Secret `json:"token" input:"verify" example:"vrf_1a2b3c" doc:"From the mail, once."`
}

func verifyEmail(c *call, in verifyEmailBody) (any, error) {
	if err := c.manager.VerifyEmail(c, in.Token); err != nil {
		return nil, err
	}
	return success{true, "Email verified"}, nil
}

type addressBody struct {
	Email string `json:"email" input:"email" example:"ada@example.com"`
}

// accepted is the answer to every address, so that it does not show who has an account.
var accepted = success{true, "If the address needs this mail, it is on its way"}

func resendVerification(c *call, in addressBody) (any, error) {
	if err := c.manager.ResendVerification(c, in.Email); err != nil {
		return nil, err
	}
	return accepted, nil
}

type confirmEmailBody struct {
	Token auth.Secret `json:"token" input:"change" example:"chg_1a2b3c" doc:"From the mail, once."`
}

func confirmEmail(c *call, in confirmEmailBody) (any, error) {
	if err := c.manager.ConfirmEmail(c, c.identity, in.Token); err != nil {
		return nil, err
	}
	return success{true, "Email changed"}, nil
}

func cancelEmailChange(c *call) (any, error) {
	if err := c.manager.CancelEmailChange(c, c.identity); err != nil {
		return nil, err
	}
	return success{true, "Email change canceled"}, nil
}
