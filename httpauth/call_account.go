package httpauth

import (
	"strconv"

	"github.com/datixlab/auth"
)

type registerBody struct {
	Email            string      `json:"email" input:"email" example:"ada@example.com"`
	Password         auth.Secret `json:"password" input:"password" example:"SecurePass123!" doc:"Any text. Common passwords and the email are refused."`
	FullName         string      `json:"full_name" input:"name" example:"Ada Lovelace"`
	OrganizationName *string     `json:"organization_name" input:"noname" example:"Analytical Engines" doc:"Without it the organization is named after the user."`
}

type registration struct {
	ID             string `json:"id" example:"user_1a2b3c"`
	Email          string `json:"email" format:"email" example:"ada@example.com"`
	FullName       string `json:"full_name" example:"Ada Lovelace"`
	OrganizationID string `json:"organization_id" example:"org_1a2b3c"`
	Role           string `json:"role" example:"admin"`
	CreatedAt      string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
}

func (in registerBody) registration() auth.Registration {
	return auth.Registration{
		Email:            in.Email,
		Password:         in.Password,
		FullName:         in.FullName,
		OrganizationName: orZero(in.OrganizationName),
	}
}

func (in registerBody) check(c *call) error { return c.manager.CheckRegistration(in.registration()) }

func register(c *call, in registerBody) (any, error) {
	u, err := c.manager.Register(c, in.registration())
	if err != nil {
		return nil, err
	}
	return registration{
		ID:             u.ID,
		Email:          u.Email,
		FullName:       u.FullName,
		OrganizationID: u.OrganizationID,
		Role:           u.Role,
		CreatedAt:      formatTime(u.CreatedAt),
	}, nil
}

type profile struct {
	ID               string   `json:"id" example:"user_1a2b3c"`
	Email            string   `json:"email" format:"email" example:"ada@example.com"`
	FullName         string   `json:"full_name" example:"Ada Lovelace"`
	Role             string   `json:"role" example:"admin"`
	OrganizationID   string   `json:"organization_id" example:"org_1a2b3c"`
	TwoFactorEnabled bool     `json:"two_factor_enabled" example:"false"`
	AssignedAgents   []string `json:"assigned_agents" example:"agent_1a2b3c"`
	CreatedAt        string   `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
}

func profileOf(u auth.User) profile {
	return profile{
		ID:               u.ID,
		Email:            u.Email,
		FullName:         u.FullName,
		Role:             u.Role,
		OrganizationID:   u.OrganizationID,
		TwoFactorEnabled: u.TwoFactorEnabled,
		AssignedAgents:   append([]string{}, u.AssignedAgents...), // a list, never null
		CreatedAt:        formatTime(u.CreatedAt),
	}
}

// A userProfile is the answer profileOf(*user), in one allocation.
type userProfile struct{ user *auth.User }

// appendJSON implements appender.
func (p userProfile) appendJSON() []byte {
	u := p.user
	size := 160 + len(u.ID) + len(u.Email) + len(u.FullName) + len(u.Role) + len(u.OrganizationID) // 160: the rest
	for _, agent := range u.AssignedAgents {
		size += len(agent) + len(`"",`)
	}
	b := make([]byte, 0, size)
	b = appendText(append(b, `{"id":`...), u.ID)
	b = appendText(append(b, `,"email":`...), u.Email)
	b = appendText(append(b, `,"full_name":`...), u.FullName)
	b = appendText(append(b, `,"role":`...), u.Role)
	b = appendText(append(b, `,"organization_id":`...), u.OrganizationID)
	b = strconv.AppendBool(append(b, `,"two_factor_enabled":`...), u.TwoFactorEnabled)
	b = append(b, `,"assigned_agents":[`...)
	for i, agent := range u.AssignedAgents {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, agent)
	}
	b = append(b, `],"created_at":"`...)
	b = u.CreatedAt.UTC().AppendFormat(b, timeLayout)
	return append(b, `"}`...)
}

func getProfile(c *call) (any, error) { return userProfile{&c.identity.User}, nil }

type updateProfileBody struct {
	FullName        *string      `json:"full_name" input:"name" either:"email" example:"Ada Lovelace"`
	Email           *string      `json:"email" input:"email" either:"full_name"`
	CurrentPassword *auth.Secret `json:"current_password" doc:"For a new email, if the login is not fresh."`
	Code            *auth.Secret `json:"code" doc:"With current_password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

func (in updateProfileBody) change() auth.ProfileChange {
	return auth.ProfileChange{
		FullName:        in.FullName,
		Email:           in.Email,
		CurrentPassword: orZero(in.CurrentPassword),
		Code:            orZero(in.Code),
	}
}

func (in updateProfileBody) check(c *call) error {
	if in.FullName == nil && in.Email == nil { // the member that was sent is the one that could not be read
		return nil
	}
	return c.manager.CheckProfileChange(in.change(), c.identity.User.Email)
}

func updateProfile(c *call, in updateProfileBody) (any, error) {
	u, err := c.manager.UpdateProfile(c, c.identity, in.change())
	if in.Code != nil {
		err = withDetail(err, CodeInvalidCredentials, wrongProof)
	}
	if err != nil {
		return nil, err
	}
	return profileOf(u), nil
}

type changePasswordBody struct {
	CurrentPassword auth.Secret `json:"current_password" example:"SecurePass123!"`
	NewPassword     auth.Secret `json:"new_password" input:"password" example:"NewPass456!" doc:"Any text. Common passwords and the email are refused."`
}

func (in changePasswordBody) check(c *call) error {
	return c.manager.CheckNewPassword(in.NewPassword, c.identity.User.Email)
}

func changePassword(c *call, in changePasswordBody) (any, error) {
	if err := c.manager.ChangePassword(c, c.identity, in.CurrentPassword, in.NewPassword); err != nil {
		return nil, err
	}
	return success{true, "Password changed"}, nil
}
