package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// A Firebase has the parameters of the password hashes of a Firebase project. Its hashes are the
// signer key, encrypted with AES-256 in counter mode under scrypt of the password.
type Firebase struct {
	signerKey func() []byte // so that nothing prints it
	separator []byte
	r, ln     int
}

// Errors of NewFirebase. Each completes a sentence about the parameter.
var (
	ErrSignerKey  = errors.New("not 32 to 128 bytes in base64")
	ErrSeparator  = errors.New("not 0 to 64 bytes in base64")
	ErrRounds     = errors.New("not within 1 and 8")
	ErrMemoryCost = errors.New("not within 1 and 14")
)

// NewFirebase returns the Firebase of these parameters, with the names that Firebase gives them.
// The error has the errors of all that are out of range.
func NewFirebase(signerKey, saltSeparator string, rounds, memoryCost int) (*Firebase, error) {
	var wrong []error
	key, err := bytesOf(signerKey, 32, 128)
	if err != nil {
		wrong = append(wrong, ErrSignerKey)
	}
	separator, err := bytesOf(saltSeparator, 0, maxForeignSalt)
	if err != nil {
		wrong = append(wrong, ErrSeparator)
	}
	if rounds < 1 || rounds > 8 {
		wrong = append(wrong, ErrRounds)
	}
	if memoryCost < 1 || memoryCost > 14 {
		wrong = append(wrong, ErrMemoryCost)
	}
	if wrong != nil {
		return nil, errors.Join(wrong...)
	}
	return &Firebase{func() []byte { return key }, separator, rounds, memoryCost}, nil
}

// WithFirebase returns a copy of c that takes the hashes of f too.
func (c *Comparer) WithFirebase(f *Firebase) *Comparer {
	other := *c
	other.firebase = f
	return &other
}

// A firebaseHash is a hash of a Firebase project.
type firebaseHash struct {
	of        *Firebase
	salt, tag []byte
}

// parse reads what follows "$firebase-scrypt$": the salt and the hash of a user.
func (f *Firebase) parse(rest string) (foreign, error) {
	if f == nil {
		return nil, ErrNoKey
	}
	fields := strings.Split(rest, "$")
	if len(fields) != 2 {
		return nil, ErrMalformed
	}
	salt, err := bytesOf(fields[0], minForeign, maxForeignSalt)
	if err != nil {
		return nil, err
	}
	tag, err := bytesOf(fields[1], len(f.signerKey()), len(f.signerKey()))
	if err != nil {
		return nil, err
	}
	return &firebaseHash{f, salt, tag}, nil
}

func (h *firebaseHash) encode() string {
	return "$firebase-scrypt$" + text64(h.salt) + "$" + text64(h.tag)
}

func (h *firebaseHash) memory() uint64 { return uint64(h.of.r) * 128 << h.of.ln }

func (h *firebaseHash) matches(password string) bool {
	key, err := scrypt.Key([]byte(password), slices.Concat(h.salt, h.of.separator), 1<<h.of.ln, h.of.r, 1, 32)
	if err != nil {
		return false
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false
	}
	tag := make([]byte, len(h.tag))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(tag, h.of.signerKey()) //nolint:gosec // the scheme's own: each key encrypts once
	return subtle.ConstantTimeCompare(tag, h.tag) == 1
}
