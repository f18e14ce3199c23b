package pgstore_test

import (
	"slices"
	"testing"

	"github.com/datixlab/auth/store/storetest"
)

// everyStatement names the rules of storetest that say what each statement is for.
func everyStatement(rule string) bool {
	return slices.Contains([]string{
		"Conditions", "AllOrNothing", "Values", "Keys", "ListOrder", "ListAfter", "Expired",
		"HitCounts", "HitGivesBack", "WalkCounters", "WalkErrors", "StampChanges",
	}, rule)
}

// statementsAtOnce adds the rules in which many calls share the connections.
func statementsAtOnce(rule string) bool {
	return everyStatement(rule) || slices.Contains([]string{"OneWinner", "NoLostUpdate", "HitRace", "GetSnapshot", "CloseUnderWay", "Joined"}, rule)
}

// ofText names the rules about the bytes of keys and values, and the order of keys.
func ofText(rule string) bool {
	return slices.Contains([]string{"Conditions", "Values", "Keys", "ListOrder", "ListAfter", "WalkCounters"}, rule)
}

// keepsRules is storetest.Run with some of the rules, for a variant of a server that has passed
// all of them.
func keepsRules(t *testing.T, wanted func(rule string) bool, open func(testing.TB) storetest.Place) {
	t.Helper()
	first := open(t)
	rules := storetest.Rules(first)
	must(t, first.Store.Close())
	for _, rule := range rules {
		if wanted(rule.Name) {
			t.Run(rule.Name, func(t *testing.T) { must(t, rule.Check(t.Context(), open(t))) })
		}
	}
}
