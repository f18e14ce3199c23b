package auth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
)

// An Invitation lets the owner of an address join an organization, by a token of one use.
type Invitation struct {
	ID        string // "invitation_…"
	Email     string // whom it is for
	Role      string // what they get
	CreatedAt time.Time
	ExpiresAt time.Time
}

// A NewInvitation says whom an admin invites.
type NewInvitation struct {
	Email string // as for Manager.Register
	Role  string // one of Config.Roles, and not above the role of the inviter
}

// maxInvitations is how many invitations of an organization wait at the same time.
const maxInvitations = 100

// invitationMail is the purpose of invitations. The digits of the organization stand in their tokens
// where others have those of a user.
var invitationMail = mailKind{MailInvitation, "inv_", 7 * 24 * time.Hour}

// An invitationsRecord has the invitations of an organization. They share a record, so that one
// Commit decides on their number, and on one for an address that has another.
type invitationsRecord struct {
	Invitations []invitation
	newer       []byte
}

// An invitation is one that waits, or that is being used at this moment: see organization_join.go.
type invitation struct {
	ID      string
	Digest  []byte // of the token, with the address; none: it was ended while it was being used
	Email   string
	Role    string
	Inviter string // the digits of the user
	Created time.Time
	Expires time.Time
	Mailed  bool   // the token went to the address, so it proves it
	TakenBy string // the digits of the user who joins by it
	TakenID string // the PendingID of that member's record
}

// Fields implements [record.Fields].
func (r *invitationsRecord) Fields(c *record.Codec) {
	record.List(c, &r.Invitations, func(one *invitation) {
		c.String(&one.ID)
		c.Bytes(&one.Digest)
		c.String(&one.Email)
		c.String(&one.Role)
		c.String(&one.Inviter)
		c.Time(&one.Created)
		c.Time(&one.Expires)
		c.Bool(&one.Mailed)
		c.String(&one.TakenBy)
		c.String(&one.TakenID)
	})
	c.Rest(&r.newer)
}

func invitationsRow(oid string) record.Row[invitationsRecord] {
	return record.New[invitationsRecord](invitationsKey(oid))
}

// find returns the invitation with this id, or nil.
func (r *invitationsRecord) find(id string) *invitation {
	for i := range r.Invitations {
		if r.Invitations[i].ID == id {
			return &r.Invitations[i]
		}
	}
	return nil
}

// opened returns the invitation that a token opens for the address with this digest, or nil.
func (r *invitationsRecord) opened(oid, secret, address string) (found *invitation) {
	digest := mailDigest(invitationMail, oid, secret, mailBinding{address: address})
	for i := range r.Invitations {
		if subtle.ConstantTimeCompare(r.Invitations[i].Digest, digest) == 1 {
			found = &r.Invitations[i]
		}
	}
	return found
}

// end ends the invitations for which ends returns true. One that is taken stays until it is settled,
// and is no use to anybody else.
func (r *invitationsRecord) end(ends func(*invitation) bool) {
	r.Invitations = slices.DeleteFunc(r.Invitations, func(one invitation) bool {
		return one.TakenBy == "" && ends(&one)
	})
	for i := range r.Invitations {
		if ends(&r.Invitations[i]) {
			r.Invitations[i].Digest = nil
		}
	}
}

// waits reports whether an invitation can be used, by whoever has its token.
func (i *invitation) waits(now time.Time) bool { return i.Digest != nil && now.Before(i.Expires) }

// describe returns the invitation as users see it.
func (i *invitation) describe() Invitation {
	return Invitation{ID: invitationIDPrefix + i.ID, Email: i.Email, Role: i.Role, CreatedAt: i.Created, ExpiresAt: i.Expires}
}

// Invite invites the owner of an address into the caller's organization. The caller is an admin, and
// the role is not above theirs. The token is good for 7 days and for one use: for
// Registration.InvitationToken, or for [Manager.AcceptInvitation]. With a Config.Mailer the address
// gets it, and the token that Invite returns is "". Without one, hand it to the person yourself: it
// proves no address then. A new invitation replaces that for the same address. If its mail does not
// leave, the token that was mailed before for the same role stays the good one.
//
// When it is used, the inviter must still be a member, enabled and an admin, whose role is not below
// the invited one. Otherwise the invitation is void.
//
// The answer does not show whether the address has an account of another organization. The error is
// an [*InputError], ErrForbidden, ErrAlreadyMember for an address of the organization, or
// ErrInvitationLimit if 100 wait. It may also be ErrRateLimited. A user whose address is not verified
// invites three people by mail, and one more every 8 hours. Any other user and an organization invite
// 20, and one more every 3 minutes.
func (m *Manager) Invite(ctx context.Context, id Identity, n NewInvitation) (Invitation, Secret, error) {
	defer m.calls.Begin()()
	c, oid, err := m.loadAdmin(ctx, id)
	if err != nil {
		return Invitation{}, "", err
	}
	canonical, err := checkInvitation(&n)
	if err != nil {
		return Invitation{}, "", err
	}
	if !m.mayInvite(c.acct.Rec.Role, n.Role) {
		return Invitation{}, "", m.refuseMember(ctx, id)
	}
	if err := m.chargeChange(ctx, c.uid); err != nil {
		return Invitation{}, "", err
	}
	if err := m.checkNoMember(ctx, c, oid, canonical); err != nil {
		return Invitation{}, "", m.refuseInvitation(ctx, id, err)
	}
	charged, err := m.charge(ctx, c.uid, m.inviteBudgets(ctx, c, oid))
	if err != nil {
		return Invitation{}, "", err
	}
	token, secret := newMailToken(invitationMail, oid)
	now, digest := m.now(), emailDigest(canonical)
	made := invitation{
		ID: ident.Random(), Digest: mailDigest(invitationMail, oid, secret, mailBinding{address: digest}),
		Email: n.Email, Role: n.Role, Inviter: c.uid, Created: now, Expires: now.Add(invitationMail.ttl), Mailed: m.SendsMail(),
	}
	e := id.event(EventInvitationCreated)
	e.Role = n.Role
	org, former, err := m.addInvitation(ctx, oid, made)
	if former != nil {
		e.Reason = replaced
	}
	m.report(ctx, err, e)
	if err != nil {
		m.refund(ctx, charged, budget.hits)
		return Invitation{}, "", m.refuseInvitation(ctx, id, err)
	}
	if !made.Mailed {
		return made.describe(), token, nil
	}
	mail := Mail{Purpose: MailInvitation, To: n.Email, UserID: id.User.ID, Token: token, ExpiresAt: made.Expires, Client: clientOf(ctx)}
	if c.acct.Rec.emailVerified() { // otherwise a stranger may write to the mailbox by the names
		mail.Organization, mail.Inviter = nameInMail(org), nameInMail(c.acct.Rec.FullName)
	}
	m.offerInvitation(ctx, oid, made.ID, mail, charged, former.spare(made.Role))
	return made.describe(), "", nil
}

// checkInvitation brings the address into the form in which it is stored, and returns its canonical
// form.
func checkInvitation(n *NewInvitation) (canonical string, err error) {
	var fields []FieldError
	typed := printable.Trim(n.Email)
	canonical, ok := emailaddr.Canonical(typed)
	switch n.Email, _ = emailaddr.Clean(typed); {
	case typed == "":
		fields = append(fields, FieldError{"email", "required", "It is required."})
	case !ok:
		fields = append(fields, FieldError{"email", "invalid_email", notAnAddress})
	default:
		fields = appendMisread(fields, canonical)
	}
	if e := checkRole(n.Role); e != nil {
		fields = append(fields, *e)
	}
	return canonical, inputError(ErrInvalidInput, fields...)
}

// checkNoMember returns ErrAlreadyMember if the address is that of a member. It does the same work
// for every other address, whether it has an account or not.
func (m *Manager) checkNoMember(ctx context.Context, c *principal, oid, canonical string) error {
	owner, _, err := m.emailOwner(ctx, emailDigest(canonical))
	if err != nil {
		return err
	}
	acct := accountRow(cmp.Or(owner, c.uid))
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	if isIn(oid, &acct) && emailaddr.Same(acct.Rec.Email, canonical) {
		return ErrAlreadyMember
	}
	return nil
}

// refuseInvitation returns the error of an invitation that is not made, and reports a refusal.
func (m *Manager) refuseInvitation(ctx context.Context, id Identity, err error) error {
	switch {
	case errors.Is(err, ErrAlreadyMember):
		m.ReportDenied(ctx, id, "already_member")
	case errors.Is(err, ErrInvitationLimit):
		m.ReportDenied(ctx, id, "invitation_limit")
	}
	return err
}

// addInvitation adds an invitation to those of the organization, and ends that for the same address.
// It returns the name of the organization, and that invitation or nil, or ErrInvitationLimit.
func (m *Manager) addInvitation(ctx context.Context, oid string, made invitation) (name string, former *invitation, err error) {
	if err := m.settleTaken(ctx, oid); err != nil {
		return "", nil, err
	}
	digest := digestOf(made.Email)
	err = m.records.Retry(ctx, orgPartition(oid), func() error {
		org, list := orgRow(oid), invitationsRow(oid)
		if err := m.records.Read(ctx, &org, &list); err != nil {
			return err
		}
		if !org.Exists() || org.Rec.Ended {
			return ErrNotFound
		}
		same := func(one *invitation) bool { return digestOf(one.Email) == digest }
		former = nil
		if i := slices.IndexFunc(list.Rec.Invitations, func(one invitation) bool { return same(&one) && one.waits(m.now()) }); i >= 0 {
			former = new(list.Rec.Invitations[i])
		}
		list.Rec.end(func(one *invitation) bool { return same(one) || !one.waits(m.now()) })
		if len(list.Rec.Invitations) >= maxInvitations {
			return ErrInvitationLimit
		}
		name = org.Rec.Name
		list.Rec.Invitations = append(list.Rec.Invitations, made)
		return m.records.Commit(ctx, org.Unchanged(), putInvitations(&list))
	})
	return name, former, err
}

// Invitations returns the invitations into the caller's organization that wait, the newest first. It
// has no token. The caller is an admin: otherwise the error is ErrForbidden.
func (m *Manager) Invitations(ctx context.Context, id Identity) ([]Invitation, error) {
	_, oid, err := m.loadAdmin(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := m.settleTaken(ctx, oid); err != nil {
		return nil, err
	}
	list, now := invitationsRow(oid), m.now()
	err = m.records.Read(ctx, &list)
	var found []Invitation
	for _, one := range slices.Backward(list.Rec.Invitations) {
		if one.TakenBy == "" && one.waits(now) {
			found = append(found, one.describe())
		}
	}
	return found, err
}

// RevokeInvitation ends an invitation into the caller's organization, at once. If it returns nil,
// nobody has joined by it, and nobody will. The caller is an admin: otherwise the error is
// ErrForbidden. It is ErrNotFound for an invitation that does not wait: it is of another organization,
// expired, revoked, replaced or used.
func (m *Manager) RevokeInvitation(ctx context.Context, id Identity, invitationID string) error {
	defer m.calls.Begin()()
	c, oid, err := m.loadAdmin(ctx, id)
	if err != nil {
		return err
	}
	if err := m.chargeChange(ctx, c.uid); err != nil {
		return err
	}
	if err := m.settleTaken(ctx, oid); err != nil {
		return err
	}
	iid, _ := ident.Bare(invitationID, invitationIDPrefix, ident.RandomLen)
	taken := false
	err = m.records.Retry(ctx, orgPartition(oid), func() error {
		list := invitationsRow(oid)
		if err := m.records.Read(ctx, &list); err != nil {
			return err
		}
		one := list.Rec.find(iid)
		if one == nil || !one.waits(m.now()) {
			return ErrNotFound
		}
		taken = one.TakenBy != ""
		list.Rec.end(func(one *invitation) bool { return one.ID == iid })
		return m.records.Commit(ctx, putInvitations(&list))
	})
	if err == nil && taken { // somebody is joining by it; if that fails, nobody can any more
		err = ErrNotFound
	}
	if errors.Is(err, ErrNotFound) {
		m.ReportDenied(ctx, id, "not_found")
	}
	m.report(ctx, err, id.event(EventInvitationRevoked))
	return err
}
