package httpauth

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/datixlab/auth"
)

type adminUser struct {
	ID               string   `json:"id" example:"user_1a2b3c"`
	Email            string   `json:"email" example:"ada@example.com" doc:"Empty, as all that follows, if the record of the account is damaged."`
	EmailVerified    bool     `json:"email_verified" example:"true"`
	PendingEmail     string   `json:"pending_email,omitempty" format:"email" doc:"Waits for confirm-email."`
	FullName         string   `json:"full_name" example:"Ada Lovelace"`
	Role             string   `json:"role" example:"admin"`
	OrganizationID   string   `json:"organization_id" example:"org_1a2b3c"`
	TwoFactorEnabled bool     `json:"two_factor_enabled" example:"false"`
	Disabled         bool     `json:"disabled" example:"false"`
	AssignedAgents   []string `json:"assigned_agents" example:"agent_1a2b3c"`
	CreatedAt        *string  `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z" doc:"Null if the record of the account is damaged."`
}

func adminUserOf(c *call, u auth.User) adminUser {
	return adminUser{
		ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, PendingEmail: pendingEmail(c, &u), FullName: u.FullName, Role: u.Role,
		OrganizationID: u.OrganizationID, TwoFactorEnabled: u.TwoFactorEnabled, Disabled: u.Disabled,
		AssignedAgents: append([]string{}, u.AssignedAgents...), CreatedAt: formatTimeOrNull(u.CreatedAt),
	}
}

type usersQuery struct {
	After          string `query:"after" doc:"Where the page begins: the next of the page before it. Without it the list begins."`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"About how many users the page has."`
	Email          string `query:"email" doc:"Only the account that has this email, in any of its spellings."`
	OrganizationID string `query:"organization_id" doc:"Only the members of this organization."`
}

type adminUsers struct {
	Users []adminUser `json:"users"`
	Next  *string     `json:"next" example:"AUa0bQ" doc:"The after of the next page. Null after the last."`
}

func adminListUsers(c *call, q usersQuery) (any, error) {
	page, err := c.manager.Users(c, auth.UserQuery{After: q.After, Limit: q.Limit, Email: q.Email, Organization: q.OrganizationID})
	if err != nil {
		return nil, err
	}
	list := adminUsers{Users: make([]adminUser, len(page.Users)), Next: textOrNull(page.Next)}
	for i, u := range page.Users {
		list.Users[i] = adminUserOf(c, u)
	}
	return list, nil
}

// textOrNull returns nil for "".
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type createUserBody struct {
	Email            string       `json:"email" input:"email" example:"ada@example.com"`
	FullName         string       `json:"full_name" input:"name" example:"Ada Lovelace"`
	Role             string       `json:"role" example:"admin" doc:"1 to 64 letters, digits, '_', '-', '.' or ':'."`
	OrganizationID   *string      `json:"organization_id" either:"organization_name" example:"org_1a2b3c"`
	OrganizationName *string      `json:"organization_name" input:"name" either:"organization_id" doc:"Makes a new organization, which stays without members too."`
	Password         *auth.Secret `json:"password" input:"password" doc:"Without it the account has none: the user sets the first by a reset."`
	EmailVerified    *bool        `json:"email_verified" doc:"That somebody has proven that the user reads the mail of the email."`
}

func adminCreateUser(c *call, in createUserBody) (any, error) {
	u := auth.NewUser{
		Email: in.Email, FullName: in.FullName, Role: in.Role, OrganizationID: orZero(in.OrganizationID), Password: orZero(in.Password),
		EmailVerified: orZero(in.EmailVerified),
	}
	if (in.OrganizationID == nil) == (in.OrganizationName == nil) {
		return nil, &auth.InputError{Err: auth.ErrInvalidInput, Fields: []auth.FieldError{
			{Field: "organization_id", Code: "required", Detail: "One of organization_id and organization_name is required, and not both."},
		}}
	}
	if in.OrganizationName != nil {
		if _, err := c.manager.UserByEmail(c, in.Email); err == nil { // before there is an organization to remove again
			return nil, auth.ErrEmailTaken
		}
		org, err := c.manager.CreateOrganization(c, *in.OrganizationName)
		if err != nil {
			return nil, asField(err, "name", "organization_name")
		}
		u.OrganizationID = org.ID
	}
	made, err := c.manager.CreateUser(c, u)
	if err != nil {
		if in.OrganizationName != nil {
			_ = c.manager.DeleteOrganization(context.WithoutCancel(c), u.OrganizationID) // otherwise it stays, and is empty
		}
		return nil, err
	}
	return adminUserOf(c, made), nil
}

// asField gives the fields of an InputError that are called from another name.
func asField(err error, from, to string) error {
	input, ok := errors.AsType[*auth.InputError](err)
	if !ok {
		return err
	}
	renamed := &auth.InputError{Err: input.Err}
	for _, f := range input.Fields {
		if f.Field == from {
			f.Field = to
		}
		renamed.Fields = append(renamed.Fields, f)
	}
	return renamed
}

type adminUserDetails struct {
	User           adminUser       `json:"user"`
	HasPassword    bool            `json:"has_password" example:"true"`
	Sessions       []listedSession `json:"sessions"`
	TrustedDevices []listedDevice  `json:"trusted_devices"`
	APIKeys        []listedKey     `json:"api_keys"`
	TwoFactor      twoFactorStatus `json:"two_factor"`
	Locks          []adminLock     `json:"locks"`
}

type adminLock struct {
	Budget  string `json:"budget" example:"code_total" doc:"What wrong attempts have used up: account and account_address for passwords, the others for codes."`
	Network string `json:"network" example:"192.0.2.7" doc:"Whose attempts are refused. Empty for all networks that the account is not known to log in from."`
	Until   string `json:"until" format:"date-time" example:"2026-01-15T10:45:00Z" doc:"When one more attempt is allowed."`
}

func adminGetUser(c *call) (any, error) {
	id := c.variable("user_id")
	u, err := c.manager.User(c, id)
	if err != nil {
		return nil, err
	}
	details := adminUserDetails{User: adminUserOf(c, u), Locks: []adminLock{}}
	for _, read := range []func() error{
		func() (err error) { details.HasPassword, err = c.manager.HasPassword(c, id); return err },
		func() error {
			sessions, err := c.manager.Sessions(c, id)
			details.Sessions = listedSessions(c, sessions)
			return err
		},
		func() error {
			devices, err := c.manager.TrustedDevices(c, id)
			details.TrustedDevices = listedDevices(devices)
			return err
		},
		func() error {
			keys, err := c.manager.UserAPIKeys(c, id)
			details.APIKeys = listedKeys(keys)
			return err
		},
		func() error {
			s, err := c.manager.TwoFactorStatus(c, id)
			details.TwoFactor = twoFactorStatus{s.Enabled, formatTimeOrNull(s.EnabledAt), s.BackupCodesLeft, s.Required, formatTimeOrNull(s.RequiredFrom)}
			return err
		},
		func() error {
			locks, err := c.manager.UserLocks(c, id)
			for _, l := range locks {
				details.Locks = append(details.Locks, adminLock{l.Budget, l.Network, formatTime(l.Until)})
			}
			return err
		},
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return details, nil
}

type updateUserBody struct {
	Email         *string `json:"email" input:"email" either:"full_name" example:"ada@example.com"`
	FullName      *string `json:"full_name" input:"name" either:"email"`
	EmailVerified *bool   `json:"email_verified" either:"email" doc:"Whether somebody has proven that the user reads the mail of the email. Also send the email that was proven, since the user may change it meanwhile. Without it a new email is not verified."`
}

func adminUpdateUser(c *call, in updateUserBody) (any, error) {
	u, err := c.manager.UpdateUser(c, c.variable("user_id"), auth.UserChange{FullName: in.FullName, Email: in.Email, EmailVerified: in.EmailVerified})
	if err != nil {
		return nil, err
	}
	return adminUserOf(c, u), nil
}

// adminAct returns the function of a call that does one thing to the user of its path.
func adminAct(message string, do func(*call, string) error) func(*call) (any, error) {
	return func(c *call) (any, error) {
		if err := do(c, c.variable("user_id")); err != nil {
			return nil, err
		}
		return success{true, message}, nil
	}
}

func enableUser(c *call, id string) error     { return c.manager.EnableUser(c, id) }
func unlockUser(c *call, id string) error     { return c.manager.UnlockUser(c, id) }
func resetTwoFactor(c *call, id string) error { return c.manager.ResetTwoFactor(c, id) }
func revokeSessions(c *call, id string) error { return c.manager.RevokeSessions(c, id) }

type forceBody struct {
	Force *bool `json:"force" doc:"Also if other members of the organization are left without an enabled admin."`
}

// forced returns the context of the call, which says so if the operator forces it.
func forced(c *call, force *bool) context.Context {
	if !orZero(force) {
		return c
	}
	return auth.WithForce(c)
}

// adminGuardedAct is adminAct for what the last enabled admin of an organization is kept from.
func adminGuardedAct(message string, do func(context.Context, string) error) func(*call, forceBody) (any, error) {
	return func(c *call, in forceBody) (any, error) {
		if err := do(forced(c, in.Force), c.variable("user_id")); err != nil {
			return nil, err
		}
		return success{true, message}, nil
	}
}

func adminSendReset(c *call) (any, error) {
	err := c.manager.SendPasswordReset(c, c.variable("user_id"))
	if err != nil {
		return nil, withDetail(err, CodeForbidden, "The user is disabled, and gets no mail.")
	}
	return success{true, "Reset sent"}, nil
}

type setRoleBody struct {
	Role  string `json:"role" example:"member" doc:"1 to 64 letters, digits, '_', '-', '.' or ':'."`
	Force *bool  `json:"force" doc:"Also if other members of the organization are left without an enabled admin."`
}

func adminSetRole(c *call, in setRoleBody) (any, error) {
	if err := c.manager.SetRole(forced(c, in.Force), c.variable("user_id"), in.Role); err != nil {
		return nil, err
	}
	if !slices.Contains(c.manager.Roles(), in.Role) { // meant so, or misspelt
		return success{true, "Role set. It is none of Config.Roles, so no member can change it"}, nil
	}
	return success{true, "Role set"}, nil
}

func adminRevokeKey(c *call) (any, error) {
	if err := c.manager.RevokeUserAPIKey(c, c.variable("user_id"), c.variable("key_id")); err != nil {
		return nil, err
	}
	return success{true, "API key revoked"}, nil
}

type adminOrganization struct {
	ID        string  `json:"id" example:"org_1a2b3c"`
	Name      string  `json:"name" example:"Analytical Engines"`
	CreatedAt *string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z" doc:"Null if the record is damaged."`
}

type organizationsQuery struct {
	After string `query:"after" doc:"Where the page begins: the next of the page before it. Without it the list begins."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"About how many organizations the page has."`
}

type adminOrganizations struct {
	Organizations []adminOrganization `json:"organizations"`
	Next          *string             `json:"next" example:"AUa0bQ" doc:"The after of the next page. Null after the last."`
}

func adminListOrganizations(c *call, q organizationsQuery) (any, error) {
	found, err := c.manager.Organizations(c, auth.OrganizationQuery{After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, err
	}
	list := adminOrganizations{Organizations: make([]adminOrganization, len(found.Organizations)), Next: textOrNull(found.Next)}
	for i, org := range found.Organizations {
		list.Organizations[i] = adminOrganization{org.ID, org.Name, formatTimeOrNull(org.CreatedAt)}
	}
	return list, nil
}

type revokeAllBody struct {
	KeepAPIKeys     *bool `json:"keep_api_keys" doc:"Keeps API keys valid."`
	VoidBackupCodes *bool `json:"void_backup_codes" doc:"Makes the backup codes of every user void."`
}

type revokedAll struct {
	Success bool   `json:"success" example:"true"`
	Message string `json:"message" example:"Everything revoked" doc:"For people."`
	Users   int    `json:"users" example:"1200" doc:"Accounts whose sessions were ended, also those that had none."`
	APIKeys int    `json:"api_keys" example:"87" doc:"Keys that were removed."`
}

func adminRevokeAll(c *call, in revokeAllBody) (any, error) {
	done, err := c.manager.RevokeAll(c, auth.Revocation{KeepAPIKeys: orZero(in.KeepAPIKeys), VoidBackupCodes: orZero(in.VoidBackupCodes)})
	if err != nil {
		return nil, err
	}
	return revokedAll{true, "Everything revoked", done.Users, done.APIKeys}, nil
}

// A stream is an answer that is written while it is made.
type stream func(w io.Writer) error

func adminBackup(c *call) (any, error) {
	if !c.manager.Backups() {
		return nil, auth.ErrUnsupported
	}
	return stream(func(w io.Writer) error { return c.manager.Backup(c, w) }), nil
}

type adminNumbers struct {
	HashSlots      int  `json:"hash_slots" example:"2" doc:"Passwords and codes that are hashed at the same time, at most."`
	HashesWaiting  int  `json:"hashes_waiting" example:"0" doc:"Calls that wait for such a slot."`
	RostersWritten bool `json:"rosters_written" example:"true" doc:"Whether every account is in the roster of its organization, as far as this process knows."`
}

func adminStats(c *call) (any, error) {
	s := c.manager.Stats()
	return adminNumbers{s.HashSlots, s.HashesWaiting, s.RostersWritten}, nil
}
