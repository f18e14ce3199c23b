package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"
)

// TT-1: what a temp token seals is 256 random bits and its user; of the bits the store
// has the digest.
func TestATempTokenIs256BitsOfWhichTheStoreHasTheDigest(t *testing.T) {
	m, users, uids, _ := twoUsersWithFactor(t, func() time.Time { return time.Unix(1_900_000_000, 0) })
	seen := map[string]bool{}
	for range 5 {
		r, err := m.Login(t.Context(), users[0].Email, "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := base64.RawURLEncoding.DecodeString(string(r.TempToken[len(tempPrefix):]))
		if err != nil {
			t.Fatal(err)
		}
		plain, _, err := m.keys.Open(labelTemp, sealed, nil)
		if err != nil || len(plain) < 32 {
			t.Fatalf("%d bytes, %v", len(plain), err)
		}
		secret, uid := plain[:32], string(plain[32:])
		if uid != uids[0] || seen[string(secret)] {
			t.Errorf("it is of %q, its bits were seen before: %v", uid, seen[string(secret)])
		}
		seen[string(secret)] = true
		raw, err := m.records.Store.Get(t.Context(), tempKey(uid))
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(secret)
		if !bytes.Contains(raw[0], digest[:]) {
			t.Error("the store does not have its digest")
		}
		for _, part := range [][]byte{secret[:16], secret[16:], sealed[:16]} {
			if bytes.Contains(raw[0], part) {
				t.Error("the store has a part of it")
			}
		}
	}
}
