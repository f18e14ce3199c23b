package httpauth

import (
	"github.com/datixlab/auth"
)

type organization struct {
	ID        string `json:"id" example:"org_1a2b3c"`
	Name      string `json:"name" example:"Analytical Engines"`
	CreatedAt string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
	Members   int    `json:"members" minimum:"0" example:"3" doc:"How many there are, disabled ones too."`
}

func getOrganization(c *call) (any, error) {
	org, err := c.manager.Organization(c, c.identity.User.OrganizationID)
	if err != nil {
		return nil, asCaller(err)
	}
	return describeOrganization(c, org)
}

func describeOrganization(c *call, org auth.Organization) (any, error) {
	n, err := c.manager.MemberCount(c, org.ID)
	if err != nil {
		return nil, asCaller(err)
	}
	return organization{ID: org.ID, Name: org.Name, CreatedAt: formatTime(org.CreatedAt), Members: n}, nil
}

type organizationBody struct {
	Name string `json:"name" input:"name" example:"Analytical Engines"`
}

func updateOrganization(c *call, in organizationBody) (any, error) {
	org, err := c.manager.RenameOrganization(c, c.identity, in.Name)
	if err != nil {
		return nil, asCaller(notAdmin(err))
	}
	return describeOrganization(c, org)
}

// notAdmin returns err. Its detail says who may do what an admin does.
func notAdmin(err error) error {
	return withDetail(err, CodeForbidden, "Only an admin of the organization can do this, and only with roles that the service has and that are not above their own.")
}

type memberList struct {
	Members []listedMember `json:"members"`
	Next    *string        `json:"next" example:"Rk9yIGFmdGVy" doc:"For after, to get the next page. Null after the last."`
}

type listedMember struct {
	ID               string `json:"id" example:"user_1a2b3c"`
	Email            string `json:"email" format:"email" example:"ada@example.com"`
	FullName         string `json:"full_name" example:"Ada Lovelace"`
	Role             string `json:"role" example:"member"`
	JoinedAt         string `json:"joined_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
	TwoFactorEnabled *bool  `json:"two_factor_enabled,omitempty" example:"true" doc:"Only for admins."`
	Disabled         *bool  `json:"disabled,omitempty" example:"false" doc:"Only for admins."`
}

func listMembers(c *call, q page) (any, error) {
	p, err := c.manager.Members(c, c.identity, auth.MemberQuery{After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, asCaller(err)
	}
	list := memberList{Members: make([]listedMember, len(p.Members)), Next: textOrNull(p.Next)}
	for i, m := range p.Members {
		list.Members[i] = describeMember(m, p.ByAdmin)
	}
	return list, nil
}

func describeMember(m auth.Member, byAdmin bool) listedMember {
	d := listedMember{ID: m.ID, Email: m.Email, FullName: m.FullName, Role: m.Role, JoinedAt: formatTime(m.JoinedAt)}
	if byAdmin {
		d.TwoFactorEnabled, d.Disabled = &m.TwoFactorEnabled, &m.Disabled
	}
	return d
}

type memberBody struct {
	Role     string       `json:"role" input:"role" example:"admin" doc:"One of the service's roles, which are here the lowest first. None above the caller's."`
	Password *auth.Secret `json:"password" doc:"If the login is not fresh."`
	Code     *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

func updateMember(c *call, in memberBody) (any, error) {
	m, err := c.manager.SetMemberRole(c, c.identity, c.variable("user_id"), in.Role, orZero(in.Password), orZero(in.Code))
	if err != nil {
		return nil, notAdmin(unproven(err, in.Code))
	}
	return describeMember(m, true), nil
}

// A proofBody is what a call takes that needs a fresh login, and nothing else.
type proofBody struct {
	Password *auth.Secret `json:"password" doc:"If the login is not fresh."`
	Code     *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

func removeMember(c *call, in proofBody) (any, error) {
	err := c.manager.RemoveMember(c, c.identity, c.variable("user_id"), orZero(in.Password), orZero(in.Code))
	if err != nil {
		return nil, notAdmin(unproven(err, in.Code))
	}
	return success{true, "Member removed"}, nil
}

func leaveOrganization(c *call, in proofBody) (any, error) {
	err := c.manager.LeaveOrganization(c, c.identity, orZero(in.Password), orZero(in.Code))
	if err != nil {
		return nil, asCaller(unproven(err, in.Code))
	}
	return success{true, "You have left the organization"}, nil
}
