package httpauth

import "github.com/datixlab/auth"

type inviteBody struct {
	Email string `json:"email" input:"email" example:"grace@example.com"`
	Role  string `json:"role" input:"role" example:"admin" doc:"One of the service's roles, which are here the lowest first. None above the caller's."`
}

type createdInvitation struct {
	ID        string `json:"id" example:"invitation_1a2b3c"`
	Email     string `json:"email" format:"email" example:"grace@example.com"`
	Role      string `json:"role" example:"member"`
	CreatedAt string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
	ExpiresAt string `json:"expires_at" format:"date-time" example:"2026-01-22T10:30:00Z"`
	Token     string `json:"invitation_token,omitempty" example:"inv_1a2b3c" doc:"Only where the service sends no mail, and only here: it is for the invited person."`
}

func invite(c *call, in inviteBody) (any, error) {
	made, token, err := c.manager.Invite(c, c.identity, auth.NewInvitation{Email: in.Email, Role: in.Role})
	if err != nil {
		return nil, asCaller(notAdmin(err))
	}
	d := describeInvitation(made)
	return createdInvitation{d.ID, d.Email, d.Role, d.CreatedAt, d.ExpiresAt, string(token)}, nil
}

type invitationList struct {
	Invitations []listedInvitation `json:"invitations"`
}

type listedInvitation struct {
	ID        string `json:"id" example:"invitation_1a2b3c"`
	Email     string `json:"email" format:"email" example:"grace@example.com"`
	Role      string `json:"role" example:"member"`
	CreatedAt string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
	ExpiresAt string `json:"expires_at" format:"date-time" example:"2026-01-22T10:30:00Z"`
}

func describeInvitation(i auth.Invitation) listedInvitation {
	return listedInvitation{ID: i.ID, Email: i.Email, Role: i.Role, CreatedAt: formatTime(i.CreatedAt), ExpiresAt: formatTime(i.ExpiresAt)}
}

func listInvitations(c *call) (any, error) {
	found, err := c.manager.Invitations(c, c.identity)
	if err != nil {
		return nil, notAdmin(err)
	}
	list := invitationList{Invitations: make([]listedInvitation, len(found))}
	for i, one := range found {
		list.Invitations[i] = describeInvitation(one)
	}
	return list, nil
}

func revokeInvitation(c *call) (any, error) {
	if err := c.manager.RevokeInvitation(c, c.identity, c.variable("invitation_id")); err != nil {
		return nil, notAdmin(err)
	}
	return success{true, "Invitation revoked"}, nil
}

// What the answers say to a person whose invitation is refused. Which of its causes it is, they do not
// say.
const (
	badInvitation = "The invitation is malformed, unknown, used or expired, or is for another email. If you have used it yourself, log in: you are a member. Otherwise ask for a new one."
	notInvited    = "Nobody can register here without an invitation to the email that is still good. If you have used yours, log in. Otherwise ask for a new one."
	leaveFirst    = "Your organization has other members. Leave it first, and then accept the invitation: it is still good."
)

// uninvited returns err. Its detail says what to do where the token is that of an invitation.
func uninvited(err error) error {
	return withDetail(withDetail(err, CodeInvalidOneTimeToken, badInvitation), CodeRegistrationClosed, notInvited)
}

type acceptInvitationBody struct {
	Token    auth.Secret  `json:"token" input:"invite" example:"inv_1a2b3c" doc:"Of the invitation, once."`
	Password *auth.Secret `json:"password" doc:"If the login is not fresh."`
	Code     *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

func acceptInvitation(c *call, in acceptInvitationBody) (any, error) {
	u, err := c.manager.AcceptInvitation(c, c.identity, in.Token, orZero(in.Password), orZero(in.Code))
	if c.manager.RegistrationOpen() { // otherwise leaving disables the account
		err = withDetail(err, CodeOrganizationNotEmpty, leaveFirst)
	}
	if err != nil {
		return nil, asCaller(uninvited(unproven(err, in.Code)))
	}
	c.identity.User = u
	return profileOf(c)
}
