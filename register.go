package auth

import (
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/store"
)

const (
	maxName   = 100     // code points in a person's, an organization's or a key's name
	roleAdmin = "admin" // of who registers
)

// A Registration is what a person enters to get an account.
type Registration struct {
	Email    string
	Password Secret
	FullName string
	// OrganizationName is the organization that is made for the account. Empty:
	// one named after the user.
	OrganizationName string
}

// A NewUser is an account that the host makes, in an organization that exists.
type NewUser struct {
	Email          string
	Password       Secret
	FullName       string
	OrganizationID string
	Role           string
}

// Register makes an account and an organization with it as its first admin. The
// error is an [*InputError] that names every field at fault, ErrEmailTaken, or
// ErrRateLimited. A success and ErrEmailTaken tell the caller whether an address
// has an account; Config.Limits.RegisterByAddress bounds how often.
func (m *Manager) Register(ctx context.Context, r Registration) (User, error) {
	u := NewUser{Email: r.Email, Password: r.Password, FullName: r.FullName, Role: roleAdmin}
	canonical, err := m.checkNewUser(u, checkText("organization_name", r.OrganizationName, maxName, false))
	if err != nil {
		return User{}, err
	}
	if err := m.charge(ctx, "", []budget{m.registerBudget(clientPrefix(ctx))}); err != nil {
		return User{}, err
	}
	event := Event{Type: EventRegistered, Role: u.Role}
	return m.create(ctx, u, canonical, event, func(now time.Time) (string, error) {
		if r.OrganizationName == "" {
			return m.createOrganization(ctx, r.FullName, now)
		}
		return m.createOrganization(ctx, r.OrganizationName, now)
	})
}

// CreateUser makes an account in an organization that exists. It is for the host: it
// asks nobody, counts on no budget, and trusts its caller with organization and role.
func (m *Manager) CreateUser(ctx context.Context, u NewUser) (User, error) {
	if _, err := m.Organization(ctx, u.OrganizationID); err != nil {
		return User{}, err
	}
	canonical, err := m.checkNewUser(u, checkRole(u.Role))
	if err != nil {
		return User{}, err
	}
	event := Event{Type: EventRegistered, Actor: actorOf(ctx), Role: u.Role}
	return m.create(ctx, u, canonical, event, func(time.Time) (string, error) {
		return u.OrganizationID, nil
	})
}

// checkNewUser returns the canonical form of the address, or names every field at
// fault; other is one that only the caller has.
func (m *Manager) checkNewUser(u NewUser, other *FieldError) (canonical string, err error) {
	if err := m.ready(); err != nil {
		return "", err
	}
	var fields []FieldError
	canonical, ok := emailaddr.Canonical(u.Email)
	switch {
	case u.Email == "":
		fields = append(fields, FieldError{"email", "required", "It is required."})
	case !ok:
		fields = append(fields, FieldError{"email", "invalid_email", "It is not an email address."})
	}
	if e := checkText("full_name", u.FullName, maxName, true); e != nil {
		fields = append(fields, *e)
	}
	if other != nil {
		fields = append(fields, *other)
	}
	if weak := m.checkPassword("password", u.Password, u.Email); weak != nil {
		return "", inputError(ErrWeakPassword, append([]FieldError{*weak}, fields...)...)
	}
	return canonical, inputError(ErrInvalidInput, fields...)
}

// create is claim, then create: see emailClaim for what a crash in between means. The
// event is who did it.
func (m *Manager) create(ctx context.Context, u NewUser, canonical string, event Event, organization func(now time.Time) (id string, err error)) (User, error) {
	if err := m.checkBreached(ctx, "password", u.Password); err != nil {
		return User{}, err
	}
	now := m.now()
	uid := ident.Timed(now)
	claim, err := m.claimEmail(ctx, canonical, uid)
	if errors.Is(err, ErrEmailTaken) {
		m.emit(ctx, event.taken())
	}
	if err != nil {
		return User{}, err
	}
	acct := accountRow(uid)
	acct.Rec = account{Email: u.Email, FullName: u.FullName, Role: u.Role, Created: now}
	hash, err := m.hashPassword(ctx, u.Password) // only who has the address pays for it
	if err == nil {
		acct.Rec.Org, err = organization(now)
	}
	if err != nil {
		_ = m.records.Commit(context.WithoutCancel(ctx), claim.Remove())
		return User{}, err
	}
	pass := passwordRow(uid)
	pass.Rec = passwordRecord{Hash: hash, Changed: now}
	err = m.records.Commit(ctx, acct.Put(), pass.Put())
	if errors.Is(err, store.ErrConflict) { // we were so slow that the address went to another
		_ = m.records.Commit(context.WithoutCancel(ctx), claim.Remove())
		m.emit(ctx, event.taken())
		return User{}, ErrEmailTaken
	}
	if err != nil {
		return User{}, err
	}
	user := acct.Rec.user(userIDOf(uid))
	event.UserID, event.OrganizationID = user.ID, user.OrganizationID
	m.emit(ctx, event)
	return user, nil
}

// taken is that what the event is of did not happen, because the address is another's.
func (e Event) taken() Event {
	e.Type, e.Role, e.Action = EventEmailTaken, "", "register"
	if e.Actor != "" {
		e.Action = "create_user"
	}
	return e
}
