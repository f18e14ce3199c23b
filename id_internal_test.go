package auth

import (
	"regexp"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/store"
)

// FuzzNames holds what is taken as a part of a key of the store against patterns.
func FuzzNames(f *testing.F) {
	id := "user_" + strings.Repeat("0", ident.TimedLen)
	for _, s := range []string{
		id, id[:len(id)-1], id + "0", id + "\n", "USER_" + id[5:], "org_" + id[5:], id[:len(id)-1] + "/", id[:len(id)-1] + "é"[:1], "",
		"admin", "a-b_c.d:e", "a b", "sk_live_", "sk", "_", "__", "sk-live_", strings.Repeat("a", 31) + "_", strings.Repeat("a", 32) + "_", strings.Repeat("a", 64), strings.Repeat("a", 65),
	} {
		f.Add(s)
	}
	ids := regexp.MustCompile(`\Auser_[0-9A-Za-z]{29}\z`)
	roles := regexp.MustCompile(`\A[0-9A-Za-z_.:-]{1,64}\z`)
	prefixes := regexp.MustCompile(`\A[0-9A-Za-z_]{1,31}_\z`)
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, s string) {
		uid, ok := parseUser(s)
		if ok != ids.MatchString(s) || ok && userIDOf(uid) != s {
			t.Errorf("parseUser(%q) = %q, %v", s, uid, ok)
		}
		if ok && !store.ValidKey(accountKey(uid)) {
			t.Errorf("%q is in no key of a store", s)
		}
		if got := validRole(s); got != roles.MatchString(s) || got != (checkRole(s) == nil) {
			t.Errorf("validRole(%q) = %v", s, got)
		}
		if got := validKeyPrefix(s); got != prefixes.MatchString(s) {
			t.Errorf("validKeyPrefix(%q) = %v", s, got)
		}
		saw(ok)
	})
}
