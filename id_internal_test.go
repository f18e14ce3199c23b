package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store"
)

// chiSquare is how far counts are from all being equal.
func chiSquare(counts []int) (x float64) {
	total := 0
	for _, n := range counts {
		total += n
	}
	want := float64(total) / float64(len(counts))
	for _, n := range counts {
		x += (float64(n) - want) * (float64(n) - want) / want
	}
	return x
}

// AK-1. Chance exceeds the bound once in 10^9 runs; c % 62 of a random byte exceeds
// it by thousands.
func TestRandomBase62FavoursNoDigit(t *testing.T) {
	counts := make([]int, 62)
	for range 10_000 {
		for _, c := range randomBase62(keySecretLen) {
			counts[strings.IndexRune(base62, c)]++
		}
	}
	if x := chiSquare(counts); x > 153 {
		t.Errorf("chi-square of 62 digits is %.0f: %v", x, counts)
	}
}

// JW-10.
func TestIdentifiersDoNotRepeat(t *testing.T) {
	now := time.Now()
	for name, make := range map[string]func() string{
		"timed":  func() string { return newTimedID(now) },
		"random": newRandomID,
		"key":    func() string { return randomBase62(keySecretLen) },
	} {
		seen := map[string]bool{}
		for range 20_000 {
			id := make()
			if seen[id] {
				t.Fatalf("%s: %s twice", name, id)
			}
			seen[id] = true
		}
	}
}

func TestTimedIdentifiersSortByTheSecondTheyWereMadeIn(t *testing.T) {
	last := ""
	for _, at := range []int64{0, 1, 61, 62, 1_900_000_000, 1_900_000_001, 1_900_000_002, 4_294_967_295, 4_294_967_296, 1 << 39} {
		id := newTimedID(time.Unix(at, 999_999_999))
		if !isBase62(id, timedLen) || id <= last {
			t.Errorf("at %d: %q after %q", at, id, last)
		}
		last = id
	}
}

func TestEncodeBase62LosesNothing(t *testing.T) {
	for _, b := range [][]byte{make([]byte, 21), bytes.Repeat([]byte{0xff}, 21), []byte("twenty-one bytes here")} {
		text := encodeBase62(b, timedLen)
		v := new(big.Int)
		for _, c := range text {
			v.Add(v.Mul(v, big.NewInt(62)), big.NewInt(int64(strings.IndexRune(base62, c))))
		}
		if got := v.FillBytes(make([]byte, 21)); len(text) != timedLen || !bytes.Equal(got, b) {
			t.Errorf("%x became %s, which is %x", b, text, got)
		}
	}
	if text := encodeBase62(bytes.Repeat([]byte{0xff}, 16), randomLen); len(text) != randomLen || text[0] == '0' {
		t.Errorf("the largest random identifier is %s", text)
	}
}

// LG-9, Advisory 4 (CVE-2026-45364): the spellings of one network share a budget, two
// networks never do.
func TestClientPrefixIsTheNetworkAndNotItsSpelling(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":                      "192.0.2.7",
		"::ffff:192.0.2.7":               "192.0.2.7",
		"::ffff:c000:207":                "192.0.2.7",
		"192.0.2.8":                      "192.0.2.8",
		"2001:db8:1:2:3:4:5:6":           "2001:db8:1:2::",
		"2001:db8:1:2::":                 "2001:db8:1:2::",
		"2001:db8:1:2:ffff:ffff:ffff:ff": "2001:db8:1:2::",
		"2001:0db8:0001:0002::1":         "2001:db8:1:2::",
		"2001:db8:1:3::1":                "2001:db8:1:3::",
		"fe80::1%eth0":                   "fe80::",
		"fe80::2%eth1":                   "fe80::",
		"::1":                            "::",
	} {
		ctx := WithClient(context.Background(), Client{Addr: netip.MustParseAddr(addr)})
		if got := clientPrefix(ctx); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := clientPrefix(context.Background()); got != "unknown" {
		t.Errorf("no address: %s", got)
	}
}

func testAPIKey() string {
	text := "sk_live_" + "0123456789ABCDEFGHIJKLMNOPQRST" + "00NmXq2Wc00000000000000000abc"
	check := keyChecksum([]byte(text))
	return text + string(check[:])
}

// AK-4.
func TestOneWrongCharacterInAnAPIKeyIsSeenByItsChecksum(t *testing.T) {
	key := testAPIKey()
	parses := func(key string) bool { _, ok := parseKey("sk_live_", key); return ok }
	if !parses(key) {
		t.Fatal("the key itself does not parse")
	}
	for i := range key {
		for j := range base62 {
			typo := key[:i] + base62[j:j+1] + key[i+1:]
			if parses(typo) && typo != key {
				t.Fatalf("%s parses", typo)
			}
		}
		if i > 0 {
			swapped := key[:i-1] + key[i:i+1] + key[i-1:i] + key[i+1:]
			if parses(swapped) && swapped != key {
				t.Fatalf("%s parses", swapped)
			}
		}
	}
}

func FuzzParseAPIKey(f *testing.F) {
	key := testAPIKey()
	for _, seed := range []string{
		key, "", "sk_live_", key[:len(key)-1], key + "0", " " + key, key + "\n", "SK_LIVE_" + key[8:],
		strings.Replace(key, "0", "０", 1), strings.Repeat("a", 1<<16), key[:len(key)-6] + "!!!!!!", "sk_live_\x00",
	} {
		f.Add(seed)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, s string) {
		uid, ok := parseKey("sk_live_", s)
		if saw(ok); !ok {
			if s == key {
				t.Fatal("the key itself does not parse")
			}
			return
		}
		body := s[:len(s)-keyCheckLen]
		digest, long := digestKey("sk_live_", s)
		if !long || !isBase62(uid, timedLen) || !strings.HasSuffix(body, uid) || digest != sha256.Sum256([]byte(s)) || keyChecksum([]byte(body)) != [keyCheckLen]byte([]byte(s[len(body):])) {
			t.Errorf("%q parses as user %q, digest %x", s, uid, digest)
		}
		k := &keyCheck{digest: digest}
		k.name(uid, new(room))
		if kid, ok := bareKeyID(k.id); !ok || k.userID != userPrefix+uid || k.acct.key != userKey(uid, "acct") || k.key.key != apiKeyKey(uid, kid) {
			t.Errorf("%q is called %q, %q, %q, %q", s, k.userID, k.id, k.acct.key, k.key.key)
		}
	})
}

// FuzzNames holds what is taken as a part of a key of the store against patterns.
func FuzzNames(f *testing.F) {
	id := "user_" + strings.Repeat("0", timedLen)
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
		uid, ok := bareID(s, userPrefix, timedLen)
		if ok != ids.MatchString(s) || ok && userIDOf(uid) != s {
			t.Errorf("bareID(%q) = %q, %v", s, uid, ok)
		}
		if ok && !store.ValidKey(userKey(uid, "acct")) {
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
