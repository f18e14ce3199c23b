package auth

import (
	"context"
	"slices"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// maxKnownNetworks is how many address prefixes are kept for an email address.
const maxKnownNetworks = 8

// knownNetworks are the address prefixes that the registration and the last logins with an
// email address came from. A login from one of them is not charged to the budgets that
// strangers can use up. The record is stored with the claim of the email address, which every
// login reads first. No answer shows whether there is one.
type knownNetworks struct {
	Prefixes []string // the latest last
	newer    []byte
}

// Fields implements [record.Fields].
func (k *knownNetworks) Fields(c *record.Codec) {
	c.Strings(&k.Prefixes)
	c.Rest(&k.newer)
}

func knownRow(digest string) record.Row[knownNetworks] {
	return record.New[knownNetworks](knownKey(digest))
}

// newKnownNetworks returns the operation that makes prefixes the only known networks of an
// email address. A new account has none of whoever had the address before.
func newKnownNetworks(canonical string, prefixes []string) store.Op {
	known := knownRow(emailDigest(canonical))
	if len(prefixes) == 0 {
		return store.Delete(known.Key)
	}
	known.Rec.Prefixes = prefixes
	return known.Overwrite()
}

// addKnownNetwork adds to known the prefix that a complete login came from. It reports
// whether other networks were known and this one was not; an unknown address does not count.
// Of logins at the same time, it reports this for one. If it fails, the login has succeeded,
// and the prefix stays charged to the budget that strangers share.
func (m *Manager) addKnownNetwork(ctx context.Context, known record.Row[knownNetworks], prefix string) (unusual bool) {
	_ = m.records.RetryFrom(ctx, "", func() error { return m.records.Read(ctx, &known) }, func() error {
		unusual = false
		if slices.Contains(known.Rec.Prefixes, prefix) {
			return nil
		}
		unusual = prefix != netprefix.Unknown && slices.ContainsFunc(known.Rec.Prefixes, func(p string) bool { return p != netprefix.Unknown })
		known.Rec.Prefixes = append(known.Rec.Prefixes, prefix)
		if extra := len(known.Rec.Prefixes) - maxKnownNetworks; extra > 0 {
			known.Rec.Prefixes = slices.Delete(known.Rec.Prefixes, 0, extra)
		}
		return m.records.Commit(ctx, known.Put())
	})
	return unusual // also if it fails: one event too many is better than none
}

// noteNetwork adds the network of a complete login to the known ones. If it is new, it emits
// an event and notifies the user.
func (m *Manager) noteNetwork(ctx context.Context, known record.Row[knownNetworks], prefix string, r LoginResult) {
	ctx = context.WithoutCancel(ctx) // the login is done, whatever its client does
	if !m.addKnownNetwork(ctx, known, prefix) {
		return
	}
	m.emit(ctx, Event{
		Type: EventLoginNewNetwork, Actor: r.session, UserID: r.User.ID, OrganizationID: r.User.OrganizationID, SessionID: r.session,
	})
	m.notify(ctx, Notice{Type: EventLoginNewNetwork, To: r.User.Email, UserID: r.User.ID, Name: r.User.FullName})
}
