package auth

import (
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/store"
)

// findUser reads the account with this public id, or returns ErrNotFound.
func (m *Manager) findUser(ctx context.Context, userID string) (uid string, acct *row[account], err error) {
	if err := m.ready(); err != nil {
		return "", nil, err
	}
	uid, ok := bareID(userID, userPrefix, timedLen)
	if !ok {
		return "", nil, ErrNotFound
	}
	a := newRow[account](userKey(uid, "acct"))
	if err := m.records.read(ctx, &a); err != nil {
		return "", nil, err
	}
	if !a.exists() || a.rec.Deleted {
		return "", nil, ErrNotFound
	}
	return uid, &a, nil
}

// User returns the account with this id, disabled or not, or ErrNotFound.
func (m *Manager) User(ctx context.Context, userID string) (User, error) {
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return User{}, err
	}
	return acct.rec.user(uid), nil
}

// UserByEmail returns the account that has this address, or ErrNotFound. It is for
// the host: shown to a stranger, the answer says who has an account.
func (m *Manager) UserByEmail(ctx context.Context, email string) (User, error) {
	if err := m.ready(); err != nil {
		return User{}, err
	}
	canonical, ok := canonicalEmail(email)
	if !ok {
		return User{}, ErrNotFound
	}
	uid, err := m.emailOwner(ctx, canonical)
	if err != nil {
		return User{}, err
	}
	u, err := m.User(ctx, publicUser(uid))
	if err == nil && !sameEmail(u.Email, canonical) {
		return User{}, ErrNotFound
	}
	return u, err
}

// A caller is the session that a call comes from, read anew: the identity was true
// when it was proven, and what the call changes is conditional on what is true now.
type caller struct {
	uid, sid string
	acct     row[account]
	session  row[sessionRecord]
}

// readCaller reads the caller's account and session, and more of the same
// partition, at one instant. It returns ErrInvalidToken if the session has ended.
func (m *Manager) readCaller(ctx context.Context, id Identity, more ...scanner) (*caller, error) {
	uid, sid, err := m.sessionOf(id)
	if err != nil {
		return nil, err
	}
	c := &caller{
		uid: uid, sid: sid,
		acct: newRow[account](userKey(uid, "acct")), session: newRow[sessionRecord](sessionKey(uid, sid)),
	}
	if err := m.records.read(ctx, append(more, &c.acct, &c.session)...); err != nil {
		return nil, err
	}
	if !c.session.rec.alive(&c.acct, m.now()) {
		return nil, ErrInvalidToken
	}
	return c, nil
}

// endOthers are the operations that write the caller's account and end every other
// session of the user, and every login that waits for its second factor. They hold
// on the condition that account and session are as they were read.
func (c *caller) endOthers() []store.Op {
	c.acct.rec.Epoch++
	c.session.rec.Epoch = c.acct.rec.Epoch
	return []store.Op{
		c.acct.put(),
		c.session.put().Until(c.session.rec.Expires),
		store.Delete(userKey(c.uid, "temp")),
	}
}

// reauthenticate lets a sensitive call pass if it brings the account's password or,
// where it brings none, comes from a session whose login is fresh.
func (m *Manager) reauthenticate(ctx context.Context, id Identity, pw Secret) error {
	c, err := m.readCaller(ctx, id)
	if err != nil {
		return err
	}
	if pw == "" {
		if m.cfg.FreshLogin > 0 && m.now().Sub(c.session.rec.Created) <= m.cfg.FreshLogin {
			return nil
		}
		return ErrReauthenticationRequired
	}
	return m.guess(ctx, c.uid, m.callerBudgets(ctx, c), func() (bool, error) {
		_, err := m.provePassword(ctx, id, c, pw)
		return err == nil, err
	})
}

// callerBudgets are those of the password of the caller's account: the same that a
// login is charged to, so that a stolen session is no way around them.
func (m *Manager) callerBudgets(ctx context.Context, c *caller) []budget {
	canonical, _ := canonicalEmail(c.acct.rec.Email)
	prefix := clientPrefix(ctx)
	return append(m.passwordBudgets(emailDigest(canonical), prefix), m.addressBudget(prefix))
}

// provePassword returns the password record that pw is the password of, or
// ErrInvalidCredentials. The caller of it has charged the budgets.
func (m *Manager) provePassword(ctx context.Context, id Identity, c *caller, pw Secret) (row[passwordRecord], error) {
	pass := newRow[passwordRecord](userKey(c.uid, "pass"))
	if err := m.records.read(ctx, &pass); err != nil {
		return pass, err
	}
	_, err := m.verifyPassword(ctx, pass.rec.Hash, pw, true)
	if errors.Is(err, ErrInvalidCredentials) {
		m.emit(ctx, Event{Type: EventReauthFailed, UserID: id.User.ID, OrganizationID: id.User.OrganizationID, SessionID: id.SessionID})
	}
	return pass, err
}

// ChangePassword sets a new password and ends the user's other sessions at once, on
// every instance; the caller's goes on. The new password is judged before the
// current one is looked at, so that the order of errors tells nothing. It returns
// an [*InputError] with ErrWeakPassword, or ErrInvalidCredentials if current is not
// the password.
func (m *Manager) ChangePassword(ctx context.Context, id Identity, current, replacement Secret) error {
	c, err := m.readCaller(ctx, id)
	if err != nil {
		return err
	}
	if weak := m.checkPassword(ctx, "new_password", replacement, c.acct.rec.Email); weak != nil {
		return &InputError{Err: ErrWeakPassword, Fields: []FieldError{*weak}}
	}
	err = m.guess(ctx, c.uid, m.callerBudgets(ctx, c), func() (bool, error) {
		proven, err := m.provePassword(ctx, id, c, current)
		if err != nil {
			return false, err
		}
		hash, err := m.hashPassword(ctx, replacement)
		if err != nil {
			return false, err
		}
		err = retry(ctx, func() error {
			pass := newRow[passwordRecord](proven.key)
			if c, err = m.readCaller(ctx, id, &pass); err != nil {
				return err
			}
			if pass.rec.Hash != proven.rec.Hash { // changed meanwhile: current is no longer it
				return ErrInvalidCredentials
			}
			pass.rec.Hash, pass.rec.Changed = hash, m.now()
			return m.records.commit(ctx, append(c.endOthers(), pass.put())...)
		})
		return err == nil, err
	})
	if err != nil {
		return err
	}
	m.emit(ctx, Event{Type: EventPasswordChanged, UserID: id.User.ID, OrganizationID: id.User.OrganizationID, SessionID: id.SessionID})
	m.notice(ctx, EventPasswordChanged, c.uid, &c.acct.rec, c.acct.rec.Email)
	return nil
}

// A ProfileChange is what a user changes about themselves; nil leaves a field.
type ProfileChange struct {
	FullName *string
	Email    *string
	// CurrentPassword allows a change of the address where the login is not fresh.
	CurrentPassword Secret
}

// UpdateProfile changes the caller's profile and returns it. A change of the
// address needs a fresh login or the current password, else the error is
// ErrReauthenticationRequired; from its success on the user logs in with the new
// address, and the old one is free. ErrEmailTaken leaves everything as it was.
func (m *Manager) UpdateProfile(ctx context.Context, id Identity, change ProfileChange) (User, error) {
	c, err := m.readCaller(ctx, id)
	if err != nil {
		return User{}, err
	}
	canonical, err := checkProfile(change)
	if err != nil {
		return User{}, err
	}
	old := c.acct.rec.Email
	if change.Email == nil || sameEmail(old, canonical) { // perhaps another spelling of the same
		err := m.editProfile(ctx, id, &c, change, func(a *account) error {
			if change.Email != nil && !sameEmail(a.Email, canonical) {
				return ErrEmailTaken // given up meanwhile: another spelling would bring it back unclaimed
			}
			return nil
		})
		if err != nil {
			return User{}, err
		}
		m.emit(ctx, Event{Type: EventProfileChanged, UserID: id.User.ID, OrganizationID: id.User.OrganizationID, SessionID: id.SessionID})
		return c.acct.rec.user(c.uid), nil
	}

	if err := m.reauthenticate(ctx, id, change.CurrentPassword); err != nil {
		return User{}, err
	}
	limit := budget{key: "a." + clientPrefix(ctx) + "/register", limit: m.cfg.Limits.RegisterByAddress}
	if err := m.charge(ctx, c.uid, []budget{limit}); err != nil {
		return User{}, err
	}
	if err := m.moveEmail(ctx, id, &c, change, canonical); err != nil {
		return User{}, err
	}
	if was, ok := canonicalEmail(old); ok {
		m.releaseEmail(ctx, was, c.uid)
	}
	m.emit(ctx, Event{Type: EventEmailChanged, UserID: id.User.ID, OrganizationID: id.User.OrganizationID, SessionID: id.SessionID})
	m.notice(ctx, EventEmailChanged, c.uid, &c.acct.rec, old)
	m.notice(ctx, EventEmailChanged, c.uid, &c.acct.rec, c.acct.rec.Email)
	return c.acct.rec.user(c.uid), nil
}

func checkProfile(change ProfileChange) (canonical string, err error) {
	var fields []FieldError
	if change.FullName == nil && change.Email == nil {
		fields = append(fields, FieldError{"full_name", "required", "One of full_name and email is required."})
	}
	if change.FullName != nil {
		if e := checkText("full_name", *change.FullName, maxName, true); e != nil {
			fields = append(fields, *e)
		}
	}
	if change.Email != nil {
		var ok bool
		if canonical, ok = canonicalEmail(*change.Email); !ok {
			fields = append(fields, FieldError{"email", "invalid_email", "It is not an email address."})
		}
	}
	if fields != nil {
		return "", &InputError{Err: ErrInvalidInput, Fields: fields}
	}
	return canonical, nil
}

// editProfile writes the change into the caller's account, on what allow says of it.
func (m *Manager) editProfile(ctx context.Context, id Identity, c **caller, change ProfileChange, allow func(*account) error) error {
	return retry(ctx, func() (err error) {
		if *c, err = m.readCaller(ctx, id); err != nil {
			return err
		}
		a := &(*c).acct.rec
		if err := allow(a); err != nil {
			return err
		}
		if change.FullName != nil {
			a.FullName = *change.FullName
		}
		if change.Email != nil {
			a.Email = *change.Email
		}
		return m.records.commit(ctx, (*c).acct.put(), (*c).session.unchanged())
	})
}

// moveEmail is the change of address in its three steps; emailClaim says why they
// are safe to be cut off.
func (m *Manager) moveEmail(ctx context.Context, id Identity, c **caller, change ProfileChange, canonical string) error {
	var since time.Time // tells this intention from one that replaced it after it was taken back
	err := m.editProfile(ctx, id, c, ProfileChange{}, func(a *account) error {
		now := m.now()
		if !sameEmail(a.PendingEmail, canonical) || now.Sub(a.PendingSince) >= claimGrace {
			a.PendingEmail, a.PendingSince = *change.Email, now
		}
		since = a.PendingSince
		return nil
	})
	if err != nil {
		return err
	}
	uid := (*c).uid
	if _, err := m.claimEmail(ctx, canonical, uid); err != nil {
		if errors.Is(err, ErrEmailTaken) {
			m.abandonEmail(ctx, uid, canonical)
		}
		return err
	}
	return m.editProfile(ctx, id, c, change, func(a *account) error {
		switch {
		case sameEmail(a.PendingEmail, canonical) && a.PendingSince.Equal(since):
			a.PendingEmail, a.PendingSince = "", time.Time{}
			return nil
		case sameEmail(a.Email, canonical): // the same change, made twice at once
			return nil
		}
		return ErrEmailTaken // another took it over, or the user asked for yet another
	})
}

// abandonEmail takes back the intention to change to an address that is taken. Left
// standing, it would only lapse later.
func (m *Manager) abandonEmail(ctx context.Context, uid, canonical string) {
	_ = retry(ctx, func() error {
		acct := newRow[account](userKey(uid, "acct"))
		if err := m.records.read(ctx, &acct); err != nil || !sameEmail(acct.rec.PendingEmail, canonical) {
			return err
		}
		acct.rec.PendingEmail, acct.rec.PendingSince = "", time.Time{}
		return m.records.commit(ctx, acct.put())
	})
}
