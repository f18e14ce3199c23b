package auth

import (
	"context"
	"slices"
)

// maxKnown is how many address prefixes are remembered for an account.
const maxKnown = 8

// knownPrefixes are the address prefixes that an account's logins came from last.
// Such an address has a budget of its own: whatever strangers use up, its owner gets
// in. It lies with the claim of the email address, where every login reads first, and
// nothing tells whether there is one.
type knownPrefixes struct {
	Prefixes []string // the latest last
	newer    []byte
}

func (k *knownPrefixes) fields(c *codec) {
	c.strings(&k.Prefixes)
	c.rest(&k.newer)
}

// remember adds the prefix that a login in full came from to what was read. That it
// may fail costs nobody anything but, under attack, the budget of their own.
func (m *Manager) remember(ctx context.Context, known row[knownPrefixes], prefix string) {
	_ = retryFrom(ctx, func() error { return m.records.read(ctx, &known) }, func() error {
		if slices.Contains(known.rec.Prefixes, prefix) {
			return nil
		}
		known.rec.Prefixes = append(known.rec.Prefixes, prefix)
		if extra := len(known.rec.Prefixes) - maxKnown; extra > 0 {
			known.rec.Prefixes = slices.Delete(known.rec.Prefixes, 0, extra)
		}
		return m.records.commit(ctx, known.put())
	})
}
