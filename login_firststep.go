package auth

import "context"

// A firstStep is what the second step of a login must know of the first: how it was counted.
// The flags are bits of one number, so that later versions can add some.
type firstStep struct {
	Digest []byte // of the pendingLogin
	Flags  uint64
}

const (
	firstKnown     uint64 = 1 << iota // its network was known to the account
	firstPreferred                    // it had a place in the preferred lane
	firstOnAccount                    // it was charged to accountBudget
	firstOnDaily                      // it was charged to dailyBudgets
)

// firstStepOf returns the first step of a login that was charged to these budgets.
func firstStepOf(ctx context.Context, known bool, charged []budget) (f firstStep) {
	if known {
		f.Flags |= firstKnown
	}
	if inPreferredLane(ctx) {
		f.Flags |= firstPreferred
	}
	for _, b := range charged {
		switch b.name {
		case "account":
			f.Flags |= firstOnAccount
		case "account_daily":
			f.Flags |= firstOnDaily
		}
	}
	return f
}

// rightFirstStep returns those of the budgets of a right password that get back their attempt
// before the second step. The others stay charged: that of strangers together, since a thief of
// the password must not begin logins without end. So does the tight one of the account, unless
// the network has few logins that wait. Nothing is reset.
func rightFirstStep(charged []budget, hasRoom bool) (back []budget) {
	for _, b := range charged {
		if b.keepOnSuccess || hasRoom && b.name == "account_address" {
			b.resetOnSuccess = false
			back = append(back, b)
		}
	}
	return back
}

func (f firstStep) has(flag uint64) bool { return f.Flags&flag != 0 }

// chargedFor returns the budgets of the account that the first step was charged to. A complete
// login gives back these and no others.
func (m *Manager) chargedFor(f firstStep, digest, prefix string) []budget {
	budgets := []budget{m.accountAddressBudget(digest, prefix)}
	if f.has(firstOnAccount) {
		budgets = append(budgets, m.accountBudget(digest, prefix))
	}
	if f.has(firstOnDaily) {
		budgets = append(budgets, m.dailyBudgets(digest, prefix)...)
	}
	return budgets
}
