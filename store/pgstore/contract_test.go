package pgstore_test

import (
	"slices"
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
