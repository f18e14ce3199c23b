// Package password turns passwords into stored hashes, checks them, and says
// which passwords may be chosen.
//
// A hash is Argon2id (RFC 9106) in the PHC string form
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>
//
// A password becomes bytes in one place only: it must be valid UTF-8, it is
// brought to Unicode form NFC, and nothing else is done to it. It is not
// trimmed, folded or cut short, so every byte of it counts.
//
// Hash and Verify take tens of milliseconds and allocate Params.Memory each
// time, and see to it that little of it lies about. The caller bounds how many run at
// once.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/argon2"
)

// Errors of Hash and Verify. None of them holds any part of a password or hash.
var (
	// ErrText reports a password that is not text: see [Invalid]. It is the
	// client's mistake and says nothing about an account.
	ErrText = errors.New("password: not valid text")

	// ErrMalformed reports a stored hash that is not one of ours, or whose
	// costs are out of bounds. The password did not match; an operator should
	// look at the record.
	ErrMalformed = errors.New("password: malformed hash")

	// ErrParams reports costs that this package would not accept back.
	ErrParams = errors.New("password: parameters out of range")
)

const (
	saltLen = 16
	tagLen  = 32
)

// Hash returns a new hash of password under p, with a fresh random salt, so
// that two hashes of one password differ. It fails with [ErrText] or
// [ErrParams]; whether the password is a good one is for [Policy] to say.
func Hash(p Params, password string) (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	text, err := normalize(password)
	if err != nil {
		return "", err
	}
	h := hash{params: p, salt: make([]byte, saltLen)}
	rand.Read(h.salt)
	h.tag = compute(p, text, h.salt, tagLen)
	return h.encode(), nil
}

// Verify reports whether password is the one that encoded was made from. Where
// ok is true, stale says that encoded was made under other costs than p or with
// a shorter salt or tag than Hash makes now: the caller then stores a new hash,
// on condition that the record still holds encoded, or else it could undo a
// password change. Lower costs than p's and higher ones are stale alike, for an
// operator who lowers them means it.
//
// An error, [ErrText] or [ErrMalformed], always comes with ok false. It is
// returned before any work is done, and no encoded makes Verify take more than
// 256 MiB or 10 passes.
func Verify(p Params, encoded, password string) (ok, stale bool, err error) {
	text, err := normalize(password)
	if err != nil {
		return false, false, err
	}
	h, err := decode(encoded)
	if err != nil {
		return false, false, err
	}
	tag := compute(h.params, text, h.salt, len(h.tag))
	if subtle.ConstantTimeCompare(tag, h.tag) != 1 {
		return false, false, nil
	}
	return true, h.params != p || len(h.salt) < saltLen || len(h.tag) < tagLen, nil
}

// compute is the only caller of argon2, which panics or exhausts memory on
// parameters that Validate and decode refuse.
func compute(p Params, text string, salt []byte, n int) []byte {
	tag := argon2.IDKey([]byte(text), salt, p.Time, p.Memory, p.Threads, uint32(n))
	discarded.add(uint64(p.Memory) << 10)
	return tag
}
