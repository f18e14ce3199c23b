package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/store"
)

// mailLimit is the budget of one address, for all purposes together. It is charged only for a
// mail that is sent. So strangers who use it up have filled the owner's mailbox with what the
// owner needs. An address without an account also has the mails of others charged: users may ask to
// change to it. Invitations have a budget besides: see invitedLimit.
var mailLimit = store.Limit{Burst: 3, Every: 20 * time.Minute}

func mailBudget(digest string) budget {
	return budget{name: "mail", key: "e." + digest + "/mail", limit: mailLimit}
}

// newEmailLimit is how many mails to addresses of its choice one account may cause, so that no
// account mails strangers without end.
var newEmailLimit = store.Limit{Burst: 5, Every: time.Hour}

func newEmailBudget(uid string) budget {
	return budget{name: "new_email", key: userKey(uid, "newemail"), limit: newEmailLimit}
}

// mailNetworkBudgets are the budgets of the client's networks for calls that may send a mail, or
// that take a token of one.
func (m *Manager) mailNetworkBudgets(ctx context.Context) []budget {
	if byProgram(ctx) {
		return nil
	}
	narrow := budget{name: "mail_address", key: "a." + clientPrefix(ctx) + "/mail", limit: m.cfg.Limits.MailByAddress}
	return networkBudgets(ctx, narrow, "mail", "mail_network")
}

// The budgets of mails with invitations: of an inviter whose address nobody has proven, of any other
// inviter and of an organization. Whoever registers may invite, so these mails go where strangers say.
// The inviter has a budget too, because whoever leaves an organization gets a new one.
var (
	unprovenInviteLimit = store.Limit{Burst: 3, Every: 8 * time.Hour}
	inviteLimit         = store.Limit{Burst: 20, Every: 3 * time.Minute}
)

// invitedLimit is how many invitations one mailbox gets, within mailLimit. Any stranger can invite, and
// an invitation is no use to an owner who wants a reset. So every second mail is left for others.
var invitedLimit = store.Limit{Burst: mailLimit.Burst, Every: 2 * mailLimit.Every}

func invitedBudget(digest string) budget {
	return budget{name: "mail", key: "e." + digest + "/invited", limit: invitedLimit}
}

func unprovenInviterBudget(uid string) budget {
	return budget{name: "inviter", key: userKey(uid, "invite"), limit: unprovenInviteLimit}
}

func inviterBudget(uid string) budget {
	return budget{name: "inviter", key: userKey(uid, "invites"), limit: inviteLimit}
}

func inviteBudget(oid string) budget {
	return budget{name: "invitations", key: orgRecords(oid) + "invite", limit: inviteLimit}
}
