package auth

import (
	"context"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/store"
)

// maxKnownNetworks is how many address prefixes are remembered for an account.
const maxKnownNetworks = 8

// knownNetworks are the address prefixes that an account's logins came from last.
// Such an address has a budget of its own: whatever strangers use up, its owner gets
// in. It lies with the claim of the email address, where every login reads first, and
// nothing tells whether there is one.
type knownNetworks struct {
	Prefixes []string // the latest last
	newer    []byte
}

func (k *knownNetworks) fields(c *codec) {
	c.strings(&k.Prefixes)
	c.rest(&k.newer)
}

func knownRow(digest string) row[knownNetworks] { return newRow[knownNetworks](knownKey(digest)) }

// addKnownNetwork adds the prefix that a login in full came from to what was read. That it
// may fail costs nobody anything but, under attack, the budget of their own.
// It reports whether others were known and this one was not, an unknown address aside:
// of any number of logins at once, one is told so.
func (m *Manager) addKnownNetwork(ctx context.Context, known row[knownNetworks], prefix string) (unusual bool) {
	err := retryFrom(ctx, func() error { return m.records.read(ctx, &known) }, func() error {
		unusual = false
		if slices.Contains(known.rec.Prefixes, prefix) {
			return nil
		}
		unusual = prefix != netprefix.Unknown && slices.ContainsFunc(known.rec.Prefixes, func(p string) bool { return p != netprefix.Unknown })
		known.rec.Prefixes = append(known.rec.Prefixes, prefix)
		if extra := len(known.rec.Prefixes) - maxKnownNetworks; extra > 0 {
			known.rec.Prefixes = slices.Delete(known.rec.Prefixes, 0, extra)
		}
		return m.records.commit(ctx, known.put())
	})
	return err == nil && unusual
}

// newNetworkNotices bounds the notices of new networks that one user gets.
var newNetworkNotices = store.Limit{Burst: 5, Every: 4 * time.Hour}

// noteNetwork remembers where a login in full came from. If that is new its user is told, but
// not of each where somebody roams.
func (m *Manager) noteNetwork(ctx context.Context, known row[knownNetworks], prefix string, r LoginResult) {
	if !m.addKnownNetwork(ctx, known, prefix) {
		return
	}
	m.emit(ctx, Event{
		Type: EventLoginNewNetwork, Actor: r.session, UserID: r.User.ID, OrganizationID: r.User.OrganizationID, SessionID: r.session,
	})
	if m.notices == nil {
		return
	}
	uid, _ := parseUser(r.User.ID)
	d, err := m.records.hit(ctx, userKey(uid, "newnetwork"), newNetworkNotices, 1, m.now())
	if err == nil && !d.OK {
		return
	}
	m.notify(ctx, Notice{Type: EventLoginNewNetwork, To: r.User.Email, UserID: r.User.ID, Name: r.User.FullName})
}
