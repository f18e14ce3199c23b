// Package seal keeps a service's root secrets. It derives keys from them for any
// purpose, and seals small secrets that are stored.
//
// Every root secret yields a public id and independent keys by HKDF-SHA256 (RFC 5869),
// each with its own info string. No derived key or id reveals anything about the root
// or about another key.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// MinSecret is the least length of a root secret, in bytes.
const MinSecret = 32

// infoPrefix begins every HKDF info. It separates these keys from any that your program
// derives from the same secret. It is followed by "id" or "seal". In Derive and Apart "key "
// or "seal " and the label follow, so no label yields the id or another's key.
const infoPrefix = "github.com/datixlab/auth v1 "

const idLen = 6

// A Keyring holds one or more root secrets, the current one first. The current one
// seals; all of them open. A Keyring never changes, is safe for concurrent use, and
// reveals none of its content through fmt and log/slog.
type Keyring struct {
	roots []*root
}

// A root holds its key material in a closure and behind two pointers. Package fmt does
// not call Format on an unexported field or a copied Keyring, and follows a pointer
// under some verbs.
type root struct {
	id     [idLen]byte
	expand func(label string, n int) []byte
	aead   cipher.AEAD
}

// New returns the Keyring of secrets, the current one first. It keeps no reference to
// them. It returns an error if there is none, if one is shorter than MinSecret, or if
// two are the same. A secret must come from a random source: HKDF does not help against
// one that can be guessed.
func New(secrets ...[]byte) (*Keyring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("seal: no secret")
	}
	k := &Keyring{}
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("seal: secret %d has %d bytes, needs %d", i, len(secret), MinSecret)
		}
		r, err := newRoot(secret)
		if err != nil {
			return nil, fmt.Errorf("seal: secret %d: %w", i, err)
		}
		if k.find(r.id[:]) != nil {
			return nil, fmt.Errorf("seal: secret %d is there twice", i)
		}
		k.roots = append(k.roots, r)
	}
	return k, nil
}

func newRoot(secret []byte) (*root, error) {
	prk, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil {
		return nil, err
	}
	r := &root{expand: func(label string, n int) []byte {
		key, err := hkdf.Expand(sha256.New, prk, infoPrefix+label, n)
		if err != nil {
			panic("seal: " + err.Error()) // n is out of range: a bug in the caller
		}
		return key
	}}
	copy(r.id[:], r.expand("id", idLen))
	r.aead, err = newAEAD(r.expand("seal", 32))
	return r, err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Apart returns a Keyring with the same ids that seals with a key of its own for each root
// secret, derived for label. It is for what is sealed often: that counts toward the bound of
// [Keyring.Seal] for label alone. What one seals, the other does not open.
func (k *Keyring) Apart(label string) (*Keyring, error) {
	apart := &Keyring{}
	for _, r := range k.roots {
		own := *r
		var err error
		if own.aead, err = newAEAD(r.expand("seal "+label, 32)); err != nil {
			return nil, err
		}
		apart.roots = append(apart.roots, &own)
	}
	return apart, nil
}

// IDs returns the public id of every root secret, in their order. An id is 8 characters
// of base64url, and the same wherever and whenever the same secret is used.
func (k *Keyring) IDs() []string {
	ids := make([]string, len(k.roots))
	for i, r := range k.roots {
		ids[i] = base64.RawURLEncoding.EncodeToString(r.id[:])
	}
	return ids
}

// Derive returns a key of n bytes for label from every root secret, in their order.
// Different labels give independent keys. The same label and n always give the same
// keys; a shorter key is the beginning of a longer one. The caller uses a label for one
// purpose only and does not log the keys. Derive panics unless n is 16 to 8160 (RFC
// 5869, section 2.3).
func (k *Keyring) Derive(label string, n int) [][]byte {
	if n < 16 {
		panic("seal: derived key is too short")
	}
	keys := make([][]byte, len(k.roots))
	for i, r := range k.roots {
		keys[i] = r.expand("key "+label, n)
	}
	return keys
}

// Format redacts the Keyring under every verb that could reveal its content.
func (k *Keyring) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted)
}

// LogValue redacts the Keyring in log/slog.
func (k *Keyring) LogValue() slog.Value {
	return slog.StringValue(redacted)
}

const redacted = "seal.Keyring(redacted)"

func (k *Keyring) find(id []byte) *root {
	for _, r := range k.roots {
		if string(r.id[:]) == string(id) {
			return r
		}
	}
	return nil
}
