package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// An emailClaim says which user has an address, if that user's account agrees. A claim that
// its account does not name is void. So an operation on both partitions may stop after any
// step: the next one that wants the address sees from the account what happened.
//
//	register      claim e → U;  create U with Email e
//	change email  U.PendingEmail = e;  claim e → U;  U.Email = e;  drop the old claim
//	delete        U.Deleted;  drop the claim
//
// The networks that are known to U are beside the claim, and go with it: see knownNetworks.
//
// An operation under way holds its address for claimHold. After that, whatever takes the
// address over first makes the account give it up, in a conditional Commit. An operation
// that was merely slow then fails at its next step, whatever the clocks say.
type emailClaim struct {
	User  string
	Since time.Time
	Nonce string // makes the bytes of every claim different, so that removing one removes no other
	// Org is the digits of the organization that the registration makes for the account. Whoever
	// voids the claim removes it. "" for other claims and those of older versions.
	Org   string
	newer []byte
}

// Fields implements [record.Fields].
func (e *emailClaim) Fields(c *record.Codec) {
	c.String(&e.User)
	c.Time(&e.Since)
	c.String(&e.Nonce)
	c.String(&e.Org)
	c.Rest(&e.newer)
}

func claimRow(digest string) record.Row[emailClaim] { return record.New[emailClaim](claimKey(digest)) }

// claimHold is how long an address is held for a registration or change that is under way.
// One takes far less. If a crash ends one, the address is free again within a minute.
const claimHold = 30 * time.Second

// tombstoneTTL is how long a tombstone lasts. It stops a registration from continuing after
// its address went to another account.
const tombstoneTTL = 24 * time.Hour

// claimEmail writes the claim of uid on the address canonical, or returns ErrEmailTaken. The
// claim is void until the account of uid names the address. The Commit that writes the claim
// also carries out more, which writes or removes the known networks. Without more it removes
// those of another user. Org is emailClaim.Org.
func (m *Manager) claimEmail(ctx context.Context, canonical, uid, org string, more ...store.Op) (record.Row[emailClaim], error) {
	claim := claimRow(emailDigest(canonical)) // not read yet: the Commit fails if there is one
	err := m.records.RetryFrom(ctx, "", func() error { return m.records.Read(ctx, &claim) }, func() error {
		if claim.Exists() && claim.Rec.User != uid {
			if err := m.voidClaim(ctx, canonical, claim.Rec); err != nil {
				return err
			}
		}
		if claim.Rec.User != uid && len(more) == 0 {
			more = []store.Op{store.Delete(knownKey(claimDigest(claim.Key)))} // of the user that had the address before
		}
		claim.Rec = emailClaim{User: uid, Since: m.now(), Nonce: ident.Random(), Org: org}
		return m.records.Write(ctx, &claim, claim.Put(), more...)
	})
	return claim, err
}

// abandonClaim removes the claim of a registration that failed, with the known networks that
// were written with it. It removes neither if the address has another claim by now.
func (m *Manager) abandonClaim(ctx context.Context, canonical string, claim record.Row[emailClaim]) {
	_ = m.records.Commit(context.WithoutCancel(ctx), claim.Remove(), store.Delete(knownKey(emailDigest(canonical))))
}

// voidClaim returns nil if the account that claim names does not have the address and can no
// longer get it by this claim. It returns ErrEmailTaken if the account has it or may get it.
func (m *Manager) voidClaim(ctx context.Context, canonical string, claim emailClaim) error {
	acct := accountRow(claim.User)
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	underWay := isRecent(claim.Since, m.now(), claimHold)
	switch {
	case !acct.Exists() && underWay:
		return ErrEmailTaken
	case !acct.Exists():
		if err := m.voidAccount(ctx, &acct); err != nil {
			return err
		}
		return m.leaveClaimed(ctx, claim)
	case acct.Rec.Deleted:
		return m.leaveClaimed(ctx, claim)
	case emailaddr.Same(acct.Rec.Email, canonical):
		return ErrEmailTaken
	case !emailaddr.Same(acct.Rec.PendingEmail, canonical):
		return nil
	case underWay && isRecent(acct.Rec.PendingSince, m.now(), claimHold):
		return ErrEmailTaken
	}
	acct.Rec.leaveEmail(canonical) // until the claim is replaced
	acct.Rec.clearPendingEmail()
	return m.records.Commit(ctx, acct.Put())
}

// checkUntaken returns ErrEmailTaken if the account of another user has the address at this
// moment. It changes nothing, and only claimEmail decides.
func (m *Manager) checkUntaken(ctx context.Context, canonical, uid string) error {
	claim := claimRow(emailDigest(canonical))
	if err := m.records.Read(ctx, &claim); err != nil || !claim.Exists() || claim.Rec.User == uid {
		return err
	}
	acct := accountRow(claim.Rec.User)
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	if acct.Exists() && !acct.Rec.Deleted && emailaddr.Same(acct.Rec.Email, canonical) {
		return ErrEmailTaken
	}
	return nil
}

// voidAccount puts a tombstone in place of an account that was not created, so that it never is.
func (m *Manager) voidAccount(ctx context.Context, acct *record.Row[account]) error {
	acct.Rec = account{Deleted: true}
	return m.records.Commit(ctx, acct.Put().Until(m.now().Add(tombstoneTTL)))
}

// leaveClaimed ends what a registration made in the organization of its claim. There is no
// account and never will be. So the organization goes, unless somebody else is a member of it
// or is about to be. As long as this fails, the claim stays, and says what is left.
func (m *Manager) leaveClaimed(ctx context.Context, claim emailClaim) error {
	if claim.Org == "" {
		return nil
	}
	return m.leaveOrganization(ctx, claim.Org, claim.User, false)
}

// forgetEmail removes the claim of a deleted user on the address with this digest, and the
// networks beside it.
func (m *Manager) forgetEmail(ctx context.Context, digest, uid string) error {
	return m.records.Retry(ctx, store.Partition(claimKey(digest)), func() error {
		claim, known := claimRow(digest), knownRow(digest)
		if err := m.records.Read(ctx, &claim, &known); err != nil {
			return err
		}
		switch {
		case claim.Rec.User == uid:
			return m.records.Commit(ctx, claim.Remove(), store.Delete(known.Key))
		case known.Exists() && (known.Rec.User == uid || !claim.Exists()): // left by an older version
			return m.records.Commit(ctx, claim.Unchanged(), known.Remove())
		}
		return nil
	})
}

// digestOf returns the digest of an email address, or "" if it is none.
func digestOf(email string) string {
	canonical, ok := emailaddr.Canonical(email)
	if !ok {
		return ""
	}
	return emailDigest(canonical)
}

// maxDigests is how many addresses an account keeps the digests of.
const maxDigests = 8

// leaveEmail adds an address that the account does not have any more to Digests.
func (a *account) leaveEmail(email string) {
	digest := digestOf(email)
	if digest == "" || slices.Contains(a.Digests, digest) {
		return
	}
	a.Digests = append(slices.Clone(a.Digests), digest)
	a.Digests = a.Digests[max(0, len(a.Digests)-maxDigests):]
}

// releaseEmail removes a claim that its account no longer names. The claim is void already.
// If releaseEmail fails, the next operation that wants the address replaces the claim, or the
// next change or the deletion of the account removes it.
func (m *Manager) releaseEmail(ctx context.Context, digest, uid string) {
	claim := claimRow(digest)
	if err := m.records.Read(ctx, &claim); err != nil || claim.Rec.User != uid {
		return
	}
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return
	}
	if acct.Exists() && !acct.Rec.Deleted &&
		(digestOf(acct.Rec.Email) == digest || digestOf(acct.Rec.PendingEmail) == digest) {
		return
	}
	_ = m.records.Commit(ctx, claim.Remove(), store.Delete(knownKey(digest)))
}

func (m *Manager) releaseEmails(ctx context.Context, uid string, digests []string) {
	var calls []func()
	for _, digest := range digests {
		calls = append(calls, func() { m.releaseEmail(ctx, digest, uid) })
	}
	parallel.Do(calls...)
}

// emailOwner returns the user that has claimed the address with this digest, or "". It also
// returns the networks that this user has logged in from. The claim proves nothing: the
// account decides whether the address is its own.
func (m *Manager) emailOwner(ctx context.Context, digest string) (uid string, known record.Row[knownNetworks], err error) {
	known, err = m.readKnown(ctx, digest)
	return known.Rec.claim.Rec.User, known, err
}

// An accountEdit makes a change of an account, in a Commit of its own that it repeats after a
// conflict.
type accountEdit func(change func(*account) error) error

// moveEmail changes the address of an account in three steps. It writes PendingEmail by announce,
// claims the address, and writes Email by adopt. emailClaim says why a crash after any step is safe.
// MoveEmail returns the claim. If the last step fails, it gives the address back.
func (m *Manager) moveEmail(ctx context.Context, uid, address, canonical string, announce, adopt accountEdit) (claim record.Row[emailClaim], err error) {
	pending := ident.Random()
	err = announce(func(a *account) error {
		if emailaddr.Same(a.PendingEmail, canonical) && isRecent(a.PendingSince, m.now(), claimHold) {
			pending = a.PendingID // the same change twice at the same time: either call may finish it
		}
		if !emailaddr.Same(a.PendingEmail, canonical) {
			a.leaveEmail(a.PendingEmail)
		}
		a.PendingEmail, a.PendingSince, a.PendingID = address, m.now(), pending
		return nil
	})
	if err != nil {
		return claim, beforeChange(err)
	}
	if claim, err = m.claimEmail(ctx, canonical, uid, ""); err != nil {
		if errors.Is(err, ErrEmailTaken) {
			m.abandonEmail(ctx, uid, pending)
		}
		return claim, beforeChange(err)
	}
	err = adopt(func(a *account) error {
		switch {
		case a.PendingID == pending:
			a.leaveEmail(a.Email)
			a.Digests = slices.DeleteFunc(slices.Clone(a.Digests), func(d string) bool { return d == emailDigest(canonical) })
			a.clearPendingEmail()
			a.takeEmail(address, m.SendsMail())
		case !emailaddr.Same(a.Email, canonical): // another account has it, or the user asked for a third address
			return ErrEmailTaken
		default: // the other call has finished it
			a.respellEmail(address)
		}
		return nil
	})
	if err != nil {
		m.releaseEmail(context.WithoutCancel(ctx), emailDigest(canonical), uid)
	}
	return claim, err
}

// moveOwnEmail is moveEmail for the caller's account. Write commits the account with the new
// address. Rows are read again with the account, as retryAs does.
func (m *Manager) moveOwnEmail(
	ctx context.Context, id Identity, c *principal, address, canonical string, write func() error, rows ...record.Reader,
) (record.Row[emailClaim], error) {
	return m.moveEmail(ctx, c.uid, address, canonical, func(change func(*account) error) error {
		return m.editProfile(ctx, id, c, ProfileChange{}, change)
	}, func(change func(*account) error) error {
		return m.retryAs(ctx, id, c, func() error {
			if err := change(&c.acct.Rec); err != nil {
				return err
			}
			return write()
		}, rows...)
	})
}

// abandonEmail removes the PendingEmail of a change whose address is taken. If it fails, the
// pending change has no effect after claimHold.
func (m *Manager) abandonEmail(ctx context.Context, uid, pending string) {
	_ = m.records.Retry(ctx, userPartition(uid), func() error {
		acct := accountRow(uid)
		if err := m.records.Read(ctx, &acct); err != nil || acct.Rec.PendingID != pending {
			return err
		}
		acct.Rec.clearPendingEmail()
		return m.records.Commit(ctx, acct.Put())
	})
}
