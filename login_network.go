package auth

import (
	"bytes"
	"context"
	"slices"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// maxKnownNetworks is how many address prefixes are kept for an email address.
const maxKnownNetworks = 8

// knownNetworks are the address prefixes that the registration and the last logins of a user
// came from. A login from one of them is not charged to the budgets that strangers can use up.
// The record is stored with the claim of the user's email address, which every login reads
// first. No answer shows whether there is one.
//
// It belongs to the claim. A Commit that removes a claim, or replaces that of another user,
// removes it. A record of another user than the claim's, or of none, counts as empty: older
// versions wrote it without a user and left it where it was.
type knownNetworks struct {
	Prefixes []string // the latest last
	User     string   // whose logins they are, in digits
	newer    []byte

	claim record.Row[emailClaim] // as it was read with the record; it is not stored
}

// Fields implements [record.Fields].
func (k *knownNetworks) Fields(c *record.Codec) {
	c.Strings(&k.Prefixes)
	c.String(&k.User)
	c.Rest(&k.newer)
}

func knownRow(digest string) record.Row[knownNetworks] {
	return record.New[knownNetworks](knownKey(digest))
}

// unusual reports whether networks are known and this one is not. An unknown address does not
// count.
func (k *knownNetworks) unusual(prefix string) bool {
	return prefix != netprefix.Unknown && !slices.Contains(k.Prefixes, prefix) &&
		slices.ContainsFunc(k.Prefixes, func(p string) bool { return p != netprefix.Unknown })
}

// newKnownNetworks returns the operation that makes prefixes the only known networks of a
// user, beside the claim of the email address. A new account has none of whoever had the
// address before.
func newKnownNetworks(canonical, uid string, prefixes []string) store.Op {
	known := knownRow(emailDigest(canonical))
	if len(prefixes) == 0 {
		return store.Delete(known.Key)
	}
	known.Rec.Prefixes, known.Rec.User = prefixes, uid
	return known.Overwrite()
}

// readKnown reads the networks that are known to the user who has claimed the address with
// this digest.
func (m *Manager) readKnown(ctx context.Context, digest string) (record.Row[knownNetworks], error) {
	claim, known := claimRow(digest), knownRow(digest)
	if err := m.records.Read(ctx, &claim, &known); err != nil {
		return known, err
	}
	if known.Rec.User != claim.Rec.User {
		known.Rec = knownNetworks{}
	}
	known.Rec.claim = claim
	return known, nil
}

// knownBeside returns the record beside a claim that has just been written, and not read.
func knownBeside(claim record.Row[emailClaim]) record.Row[knownNetworks] {
	known := knownRow(claimDigest(claim.Key))
	known.Rec.claim = claim
	return known
}

// addKnownNetwork adds to known the prefix that a complete login of the user came from. It
// reports whether other networks were known and this one was not; an unknown address does not
// count. Of logins at the same time, it reports this for one. If the claim was replaced or
// removed since the login read it, nothing is added. If addKnownNetwork fails, the login has
// succeeded, and the prefix stays charged to the budget that strangers share.
func (m *Manager) addKnownNetwork(ctx context.Context, known record.Row[knownNetworks], uid, prefix string) (unusual bool) {
	claim, digest := known.Rec.claim, claimDigest(known.Key)
	read := func() (err error) { known, err = m.readKnown(ctx, digest); return err }
	_ = m.records.RetryFrom(ctx, "", read, func() error {
		unusual = false
		if claim.Rec.User != uid || !bytes.Equal(claim.Raw, known.Rec.claim.Raw) {
			return nil
		}
		if slices.Contains(known.Rec.Prefixes, prefix) {
			return nil
		}
		unusual = known.Rec.unusual(prefix)
		known.Rec.Prefixes = append(known.Rec.Prefixes, prefix)
		if extra := len(known.Rec.Prefixes) - maxKnownNetworks; extra > 0 {
			known.Rec.Prefixes = slices.Delete(known.Rec.Prefixes, 0, extra)
		}
		known.Rec.User = uid
		return m.records.Commit(ctx, known.Put(), claim.Unchanged())
	})
	return unusual // also if it fails: one event too many is better than none
}

// forgetNetworks makes every network a stranger's to the user with this address. A login that
// is under way does not bring its network back: the claim is another one.
func (m *Manager) forgetNetworks(ctx context.Context, digest, uid string) error {
	return m.records.Retry(ctx, store.Partition(claimKey(digest)), func() error {
		known, err := m.readKnown(ctx, digest)
		claim := known.Rec.claim
		if err != nil || claim.Rec.User != uid {
			return err
		}
		claim.Rec.Nonce = ident.Random()
		return m.records.Commit(ctx, claim.Put(), store.Delete(known.Key))
	})
}

// noteNetwork adds the network of a complete login to the known ones. If it is new, it emits
// an event and notifies the user. A login by a trusted device adds nothing: a known network has
// codes of its own to get wrong, so a thief of a device token would get them at every network.
func (m *Manager) noteNetwork(ctx context.Context, known record.Row[knownNetworks], prefix string, r LoginResult) {
	ctx = context.WithoutCancel(ctx) // the login is done, whatever its client does
	uid, _ := parseUser(r.User.ID)
	unusual := r.byDevice && known.Rec.unusual(prefix) || !r.byDevice && m.addKnownNetwork(ctx, known, uid, prefix)
	if !unusual {
		return
	}
	m.emit(ctx, Event{
		Type: EventLoginNewNetwork, Actor: r.actor, UserID: r.User.ID, OrganizationID: r.User.OrganizationID, SessionID: r.session,
	})
	m.notify(ctx, Notice{Type: EventLoginNewNetwork, To: r.User.Email, UserID: r.User.ID, Name: r.User.FullName})
}
