package httpauth

import (
	"github.com/datixlab/auth"
)

type deleteAccountBody struct {
	Password *auth.Secret `json:"password" doc:"Always, unless the account has none."`
	Code     *auth.Secret `json:"code" doc:"If two-factor authentication is on, always: a TOTP code, or a backup code."`
}

func deleteAccount(c *call, in deleteAccountBody) (any, error) {
	err := c.manager.DeleteAccount(c, c.identity, orZero(in.Password), orZero(in.Code))
	if err != nil {
		return nil, asCaller(unproven(err, in.Code))
	}
	return success{true, "Account deleted"}, nil
}

type exportBody struct {
	Password *auth.Secret `json:"password" doc:"If the login is not fresh."`
	Code     *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

type export struct {
	Account        exportedAccount      `json:"account"`
	Sessions       []listedSession      `json:"sessions"`
	TrustedDevices []listedDevice       `json:"trusted_devices"`
	APIKeys        []listedKey          `json:"api_keys"`
	Networks       []string             `json:"networks" example:"192.0.2.7" doc:"That the account is known to log in from: IPv4 addresses and IPv6 /64."`
	Organization   exportedOrganization `json:"organization"`
	Events         []exportedEvent      `json:"events"`
}

type exportedAccount struct {
	ID                 string   `json:"id" example:"user_1a2b3c"`
	Email              string   `json:"email" format:"email" example:"ada@example.com"`
	EmailVerified      bool     `json:"email_verified" example:"true"`
	PendingEmail       string   `json:"pending_email,omitempty" format:"email" doc:"Waits for confirm-email."`
	FullName           string   `json:"full_name" example:"Ada Lovelace"`
	Role               string   `json:"role" example:"admin"`
	TwoFactorEnabled   bool     `json:"two_factor_enabled" example:"false"`
	TwoFactorEnabledAt *string  `json:"two_factor_enabled_at" format:"date-time" example:"2026-01-15T10:30:00Z" doc:"Null while it is off."`
	BackupCodesLeft    int      `json:"backup_codes_left" minimum:"0" maximum:"10" example:"0"`
	AssignedAgents     []string `json:"assigned_agents" example:"agent_1a2b3c"`
	CreatedAt          string   `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
}

type exportedOrganization struct {
	ID        string `json:"id" example:"org_1a2b3c"`
	Name      string `json:"name" example:"Analytical Engines"`
	CreatedAt string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
}

// exportedEvent is an event of an audit that is kept.
type exportedEvent struct {
	Time string `json:"time" format:"date-time" example:"2026-01-15T10:30:00Z"`
	Type string `json:"type" example:"login_succeeded"`
}

func exportAccount(c *call, in exportBody) (any, error) {
	x, err := c.manager.ExportAccount(c, c.identity, orZero(in.Password), orZero(in.Code))
	if err != nil {
		return nil, unproven(err, in.Code)
	}
	u := x.User
	return export{
		Account: exportedAccount{
			ID:                 u.ID,
			Email:              u.Email,
			EmailVerified:      u.EmailVerified,
			PendingEmail:       pendingEmail(c, &u),
			FullName:           u.FullName,
			Role:               u.Role,
			TwoFactorEnabled:   u.TwoFactorEnabled,
			TwoFactorEnabledAt: formatTimeOrNull(x.TwoFactor.EnabledAt),
			BackupCodesLeft:    x.TwoFactor.BackupCodesLeft,
			AssignedAgents:     append([]string{}, u.AssignedAgents...), // a list, never null
			CreatedAt:          formatTime(u.CreatedAt),
		},
		Sessions:       listedSessions(c, x.Sessions),
		TrustedDevices: listedDevices(x.TrustedDevices),
		APIKeys:        listedKeys(x.APIKeys),
		Networks:       append([]string{}, x.Networks...),
		Organization:   exportedOrganization{x.Organization.ID, x.Organization.Name, formatTime(x.Organization.CreatedAt)},
		Events:         []exportedEvent{},
	}, nil
}
