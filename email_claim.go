package auth

import (
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

// An emailClaim says which user has an address, if that user's account agrees. A claim that
// its account does not name is void. So an operation on both partitions may stop after any
// step: the next one that wants the address sees from the account what happened.
//
//	register      claim e → U;  create U with Email e
//	change email  U.PendingEmail = e;  claim e → U;  U.Email = e;  drop the old claim
//	delete        U.Deleted;  drop the claim
//
// An operation under way holds its address for claimHold. After that, whatever takes the
// address over first makes the account give it up, in a conditional Commit. An operation
// that was merely slow then fails at its next step, whatever the clocks say.
type emailClaim struct {
	User  string
	Since time.Time
	Nonce string // makes every claim's bytes its own, so that dropping one drops no other
	newer []byte
}

func (e *emailClaim) Fields(c *record.Codec) {
	c.String(&e.User)
	c.Time(&e.Since)
	c.String(&e.Nonce)
	c.Rest(&e.newer)
}

func claimRow(digest string) record.Row[emailClaim] { return record.New[emailClaim](claimKey(digest)) }

// claimHold is how long an address is held for a registration or change that is
// under way. It is well over the time that one takes, and under the minute after
// which a registration that a crash cut short has freed its address.
const claimHold = 30 * time.Second

// tombstoneTTL is how long the record lasts that stops a registration from continuing
// after its address went to another.
const tombstoneTTL = 24 * time.Hour

// claimEmail makes the address canonical belong to uid, or returns ErrEmailTaken.
// The claim means nothing until the account of uid names the address.
func (m *Manager) claimEmail(ctx context.Context, canonical, uid string) (record.Row[emailClaim], error) {
	claim := claimRow(emailDigest(canonical)) // taken for free until it shows
	err := m.records.RetryFrom(ctx, func() error { return m.records.Read(ctx, &claim) }, func() error {
		if claim.Exists() && claim.Rec.User != uid {
			if err := m.voidClaim(ctx, canonical, claim.Rec); err != nil {
				return err
			}
		}
		claim.Rec = emailClaim{User: uid, Since: m.now(), Nonce: ident.Random()}
		return m.records.Write(ctx, &claim, claim.Put())
	})
	return claim, err
}

// voidClaim returns nil once the account that claim names will never say that the
// address is its own, and ErrEmailTaken if it does or may soon.
func (m *Manager) voidClaim(ctx context.Context, canonical string, claim emailClaim) error {
	acct := accountRow(claim.User)
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	underWay := m.now().Sub(claim.Since) < claimHold
	switch {
	case !acct.Exists() && underWay:
		return ErrEmailTaken
	case !acct.Exists():
		acct.Rec = account{Deleted: true}
		return m.records.Commit(ctx, acct.Put().Until(m.now().Add(tombstoneTTL)))
	case acct.Rec.Deleted:
		return nil
	case emailaddr.Same(acct.Rec.Email, canonical):
		return ErrEmailTaken
	case !emailaddr.Same(acct.Rec.PendingEmail, canonical):
		return nil
	case underWay && m.now().Sub(acct.Rec.PendingSince) < claimHold:
		return ErrEmailTaken
	}
	acct.Rec.clearPendingEmail()
	return m.records.Commit(ctx, acct.Put())
}

// releaseEmail drops a claim that its account no longer names. It is only
// tidiness: the claim is void already, and a failure leaves it to the next who
// wants the address.
func (m *Manager) releaseEmail(ctx context.Context, canonical, uid string) {
	claim := claimRow(emailDigest(canonical))
	if err := m.records.Read(ctx, &claim); err != nil || claim.Rec.User != uid {
		return
	}
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return
	}
	if acct.Exists() && !acct.Rec.Deleted &&
		(emailaddr.Same(acct.Rec.Email, canonical) || emailaddr.Same(acct.Rec.PendingEmail, canonical)) {
		return
	}
	_ = m.records.Commit(ctx, claim.Remove())
}

// emailOwner returns the user whom the address with this digest is claimed for, or
// "", and the address prefixes that its owner is known to come from. The caller reads
// that user's account and believes it, not the claim.
func (m *Manager) emailOwner(ctx context.Context, digest string) (uid string, known record.Row[knownNetworks], err error) {
	claim, known := claimRow(digest), knownRow(digest)
	err = m.records.Read(ctx, &claim, &known)
	return claim.Rec.User, known, err
}

// changeEmail is the change of the caller's address in its steps: announce, claim,
// adopt. emailClaim says why they are safe to be cut off.
func (m *Manager) changeEmail(ctx context.Context, id Identity, c *principal, change ProfileChange, canonical string) error {
	pending := ident.Random()
	err := m.editProfile(ctx, id, c, ProfileChange{}, func(a *account) error {
		if emailaddr.Same(a.PendingEmail, canonical) && m.now().Sub(a.PendingSince) < claimHold {
			pending = a.PendingID // the same change, made twice at once: either may finish it
		}
		a.PendingEmail, a.PendingSince, a.PendingID = *change.Email, m.now(), pending
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := m.claimEmail(ctx, canonical, c.uid); err != nil {
		if errors.Is(err, ErrEmailTaken) {
			m.abandonEmail(ctx, c.uid, pending)
		}
		return err
	}
	return m.editProfile(ctx, id, c, change, func(a *account) error {
		switch {
		case a.PendingID == pending:
			a.clearPendingEmail()
			return nil
		case emailaddr.Same(a.Email, canonical): // the other of the two has finished it
			return nil
		}
		return ErrEmailTaken // another took it over, or the user asked for yet another
	})
}

// abandonEmail takes back the announcement of an address that is taken. Left
// standing, it would only lapse later.
func (m *Manager) abandonEmail(ctx context.Context, uid, pending string) {
	_ = m.records.Retry(ctx, func() error {
		acct := accountRow(uid)
		if err := m.records.Read(ctx, &acct); err != nil || acct.Rec.PendingID != pending {
			return err
		}
		acct.Rec.clearPendingEmail()
		return m.records.Commit(ctx, acct.Put())
	})
}
