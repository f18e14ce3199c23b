package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/seal"
)

// secret returns a root secret of 32 bytes that is different for each c.
func secret(c byte) []byte { return bytes.Repeat([]byte{c}, seal.MinSecret) }

func keyring(t testing.TB, secrets ...[]byte) *seal.Keyring {
	t.Helper()
	k, err := seal.New(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// overhead is how many bytes Seal adds: a version, the id of the secret, a nonce and a tag.
const overhead = 1 + 6 + 12 + 16

func TestWhatIsSealedOpens(t *testing.T) {
	k := keyring(t, secret('a'))
	for _, n := range []int{0, 1, 20, 4096} {
		plaintext := bytes.Repeat([]byte{7}, n)
		sealed := k.Seal("totp", plaintext, []byte("user 1"))
		if len(sealed) != n+overhead {
			t.Errorf("%d bytes became %d, want %d more", n, len(sealed), overhead)
		}
		got, current, err := k.Open("totp", sealed, []byte("user 1"))
		if err != nil || !current || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: Open = %x, %v, %v", n, got, current, err)
		}
	}
}

func TestTheSamePlaintextIsNeverSealedTheSame(t *testing.T) {
	k := keyring(t, secret('a'))
	seen := map[string]bool{}
	for range 100 {
		seen[string(k.Seal("totp", []byte("plaintext"), nil))] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different results of 100", len(seen))
	}
}

// TF-13.
func TestSealedBytesDoNotOpenForAnotherOwnerOrPurpose(t *testing.T) {
	k := keyring(t, secret('a'))
	one, two := k.Seal("totp", []byte("secret of 1"), []byte("user 1")), k.Seal("totp", []byte("secret of 2"), []byte("user 2"))
	for _, tc := range []struct {
		name, label, aad string
		sealed           []byte
	}{
		{"1 read as 2", "totp", "user 2", one},
		{"2 read as 1", "totp", "user 1", two},
		{"no owner", "totp", "", one},
		{"an owner that begins alike", "totp", "user 12", one},
		{"another purpose", "mail", "user 1", one},
		{"no purpose", "", "user 1", one},
		{"a letter moved from owner to purpose", "totpu", "ser 1", one},
		{"a letter moved from purpose to owner", "tot", "puser 1", one},
	} {
		got, current, err := k.Open(tc.label, tc.sealed, []byte(tc.aad))
		if got != nil || current || !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: Open = %q, %v, %v; want ErrOpen", tc.name, got, current, err)
		}
	}
}

// ST-10.
func TestSealedBytesOfOldSecretsOpenAfterARotation(t *testing.T) {
	aad := []byte("user 1")
	before, during, after := keyring(t, secret('a')), keyring(t, secret('b'), secret('a')), keyring(t, secret('b'))
	sealed := before.Seal("totp", []byte("plaintext"), aad)

	got, current, err := during.Open("totp", sealed, aad)
	if string(got) != "plaintext" || current || err != nil {
		t.Fatalf("during rotation: Open = %q, %v, %v; want it open and not current", got, current, err)
	}
	if _, _, err := after.Open("totp", sealed, aad); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("after it: %v, want ErrUnknownKey", err)
	}
	again := during.Seal("totp", got, aad)
	if got, current, err := after.Open("totp", again, aad); string(got) != "plaintext" || !current || err != nil {
		t.Errorf("sealed again: Open = %q, %v, %v; want it open and current", got, current, err)
	}
	if _, _, err := before.Open("totp", again, aad); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("sealed again, opened by the old secret alone: %v, want ErrUnknownKey", err)
	}
}

func TestEveryFlippedBitAndEveryCutIsNoticed(t *testing.T) {
	k := keyring(t, secret('a'), secret('b'))
	sealed := k.Seal("totp", []byte("plaintext"), []byte("user 1"))
	refused := func(what string, at int, bad []byte) {
		t.Helper()
		got, current, err := k.Open("totp", bad, []byte("user 1"))
		if got != nil || current || err == nil {
			t.Errorf("%s %d: Open = %q, %v, %v", what, at, got, current, err)
		}
	}
	for i := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[i/8] ^= 1 << (i % 8)
		refused("bit", i, bad)
	}
	for i := range sealed {
		refused("cut to", i, sealed[:i])
		refused("cut from", i+1, sealed[i+1:])
	}
	refused("longer by", 1, append(bytes.Clone(sealed), 0))

	other := k.IDs()[1]
	if other == k.IDs()[0] {
		t.Fatal("two secrets with one id")
	}
	moved := keyring(t, secret('b')).Seal("totp", nil, nil)
	refused("under the id of root", 1, append(bytes.Clone(moved[:7]), sealed[7:]...))
}

func TestOpenAndSealLeaveTheirArgumentsAlone(t *testing.T) {
	k := keyring(t, secret('a'))
	plaintext, aad := []byte("plaintext"), []byte("user 1")
	sealed := k.Seal("totp", plaintext, aad)
	kept := bytes.Clone(sealed)
	got, _, err := k.Open("totp", sealed, aad)
	if err != nil {
		t.Fatal(err)
	}
	clear(got)
	if !bytes.Equal(sealed, kept) || string(plaintext) != "plaintext" || string(aad) != "user 1" {
		t.Error("an argument was changed")
	}
	clear(plaintext)
	if got, _, err := k.Open("totp", sealed, aad); string(got) != "plaintext" || err != nil {
		t.Errorf("Open = %q, %v", got, err)
	}
}

// golden is "plaintext" sealed for "totp" and "user 1" under secret('a').
const golden = "01c8f3c53a82d7b1617700d56a38434903677737cdb7861328886f942c8cc71e0fa0ac0b20171fd298a9d543"

// What is in a store today can be opened by every later version.
func TestSealedBytesOfVersion1Open(t *testing.T) {
	sealed, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, current, err := keyring(t, secret('a')).Open("totp", sealed, []byte("user 1"))
	if string(got) != "plaintext" || !current || err != nil {
		t.Errorf("Open = %q, %v, %v", got, current, err)
	}
}

// Only what was sealed can be opened, and all that is sealed can be.
func FuzzOpen(f *testing.F) {
	k := keyring(f, secret('a'), secret('b'))
	genuine, err := hex.DecodeString(golden)
	if err != nil {
		f.Fatal(err)
	}
	aad := []byte("user 1")
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1}, aad)
	f.Add(genuine, aad)
	f.Add(genuine, []byte("user 2"))
	f.Add(genuine[:len(genuine)-1], aad)
	f.Add(genuine[:7], aad)
	f.Add(genuine[:overhead], aad)
	f.Add(append([]byte{2}, genuine[1:]...), aad)
	f.Add(keyring(f, secret('c')).Seal("totp", nil, nil), aad)
	f.Add(keyring(f, secret('b')).Seal("mail", nil, aad), aad)
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, data, aad []byte) {
		got, current, err := k.Open("totp", data, aad)
		saw(err == nil)
		switch {
		case bytes.Equal(data, genuine) && string(aad) == "user 1":
			if string(got) != "plaintext" || !current || err != nil {
				t.Fatalf("genuine: Open = %q, %v, %v", got, current, err)
			}
		case got != nil || current || !errors.Is(err, seal.ErrOpen) && !errors.Is(err, seal.ErrUnknownKey):
			t.Fatalf("Open = %q, %v, %v", got, current, err)
		}
		if got, current, err := k.Open("totp", k.Seal("totp", data, aad), aad); !bytes.Equal(got, data) || !current || err != nil {
			t.Fatalf("after Seal: Open = %x, %v, %v", got, current, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k, plaintext, aad := keyring(b, secret('a')), make([]byte, 20), []byte("user 1")
	b.ReportAllocs()
	for b.Loop() {
		k.Seal("totp", plaintext, aad)
	}
}

func BenchmarkOpen(b *testing.B) {
	k, aad := keyring(b, secret('a')), []byte("user 1")
	sealed := k.Seal("totp", make([]byte, 20), aad)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.Open("totp", sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
}
