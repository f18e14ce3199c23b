package seal_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/seal"
)

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// RFC 5869 written out: an extract with no salt, then the expand blocks.
func TestKeysAndIDsAreThoseOfHKDF(t *testing.T) {
	const prefix = "github.com/datixlab/auth v1 "
	k := keyring(t, secret('a'))
	prk := mac(make([]byte, 32), string(secret('a')))

	one := mac(prk, prefix, "key jwt hs256", "\x01")
	two := mac(prk, string(one), prefix, "key jwt hs256", "\x02")
	if got := k.Derive("jwt hs256", 64)[0]; !bytes.Equal(got, append(one, two...)) {
		t.Errorf("derived %x", got)
	}
	want := base64.RawURLEncoding.EncodeToString(mac(prk, prefix, "id", "\x01")[:6])
	if got := k.IDs()[0]; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func TestKeysComeInTheOrderOfTheSecrets(t *testing.T) {
	a, b, both := keyring(t, secret('a')), keyring(t, secret('b')), keyring(t, secret('b'), secret('a'))
	keys := both.Derive("jwt hs256", 32)
	if len(keys) != 2 || !bytes.Equal(keys[0], b.Derive("jwt hs256", 32)[0]) || !bytes.Equal(keys[1], a.Derive("jwt hs256", 32)[0]) {
		t.Error("keys are not in the order of the secrets")
	}
	if want := []string{b.IDs()[0], a.IDs()[0]}; !slices.Equal(both.IDs(), want) {
		t.Errorf("ids %v, want %v", both.IDs(), want)
	}
}

func TestKeysOfDifferentLabelsAndSecretsDiffer(t *testing.T) {
	k := keyring(t, secret('a'), secret('b'))
	seen := map[string]bool{}
	n := 0
	for _, label := range []string{"", "id", "seal", "key id", "jwt hs256", "pepper backup codes"} {
		for _, key := range k.Derive(label, 32) {
			if len(key) != 32 {
				t.Errorf("%q: %d bytes", label, len(key))
			}
			seen[string(key)] = true
			n++
		}
	}
	if len(seen) != n {
		t.Errorf("%d different keys of %d", len(seen), n)
	}
	id, err := base64.RawURLEncoding.DecodeString(k.IDs()[0])
	if err != nil {
		t.Fatal(err)
	}
	for key := range seen {
		if strings.HasPrefix(key, string(id)) {
			t.Error("an id is the beginning of a key")
		}
	}
}

func TestAKeyringApartSealsWithKeysOfItsOwn(t *testing.T) {
	k := keyring(t, secret('a'), secret('b'))
	apart := func(of *seal.Keyring, label string) *seal.Keyring {
		t.Helper()
		a, err := of.Apart(label)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one, two := apart(k, "one"), apart(k, "two")
	if !slices.Equal(one.IDs(), k.IDs()) {
		t.Errorf("ids %v, want %v", one.IDs(), k.IDs())
	}
	sealed := one.Seal("x", []byte("text"), nil)
	for name, other := range map[string]*seal.Keyring{"itself": k, "another label": two, "no label": apart(k, "")} {
		if _, _, err := other.Open("x", sealed, nil); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s opens it: %v", name, err)
		}
	}
	rotated := apart(keyring(t, secret('c'), secret('a')), "one")
	if got, current, err := rotated.Open("x", sealed, nil); string(got) != "text" || current || err != nil {
		t.Errorf("after a rotation: %q, %v, %v", got, current, err)
	}
	prk := mac(make([]byte, 32), string(secret('a')))
	block, err := aes.NewCipher(mac(prk, "github.com/datixlab/auth v1 ", "seal one", "\x01"))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	header, nonce, body := sealed[:7], sealed[7:19], sealed[19:]
	if got, err := aead.Open(nil, nonce, body, append(bytes.Clone(header), "\x01x"...)); string(got) != "text" || err != nil {
		t.Errorf("with the key of HKDF for \"seal one\": %q, %v", got, err)
	}
}

func TestIDsAreEightSafeCharacters(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`)
	for c := range byte(50) {
		if id := keyring(t, secret(c)).IDs()[0]; !form.MatchString(id) {
			t.Errorf("id %q", id)
		}
	}
}

func TestBadSecretsAreRefused(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 100)
	for name, secrets := range map[string][][]byte{
		"none":                   nil,
		"a nil one":              {nil},
		"one of 31 bytes":        {long[:31]},
		"a short one at the end": {long, secret('a'), long[:31]},
		"one twice":              {secret('a'), secret('b'), secret('a')},
	} {
		k, err := seal.New(secrets...)
		if k != nil || err == nil {
			t.Fatalf("%s: accepted", name)
		}
		if s := err.Error(); !strings.HasPrefix(s, "seal: ") || strings.Contains(s, "xxxx") || strings.Contains(s, "aaaa") {
			t.Errorf("%s: error is %q", name, s)
		}
	}
	keyring(t, long, long[:32])
}

func TestNewKeepsNoReference(t *testing.T) {
	s := secret('a')
	k := keyring(t, s)
	want := k.Derive("x", 32)[0]
	clear(s)
	if !bytes.Equal(k.Derive("x", 32)[0], want) {
		t.Error("clearing the argument changed the keys")
	}
	clear(k.Derive("x", 32)[0])
	if !bytes.Equal(k.Derive("x", 32)[0], want) {
		t.Error("clearing a key changed the keys")
	}
}

func TestLengthsOutOfRangePanic(t *testing.T) {
	k := keyring(t, secret('a'))
	for _, n := range []int{-1, 0, 15, 8161} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Derive of %d bytes does not panic", n)
				}
			}()
			k.Derive("x", n)
		}()
	}
	k.Derive("x", 16)
	k.Derive("x", 8160)
}

func TestNothingPrintsAKeyring(t *testing.T) {
	k := keyring(t, secret('a'), secret('b'))
	prk := mac(make([]byte, 32), string(secret('a')))
	var traces []string
	for _, key := range [][]byte{secret('a'), prk, mac(prk, "github.com/datixlab/auth v1 ", "seal", "\x01")} {
		traces = append(traces, string(key[:4]), hex.EncodeToString(key[:4]), strings.ToUpper(hex.EncodeToString(key[:4])),
			strings.Trim(fmt.Sprint(key[:4]), "[]"), fmt.Sprintf("0x%x, 0x%x", key[0], key[1]), base64.StdEncoding.EncodeToString(key[:6]),
			fmt.Sprint(binary.BigEndian.Uint32(key)), fmt.Sprint(binary.LittleEndian.Uint32(key)))
	}
	clean := func(how, printed string) {
		t.Helper()
		for _, trace := range traces {
			if strings.Contains(printed, trace) {
				t.Errorf("%s prints a secret: %s", how, printed)
			}
		}
	}

	type holder struct{ ring *seal.Keyring }
	type holderByValue struct{ ring seal.Keyring }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		if got := fmt.Sprintf(verb, k); got != "seal.Keyring(redacted)" {
			t.Errorf("%s prints %s", verb, got)
		}
		for _, v := range []any{*k, holder{k}, &holder{k}, holderByValue{*k}, []any{k, *k}} {
			clean(verb, fmt.Sprintf(verb, v))
		}
	}

	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		out.Reset()
		slog.New(h).Info("x", "ring", k)
		if !strings.Contains(out.String(), "seal.Keyring(redacted)") {
			t.Errorf("%T prints %s", h, out.String())
		}
		slog.New(h).Info("x", "ring", *k, "holder", holder{k})
		clean(fmt.Sprintf("%T", h), out.String())
	}
	encoded, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	clean("json", string(encoded))
}
