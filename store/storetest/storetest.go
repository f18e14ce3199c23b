// Package storetest holds any store.Store against the contract of package store.
//
// An adapter's whole test is a function that opens a fresh store:
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
// Nothing can be switched off. What more is asked of a store follows from what its
// Place can do, and from whether it is a
// [store.Walker] or a [store.Stamper]. Run it with -race. It takes
// a few seconds in memory, and writes some thousand Commits and 100,000 records.
//
// # Networks
//
// A store behind a network hands its driver the dial function of [Place.Behind]. The
// connections that it makes then lose a reply, break in the midst of a request, and
// hold answers back or deliver them late:
//
//	Behind: func(dial storetest.Dialer) (store.Store, error) {
//		return mystore.Connect(mystore.Options{Addr: addr, Dialer: dial})
//	},
//
// They are plain: what the driver puts on top of them, such as TLS, is not touched.
//
// # Clocks
//
// Times given to Hit are whole milliseconds and limits whole microseconds, so an
// adapter may count in either nanoseconds or microseconds. Expiries are held
// against the clock of the machine that the test runs on.
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
	// Store is open, empty, and has the Place to itself. The suite closes it.
	Store store.Store

	// Reopen opens the same records again after Store has been closed; the suite
	// closes what it returns. Nil says that closing Store loses them.
	Reopen func() (store.Store, error)

	// Join opens one more store on the same records while Store is open, as
	// another process would; the suite closes what it returns. Nil says that the
	// records are of one process. With it every race is run across both stores.
	Join func() (store.Store, error)

	// Lag is how late a stamp of one store may be about what another has changed: what
	// the adapter lets its host choose. Zero is not at all.
	Lag time.Duration

	// Behind opens one more store on the same records while Store is open, which
	// makes every connection with dial; the suite closes what it returns. Nil says
	// that there is no network between the store and its records. With it the
	// connections are broken in every way that a network breaks them.
	Behind func(dial Dialer) (store.Store, error)
}

// Run holds the stores that open returns against every rule, each in a subtest
// with a Place of its own.
func Run(t *testing.T, open func(tb testing.TB) Place) {
	first := open(t)
	rules := Rules(first)
	if err := first.Store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for _, rule := range rules {
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

// Check holds p, which must be fresh, against the rule and closes its Store. The
// error says which rule is broken and how; it is nil if none was seen to be.
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
