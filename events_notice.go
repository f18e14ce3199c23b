package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/queue"
	"github.com/datixlab/auth/internal/sampler"
	"github.com/datixlab/auth/store"
)

// A Notice is a message that a user must get about their account (NIST SP 800-63B-4, 4.6). It
// has no secret and asks the user for nothing.
type Notice struct {
	// Type is EventPasswordChanged, EventPasswordReset, EventEmailChangeRequested, EventEmailChanged,
	// EventTwoFactorEnabled, EventTwoFactorDisabled, EventTwoFactorReset, EventBackupCodeUsed,
	// EventBackupCodesReplaced, EventDeviceTrusted, EventAPIKeyCreated, EventAPIKeyEnabled,
	// EventLoginNewNetwork, EventUserDeleted (by DeleteAccount), EventDataExported, EventRoleChanged
	// (by SetMemberRole), EventMemberRemoved, EventMemberLeft or EventSecondFactorFailed. For a type
	// that you do not send, return nil.
	Type   EventType
	To     string // the email address, in ASCII; of EventEmailChanged the old and the new one get a Notice each
	UserID string
	Name   string // the user's full name, or "" as for Mail.Name
	Time   time.Time
	Client Client
	Left   int // for EventBackupCodeUsed: backup codes that are left
	// APIKeys is how many API keys still work, for EventPasswordReset. The user should revoke
	// those that they do not know.
	APIKeys int
	// EndedAPIKeys is how many API keys a reset has ended, since nobody had proven the
	// address before.
	EndedAPIKeys int
	// Method is how the caller was proven before the wrong code, for EventSecondFactorFailed.
	// It is "pwd" where somebody knows the password. Otherwise it is the Proof.Method of
	// LoginAs: somebody has what your program takes for such a proof, and no password was asked for.
	Method string
	// Reason is "unknown" if the store did not say whether the change was made, else "".
	// Such a notice says that there may have been one.
	Reason string
}

// A Notifier sends notices. It is called one at a time, from a queue of 4,096, so it delays no
// call and no event.
//
// No mailbox is flooded. It gets 5 notices of each type at once, and one more an hour
// (EventLoginNewNetwork: every 4 hours). All processes of a store share this budget. While the
// store does not answer, each process has one of its own.
//
// No user is displaced. Notices of EventAPIKeyCreated, EventAPIKeyEnabled and EventLoginNewNetwork
// wait behind all others, which are of security. Users take turns, each with their oldest notice. So a
// notice of security waits for the one that is being sent, for older ones of the same user, and for
// one of every other user in each turn. A full queue drops notices as it drops events: see
// EventHandler.
//
// What is not sent is logged once a minute, by type and number.
type Notifier interface {
	// Notify sends one notice. The context has the values of the request's context and
	// ends after 10 seconds. An error is logged, and the notice is not sent again.
	Notify(ctx context.Context, n Notice) error
}

const (
	noticeStoreTimeout = time.Second // for the budget of a notice, while others wait behind it
	maxNotified        = 1 << 16     // mailboxes and types that are counted while the store fails
)

// The budgets of one mailbox, for each type of notice. Addresses are not verified, so the
// mailbox may be that of somebody who has no account.
var (
	noticeLimit           = store.Limit{Burst: 5, Every: time.Hour}
	newNetworkNoticeLimit = store.Limit{Burst: 5, Every: 4 * time.Hour}
)

func (n Notice) limit() store.Limit {
	if n.Type == EventLoginNewNetwork {
		return newNetworkNoticeLimit
	}
	return noticeLimit
}

// class says which notices are sent first: those of security, before those of which an account
// can cause many.
func (n Notice) class() queue.Class {
	switch n.Type {
	case EventAPIKeyCreated, EventAPIKeyEnabled, EventLoginNewNetwork:
		return queue.Normal
	}
	return queue.High
}

// budgetKey returns the key of the counter of the mailbox for this type.
func (n Notice) budgetKey() string {
	mailbox, ok := emailaddr.Canonical(n.To)
	if !ok {
		mailbox = n.To
	}
	return "e." + emailDigest(mailbox) + "/notice." + string(n.Type)
}

// offerNotice lets the queue send n. More notices of a type than the mailbox's budget admits
// at once do not wait: one more takes the place of the last.
func (m *Manager) offerNotice(ctx context.Context, n Notice) {
	key := n.budgetKey()
	m.notices.Offer(ctx, queue.Job{
		Class: n.class(), User: n.UserID, Kind: string(n.Type), Source: sourceOf(n.Client),
		Same: key + " " + n.UserID, Most: n.limit().Burst,
		Run:     func(ctx context.Context) { m.sendNotice(ctx, key, n) },
		Dropped: func() { m.unsent.CountOmitted(sampler.Kind{Type: string(n.Type), Reason: "queue"}) },
	})
}

// sendNotice sends n within the budget of its mailbox. It runs in the queue, so no caller
// waits for the store.
func (m *Manager) sendNotice(ctx context.Context, key string, n Notice) {
	if !m.chargeNotice(ctx, key, n.limit()) {
		m.unsent.CountOmitted(sampler.Kind{Type: string(n.Type), Reason: "budget"})
		return
	}
	if err := m.cfg.Notifier.Notify(ctx, n); err != nil {
		m.cfg.Logger.ErrorContext(ctx, "auth: a notice was not sent", "type", string(n.Type), "user_id", n.UserID, "err", err)
	}
}

// chargeNotice reports whether the budget admits one more notice. If the store does not
// answer, a budget in the memory of this process decides. So a failing store neither silences
// notices nor lets them flood a mailbox.
func (m *Manager) chargeNotice(ctx context.Context, key string, limit store.Limit) bool {
	records := m.records
	records.Timeout = min(records.Timeout, noticeStoreTimeout)
	d, err := records.Hit(ctx, key, limit, 1, m.now())
	if err != nil {
		d, err = m.notified.Hit(key, limit, 1, m.now())
	}
	return d.OK || err != nil
}

// logUnsent logs which notices were not sent since the last call. The reason is "budget" if
// the mailbox had enough of the type, or "queue" if the queue was full.
func (m *Manager) logUnsent(ctx context.Context) {
	for kind, count := range m.unsent.Take() {
		m.cfg.Logger.WarnContext(ctx, "auth: notices were not sent", "type", kind.Type, "reason", kind.Reason, "count", count)
	}
}
