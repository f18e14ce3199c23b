package auth

import (
	"context"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/slots"
)

// OccupyHashing takes one hashing slot until release is called.
func (m *Manager) OccupyHashing() (release func()) { return occupy(m.hashSlots) }

// OccupyLargeHashing takes one slot of the hashes that take more memory than ours.
func (m *Manager) OccupyLargeHashing() (release func()) { return occupy(m.largeSlots) }

// OccupyPictures takes the one slot in which QR codes are drawn.
func (m *Manager) OccupyPictures() (release func()) { return occupy(m.pictureSlots) }

func occupy(s *slots.Slots) (release func()) {
	began, done, freed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(freed)
		_ = s.Do(context.Background(), slots.Caller{}, func() {
			close(began)
			<-done
		})
	}()
	<-began
	return func() {
		close(done)
		<-freed
	}
}

// WithoutTurns makes calls of m change one account at the same time, as those of many
// processes do.
func (m *Manager) WithoutTurns() {
	AwaitBackground(m) // it reads m.records
	m.records.Turns = nil
}

// WaitingToHash returns how many calls wait for a hashing slot in each lane.
func (m *Manager) WaitingToHash() (preferred, other int) { return m.hashSlots.Waiting() }

// InBackground reports whether a store is called by the goroutine that New starts.
func InBackground(ctx context.Context) bool { return inBackground(ctx) }

// AwaitBackground waits until the goroutine that New starts has ended.
func AwaitBackground(m *Manager) { <-m.background.done }

// WriteFirstUses writes the first uses of tokens that m has noted.
func WriteFirstUses(m *Manager) error { return m.writeFirstUses() }

// Crash loses what a crash of m loses: the first uses of tokens, and the cache. Nobody may call m
// meanwhile.
func Crash(m *Manager) {
	m.cache = newCheckCache(m.records.Store, m.cfg.MaxRemembered)
	m.firstUses.mu.Lock()
	defer m.firstUses.mu.Unlock()
	clear(m.firstUses.uses)
}

// A RosterView is what an organization's partition says of its members.
type RosterView struct {
	Admins  []string // "user_…"
	Members map[string]MemberView
}

// A MemberView is the record of one member.
type MemberView struct {
	Role              string
	Disabled, Pending bool
}

// Roster reads the roster of an organization, and settles nothing.
func Roster(ctx context.Context, m *Manager, organizationID string) (v RosterView, err error) {
	oid, _ := parseOrganization(organizationID)
	roster := rosterRow(oid)
	if err := m.records.Read(ctx, &roster); err != nil {
		return v, err
	}
	for _, uid := range roster.Rec.Admins {
		v.Admins = append(v.Admins, userIDOf(uid))
	}
	rows, err := record.All[memberRecord](ctx, m.records, memberKey(oid, ""))
	v.Members = map[string]MemberView{}
	for _, row := range rows {
		uid := strings.TrimPrefix(row.Key, memberKey(oid, ""))
		v.Members[userIDOf(uid)] = MemberView{Role: row.Rec.Role, Disabled: row.Rec.Disabled, Pending: !row.Rec.Pending.IsZero()}
	}
	return v, err
}

// EmailDigest is the name of an address in keys.
func EmailDigest(email string) string { return digestOf(email) }

// WriteAccounts writes n accounts straight into the store of m and returns their ids. They have a
// profile and nothing else.
func WriteAccounts(ctx context.Context, m *Manager, n int) (ids []string, err error) {
	var calls []func() error
	for range n {
		uid := ident.Timed(m.now())
		ids = append(ids, userIDOf(uid))
		calls = append(calls, func() error {
			acct := accountRow(uid)
			acct.Rec = account{Email: "someone@example.com", FullName: "Someone", Role: roleMember, Created: m.now()}
			return m.records.Commit(ctx, acct.Put())
		})
	}
	return ids, parallel.Try(100, calls, func(err error) error { return err })
}

// AccountKey returns the key of the account with this id.
func AccountKey(userID string) string { return accountKey(strings.TrimPrefix(userID, userPrefix)) }

// ForgetOrganizations rewrites the sessions and API keys of a user as a version does that names no
// organization in them.
func ForgetOrganizations(ctx context.Context, m *Manager, userID string) {
	uid, _ := parseUser(userID)
	sessions, _ := m.sessionRows(ctx, uid)
	for _, s := range sessions {
		s.Rec.Org = ""
		_ = m.records.Commit(ctx, s.Put())
	}
	keys, _ := m.keyRows(ctx, uid)
	for _, k := range keys {
		k.Rec.Org = ""
		_ = m.records.Commit(ctx, k.Put())
	}
}

// MarkLeaving announces the deletion of a user as an older version does.
func MarkLeaving(ctx context.Context, m *Manager, userID string) error {
	return m.writeAsOlder(ctx, userID, func(rec *memberRecord, admin bool) bool {
		rec.Leaving, rec.Pending = true, m.now()
		return false
	})
}

// SettleAsOlder settles the record of a member as an older version does, which keeps an announced
// change and does not know it.
func SettleAsOlder(ctx context.Context, m *Manager, userID string) error {
	return m.writeAsOlder(ctx, userID, func(rec *memberRecord, admin bool) bool {
		rec.Pending, rec.PendingID, rec.Overlap = time.Time{}, "", false
		return admin
	})
}

// writeAsOlder writes the record of a member as edit leaves it. Edit is told whether the roster has
// the member as an admin, and returns whether it then does.
func (m *Manager) writeAsOlder(ctx context.Context, userID string, edit func(rec *memberRecord, admin bool) bool) error {
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return err
	}
	oid, _ := parseOrganization(acct.Rec.Org)
	rows, err := m.readMember(ctx, oid, uid)
	if err != nil {
		return err
	}
	rec := rows.member.Rec
	admin := edit(&rec, rows.isAdmin())
	return m.records.Commit(ctx, rows.put(rec, admin)...)
}
