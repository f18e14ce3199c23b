package auth

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"strings"
	"time"
)

// Identifiers are a prefix that names the kind and base62 digits. Those of users,
// organizations and API keys begin with 40 bits of time, so that records made
// together lie together in an ordered store; all hold 128 random bits or more.
const (
	userPrefix    = "user_"
	orgPrefix     = "org_"
	sessionPrefix = "ses_"
	keyIDPrefix   = "key_"
	tempPrefix    = "temp_"

	timedLen  = 29 // base62 digits of 5 + 16 bytes
	randomLen = 22 // base62 digits of 16 bytes
)

// base62 is in ASCII order: equally long texts sort as the numbers do.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newTimedID returns the digits of an identifier made at t.
func newTimedID(t time.Time) string {
	var b [21]byte
	binary.BigEndian.PutUint64(b[:8], uint64(t.Unix())<<24)
	_, _ = rand.Read(b[5:]) // never fails: crypto/rand ends the process first
	return encodeBase62(b[:], timedLen)
}

// newRandomID returns the digits of an identifier that says nothing.
func newRandomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return encodeBase62(b[:], randomLen)
}

// encodeBase62 writes b as a number of n digits.
func encodeBase62(b []byte, n int) string {
	v, base, digit := new(big.Int).SetBytes(b), big.NewInt(62), new(big.Int)
	out := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		v.DivMod(v, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}

// randomBase62 returns n digits, each one of the 62 with the same probability.
func randomBase62(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		_, _ = rand.Read(b[:])
		for _, c := range b {
			if c >= 4*62 { // the remainder would favour the first digits
				continue
			}
			if out = append(out, base62[c%62]); len(out) == n {
				return string(out)
			}
		}
	}
}

// isID reports whether id is prefix and n digits.
func isID[text string | []byte](id text, prefix string, n int) bool {
	return len(id) == len(prefix)+n && string(id[:len(prefix)]) == prefix && isBase62(id[len(prefix):], n)
}

// bareID takes the prefix off an identifier and returns its n digits, or "" and false if
// it is not one.
func bareID(id, prefix string, n int) (string, bool) {
	if !isID(id, prefix, n) {
		return "", false
	}
	return id[len(prefix):], true
}

// isBase62 reports whether s is n digits.
func isBase62[text string | []byte](s text, n int) bool {
	if len(s) != n {
		return false
	}
	var others byte
	for i := range len(s) {
		others |= otherThanBase62[s[i]]
	}
	return others == 0
}

// otherThanBase62 is 1 for every byte that is no digit: a look-up without a branch, since
// those of every credential are looked at.
var otherThanBase62 = func() (others [256]byte) {
	for i := range others {
		if strings.IndexByte(base62, byte(i)) < 0 {
			others[i] = 1
		}
	}
	return others
}()

// userIDOf is the identifier of the user with these digits; nobody's is empty.
func userIDOf(uid string) string {
	if uid == "" {
		return ""
	}
	return userPrefix + uid
}
