package auth

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/checkdigits"
	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

func testAPIKey() string {
	return checkdigits.Add("sk_live_" + "0123456789ABCDEFGHIJKLMNOPQRST" + "00NmXq2Wc00000000000000000abc")
}

// AK-4.
func TestOneWrongCharacterInAnAPIKeyIsSeenByItsChecksum(t *testing.T) {
	key := testAPIKey()
	parses := func(key string) bool { _, ok := parseKey("sk_live_", key); return ok }
	if !parses(key) {
		t.Fatal("the key itself does not parse")
	}
	for i := range key {
		for j := range ident.Alphabet {
			typo := key[:i] + ident.Alphabet[j:j+1] + key[i+1:]
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
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		uid, ok := parseKey("sk_live_", s)
		if saw(ok); !ok {
			if s == key {
				t.Fatal("the key itself does not parse")
			}
			return
		}
		body := s[:len(s)-checkdigits.Len]
		digest, long := digestKey("sk_live_", s)
		if !long || !ident.IsBase62(uid, ident.TimedLen) || !strings.HasSuffix(body, uid) || digest != sha256.Sum256([]byte(s)) || checkdigits.Add(body) != s {
			t.Errorf("%q parses as user %q, digest %x", s, uid, digest)
		}
		k := &keyCheck{digest: digest}
		k.name(uid, new(record.Arena))
		if kid, ok := parseKeyID(k.id); !ok || k.userID != userPrefix+uid || k.acct.Key != userKey(uid, "acct") || k.key.Key != apiKeyKey(uid, kid) {
			t.Errorf("%q is called %q, %q, %q, %q", s, k.userID, k.id, k.acct.Key, k.key.Key)
		}
	})
}
