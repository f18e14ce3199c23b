package auth

import (
	"context"
	"errors"
)

// A UserQuery says which accounts [Manager.Users] returns. The zero value is the first page of
// all.
type UserQuery struct {
	After        string // the Next of the page before, of the same query
	Limit        int    // about how many accounts a page has, 1 to 200; 0 is 50
	Email        string // only the account that has this address, in any of its spellings
	Organization string // only the members of the organization with this id
}

// A UserPage is a part of a list of accounts.
type UserPage struct {
	Users []User
	Next  string // UserQuery.After of the next page; "" after the last
}

// Users returns a page of accounts, disabled ones too. It is for your program: it checks no
// permission. Next can be passed on to clients: it is sealed, and tells nothing.
//
// The list of all accounts has no order. An account may be in it twice, but none is missing that
// existed from before the first page until after the last. A page may have fewer accounts than
// Limit, even none, and more if the store changes meanwhile. An account whose record is damaged
// has its ID and nothing else. The list reads the whole store, so show people a search by Email
// instead. For reports keep a table of your own, see [EventHandler].
//
// The members of an Organization are listed by the organization, in the order of their ids. On a
// store with accounts of a version without rosters, it is ErrUnavailable until [New] has added them.
//
// The error is:
//   - An [*InputError] for a Limit out of range, and for an After that is of another query, or that
//     no Manager with these Secrets has made.
//   - ErrCursorGone if the list of all must be begun again: another Manager has made the After, on
//     this store or another, or the store has changed its shape.
//   - ErrUnsupported for all accounts of a store that is no [store.Walker].
//   - ErrNotFound if there is no such Organization.
func (m *Manager) Users(ctx context.Context, q UserQuery) (UserPage, error) {
	limit, err := pageLimit(q.Limit)
	if err == nil {
		err = m.ready()
	}
	if err != nil {
		return UserPage{}, err
	}
	oid := ""
	if q.Organization != "" {
		if _, err := m.Organization(ctx, q.Organization); err != nil {
			return UserPage{}, err
		}
		oid, _ = parseOrganization(q.Organization)
	}
	var page UserPage
	switch {
	case q.Email != "":
		page.Users, err = m.usersByEmail(ctx, q)
	case oid != "":
		page.Users, page.Next, err = readMembers(ctx, m, "users of", oid, q.After, limit, m.memberOf)
	default:
		page.Users, page.Next, err = m.allUsers(ctx, q.After, limit)
	}
	if err != nil {
		return UserPage{}, err
	}
	return page, nil
}

// usersByEmail returns the account that has the address of q, if it is in the organization of q.
func (m *Manager) usersByEmail(ctx context.Context, q UserQuery) ([]User, error) {
	if q.After != "" { // there is one page
		return nil, errNoCursor
	}
	u, err := m.UserByEmail(ctx, q.Email)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case q.Organization != "" && u.OrganizationID != q.Organization:
		return nil, nil
	}
	return []User{u}, nil
}

// requireRosters waits for the rosters to be complete, and returns ErrUnavailable if they are not.
// On a store that cannot be walked they are all that there is to know.
func (m *Manager) requireRosters(ctx context.Context) error {
	if m.walks() {
		m.awaitRosters(ctx)
	}
	return m.checkRosters(ctx)
}

// memberOf returns the account of a member, or nil if it is no member: the account decides.
func (m *Manager) memberOf(ctx context.Context, oid, uid string) (*User, error) {
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return nil, err
	}
	if !acct.Exists() || acct.Rec.Deleted || acct.Rec.Org != orgPrefix+oid {
		return nil, nil
	}
	u := m.user(userIDOf(uid), &acct.Rec)
	return &u, nil
}

// allUsers returns accounts of the store from the cursor on.
func (m *Manager) allUsers(ctx context.Context, cursor string, limit int) (users []User, next string, err error) {
	records, next, err := m.readWalk(ctx, "users", cursor, limit, func(key string) bool { return uidOfAccount(key) != "" })
	for _, rec := range records {
		uid := uidOfAccount(rec.Key)
		acct := accountRow(uid)
		if err := acct.Decode(rec.Value); err != nil {
			acct.Rec = account{}
		}
		if !acct.Rec.Deleted {
			users = append(users, m.user(userIDOf(uid), &acct.Rec))
		}
	}
	return users, next, err
}
