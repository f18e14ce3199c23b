package auth

import (
	"bytes"
	"context"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"
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

// LG-9: the spellings of one network share a budget, two networks never do.
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
	key, k := testAPIKey(), new(liveKey)
	if !k.parse("sk_live_", key) {
		t.Fatal("the key itself does not parse")
	}
	for i := range key {
		for j := range base62 {
			typo := key[:i] + base62[j:j+1] + key[i+1:]
			if k.parse("sk_live_", typo) && typo != key {
				t.Fatalf("%s parses", typo)
			}
		}
		if i > 0 {
			swapped := key[:i-1] + key[i:i+1] + key[i-1:i] + key[i+1:]
			if k.parse("sk_live_", swapped) && swapped != key {
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
	k := new(liveKey)
	f.Fuzz(func(t *testing.T, s string) {
		if !k.parse("sk_live_", s) {
			if s == key {
				t.Fatal("the key itself does not parse")
			}
			return
		}
		body := s[:len(s)-keyCheckLen]
		if !isBase62(k.uid, timedLen) || !strings.HasSuffix(body, k.uid) || keyChecksum([]byte(body)) != [keyCheckLen]byte([]byte(s[len(body):])) {
			t.Errorf("%q parses as user %q, key %q", s, k.uid, k.id)
		}
		if kid, ok := bareKeyID(k.id); !ok || kid != k.kid || k.userID != userPrefix+k.uid ||
			k.acct.key != userKey(k.uid, "acct") || k.key.key != apiKeyKey(k.uid, kid) {
			t.Errorf("%q is called %q, %q, %q, %q", s, k.userID, k.id, k.acct.key, k.key.key)
		}
	})
}
