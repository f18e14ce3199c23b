// Package adaptertest is what the tests of the adapters on servers have in common, beside
// storetest. Its writers know what was acknowledged to them. Its readers remember a value for as
// long as its stamp is the same.
package adaptertest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/storetest"
)

// KeepsRules is storetest.Run with some of the rules, for a variant of a server that has passed
// all of them.
func KeepsRules(t *testing.T, wanted func(rule string) bool, open func(testing.TB) storetest.Place) {
	t.Helper()
	first := open(t)
	rules := storetest.Rules(first)
	if err := first.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		if wanted(rule.Name) {
			t.Run(rule.Name, func(t *testing.T) {
				if err := rule.Check(t.Context(), open(t)); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// WantValue demands the value under key; "" demands that there is no record.
func WantValue(tb testing.TB, s store.Store, key, value string) {
	tb.Helper()
	got, err := s.Get(context.Background(), key)
	if err != nil {
		tb.Fatal(err)
	}
	if (got[0] == nil) != (value == "") || string(got[0]) != value {
		tb.Fatalf("Get(%q) = %q, want %q", key, got[0], value)
	}
}

// WantUndecided demands an error of the package that is none of those that promise something.
func WantUndecided(tb testing.TB, pkg, what string, err error) {
	tb.Helper()
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrClosed) {
		tb.Fatalf("%s: error %v, want one that says that it could not decide", what, err)
	}
	if n := strings.Count(err.Error(), pkg+": "); n != 1 {
		tb.Errorf("%s: error %q names the package %d times", what, err, n)
	}
}
