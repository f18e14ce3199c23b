package httpauth

import (
	"errors"
	"strconv"

	"github.com/datixlab/auth"
)

type registerBody struct {
	Email            string       `json:"email" input:"email" example:"ada@example.com"`
	Password         auth.Secret  `json:"password" input:"password" example:"SecurePass123!" doc:"Any text. Common passwords and the email are refused."`
	FullName         string       `json:"full_name" input:"name" example:"Ada Lovelace"`
	OrganizationName *string      `json:"organization_name" input:"noname" example:"Analytical Engines" doc:"Without it the organization is named after the user."`
	InvitationToken  *auth.Secret `json:"invitation_token" input:"noinvite" doc:"Of an invitation to this email, once. Then there is no organization_name."`
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
		InvitationToken:  orZero(in.InvitationToken),
	}
}

func (in registerBody) check(c *call) error { return c.manager.CheckRegistration(in.registration()) }

func register(c *call, in registerBody) (any, error) {
	u, err := c.manager.Register(c, in.registration())
	if orZero(in.InvitationToken) != "" {
		err = uninvited(err)
	}
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
	EmailVerified    bool     `json:"email_verified" example:"true" doc:"Whether the user has proven that they read its mail."`
	PendingEmail     string   `json:"pending_email,omitempty" format:"email" doc:"Waits for confirm-email."`
	FullName         string   `json:"full_name" example:"Ada Lovelace"`
	Role             string   `json:"role" example:"admin"`
	OrganizationID   string   `json:"organization_id" example:"org_1a2b3c"`
	OrganizationName string   `json:"organization_name" example:"Analytical Engines"`
	TwoFactorEnabled bool     `json:"two_factor_enabled" example:"false"`
	AssignedAgents   []string `json:"assigned_agents" example:"agent_1a2b3c"`
	CreatedAt        string   `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
}

// profileOf returns the profile of the caller's user as an answer.
func profileOf(c *call) (any, error) {
	name, err := c.manager.OrganizationName(c, c.identity.User.OrganizationID)
	if err != nil && !errors.Is(err, auth.ErrNotFound) { // it is being deleted, with the user
		return nil, err
	}
	c.organization = name
	return ownProfile{c}, nil
}

// pendingEmail returns the address of the user that waits for confirm-email now, or "".
func pendingEmail(c *call, u *auth.User) string {
	if u.PendingEmail == "" || !c.manager.Now().Before(u.PendingEmailUntil) {
		return ""
	}
	return u.PendingEmail
}

// An ownProfile is an answer that has the members of profile, about the user of the call. It
// takes one allocation.
type ownProfile struct{ c *call }

// appendJSON implements appender.
func (p ownProfile) appendJSON() []byte {
	u, organization, pending := &p.c.identity.User, p.c.organization, pendingEmail(p.c, &p.c.identity.User)
	size := 240 + len(organization) + len(pending) + len(u.ID) + len(u.Email) + len(u.FullName) + len(u.Role) + len(u.OrganizationID) // 240: the rest
	for _, agent := range u.AssignedAgents {
		size += len(agent) + len(`"",`)
	}
	b := make([]byte, 0, size)
	b = appendText(append(b, `{"id":`...), u.ID)
	b = appendText(append(b, `,"email":`...), u.Email)
	b = strconv.AppendBool(append(b, `,"email_verified":`...), u.EmailVerified)
	if pending != "" {
		b = appendText(append(b, `,"pending_email":`...), pending)
	}
	b = appendText(append(b, `,"full_name":`...), u.FullName)
	b = appendText(append(b, `,"role":`...), u.Role)
	b = appendText(append(b, `,"organization_id":`...), u.OrganizationID)
	b = appendText(append(b, `,"organization_name":`...), organization)
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

func getProfile(c *call) (any, error) { return profileOf(c) }

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
	if err != nil {
		return nil, unproven(err, in.Code)
	}
	c.identity.User = u
	return profileOf(c)
}

type changePasswordBody struct {
	CurrentPassword auth.Secret `json:"current_password" example:"SecurePass123!" doc:"Empty if the account has no password: then a fresh login stands in for it."`
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
