// Package storetest tests any store.Store against the contract of package store.
//
// The whole test of an adapter is a function that opens a fresh store:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) storetest.Place {
//			path := filepath.Join(tb.TempDir(), "test.db")
//			open := func() (store.Store, error) { return mystore.Open(path) }
//			s, err := open()
//			if err != nil {
//				tb.Fatal(err)
//			}
//			return storetest.Place{Store: s, Reopen: open}
//		})
//	}
//
// Only -short leaves something out. Whatever the [Place] offers is tested too, and so are
// [store.Walker] and [store.Stamper] if the store implements them. Run the test with
// -race. It takes a few seconds on a store in memory, and writes some thousand Commits
// and 100,000 records.
//
// # Networks
//
// The adapter of a store behind a network passes the dial function of [Place.Behind] to
// its driver. The connections that it makes lose a reply, break in the middle of a
// request, and hold back or delay answers:
//
//	Behind: func(dial storetest.Dialer) (store.Store, error) {
//		return mystore.Connect(mystore.Options{Addr: addr, Dialer: dial})
//	},
//
// These connections are plain. What the driver adds on top, such as TLS, is not
// touched.
//
// # Clocks
//
// Times passed to Hit are whole milliseconds, and limits are whole microseconds. So an
// adapter may count in nanoseconds or in microseconds. Expiries are compared with the
// clock of the machine that runs the test.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
)

// A Place is where a store keeps its records: a map, a file, a part of a server.
type Place struct {
	// Store is open and empty, and nothing else uses its Place. The suite closes it.
	Store store.Store

	// Reopen opens the same records again after Store has been closed. The suite closes
	// what it returns. Nil means that closing Store loses the records.
	Reopen func() (store.Store, error)

	// Join opens one more store on the same records while Store is open, as another
	// process would. The suite closes what it returns, and runs every race across both
	// stores. Nil means that only one process can use the records.
	Join func() (store.Store, error)

	// Lag is how late a stamp of one store may be about a change by another, if the
	// adapter lets its operator choose that. 0 is not at all.
	Lag time.Duration

	// Behind opens one more store on the same records while Store is open. That store
	// makes every connection with dial. The suite closes it, and breaks the connections
	// in every way that a network does. Nil means that there is no network between the
	// store and its records.
	Behind func(dial Dialer) (store.Store, error)
}

// Run tests the stores that open returns against every rule, each in a subtest with its
// own Place. With -short it leaves out the rule for 100,000 records.
func Run(t *testing.T, open func(tb testing.TB) Place) {
	first := open(t)
	rules := Rules(first)
	if err := first.Store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for _, rule := range rules {
		if rule.large && testing.Short() {
			continue
		}
		t.Run(rule.Name, func(t *testing.T) {
			if err := rule.Check(t.Context(), open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A Rule is one promise of the contract.
type Rule struct {
	Name  string // one word
	Says  string // the promise, in words
	large bool   // it writes 100,000 records
	needs func(Place) bool
	check func(*probe)
}

// Rules returns the rules that a Place like p has to keep.
func Rules(p Place) []Rule {
	var rules []Rule
	for _, group := range [][]Rule{
		argumentRules, conditionRules, atomicityRules, valueRules, copyRules, listRules,
		raceRules, expiryRules, hitRules, contextRules, closeRules, reopenRules, joinRules, walkRules, stampRules, faultRules,
	} {
		for _, r := range group {
			if r.needs == nil || r.needs(p) {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// Check tests p, which must be fresh, against the rule and closes its Store. The error
// says which rule is broken and how. It is nil if the rule was not seen to be broken.
func (r Rule) Check(ctx context.Context, p Place) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // for stores that hang
	defer cancel()
	c := &probe{ctx: ctx, place: p, s: p.Store, stores: []store.Store{p.Store}}
	err := catch(func() { r.check(c) })
	for _, w := range c.wires {
		w.mend()
	}
	for _, s := range c.stores {
		if cerr := s.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("at Close: %w", cerr))
		}
	}
	for _, w := range c.wires {
		w.close()
	}
	if err != nil {
		return fmt.Errorf("broken rule %s: %s:\n%w", r.Name, r.Says, err)
	}
	return nil
}

func isDurable(p Place) bool { return p.Reopen != nil }
func isShared(p Place) bool  { return p.Join != nil }
func isBehind(p Place) bool  { return p.Behind != nil }

func isWalker(p Place) bool { _, ok := p.Store.(store.Walker); return ok }
