package httpauth

import "github.com/datixlab/auth"

func forgotPassword(c *call, in addressBody) (any, error) {
	if err := c.manager.ForgotPassword(c, in.Email); err != nil {
		return nil, err
	}
	return accepted, nil
}

type resetPasswordBody struct {
	Token       auth.Secret `json:"token" input:"reset" example:"rst_1a2b3c" doc:"From the mail, once. It stays valid if the new password is refused."`
	NewPassword auth.Secret `json:"new_password" input:"password" example:"NewPass456!" doc:"Any text. Common passwords and the email are refused."`
}

func (in resetPasswordBody) check(c *call) error {
	return c.manager.CheckNewPassword(in.NewPassword, "")
}

func resetPassword(c *call, in resetPasswordBody) (any, error) {
	if err := c.manager.ResetPassword(c, in.Token, in.NewPassword); err != nil {
		return nil, err
	}
	return success{true, "Password changed"}, nil
}
