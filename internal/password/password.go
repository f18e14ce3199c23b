// Package password turns passwords into stored hashes, checks them, and decides which
// passwords may be chosen.
//
// A hash is Argon2id (RFC 9106) in the PHC string form
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>
//
// A [Comparer] also takes hashes that other systems made, see [Comparer.Import].
//
// A password becomes bytes in one place only. It must be valid UTF-8, and is brought to
// Unicode form NFC. Nothing else is done to it: it is not trimmed, folded or cut short,
// so every byte counts.
//
// Hash, Verify and Tag take tens of milliseconds. Each call allocates Params.Memory, and the
// package has the garbage collected early. The caller limits how many calls run at
// once.
package password

import (
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/argon2"
)

// Errors of Hash, Verify and Tag. None of them holds any part of a password or hash.
var (
	// ErrText reports a password that is not text, see Invalid. It is a mistake of the
	// client and says nothing about an account.
	ErrText = errors.New("password: not valid text")

	// ErrMalformed reports a stored hash that is not one of ours, or whose
	// costs are out of bounds. The password did not match; an operator should
	// look at the record.
	ErrMalformed = errors.New("password: malformed hash")

	// ErrParams reports costs, or lengths of a salt or tag, that this package would not
	// accept back.
	ErrParams = errors.New("password: parameters out of range")
)

const (
	saltLen = 16
	tagLen  = 32
)

// Hash returns a new hash of password under p. The salt is random, so two hashes of one
// password differ. The error is [ErrText] or [ErrParams]. Whether the password is a
// good one is decided by [Policy].
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
	h.tag = compute(p, []byte(text), h.salt, tagLen)
	return h.encode(), nil
}

// Verify reports whether encoded was made from password. If ok is true, stale reports
// that encoded has other costs than p, or a shorter salt or tag than Hash makes now.
// The caller then stores a new hash, on condition that the record still holds encoded;
// otherwise it could undo a change of the password. Higher costs than p's are stale as
// well as lower ones: an operator may lower them.
//
// With an error, [ErrText] or [ErrMalformed], ok is false and no work was done. For any
// encoded, Verify takes at most 256 MiB and 10 passes.
func Verify(p Params, encoded, password string) (ok, stale bool, err error) {
	text, err := normalize(password)
	if err != nil {
		return false, false, err
	}
	h, err := decode(encoded)
	if err != nil {
		return false, false, err
	}
	ok, stale = h.verify(p, text)
	return ok, stale, nil
}

// Tag returns n bytes of Argon2id of key under p and salt: what a short secret is stored
// as that is no password, such as a backup code. The salt has 8 to 64 bytes, n is 16 to
// 64. Otherwise, or if p is out of range, the error is [ErrParams] and no work was done:
// so costs from a record may be passed as they are. Memory and time are as for Verify.
func Tag(p Params, key, salt []byte, n int) ([]byte, error) {
	if p.Validate() != nil || len(salt) < minSalt || len(salt) > maxSalt || n < minTag || n > maxTag {
		return nil, ErrParams
	}
	return compute(p, key, salt, n), nil
}

// compute is the only caller of argon2 in the module, beside hash.compute for a foreign hash. For
// parameters that Validate and decode refuse, argon2 panics or exhausts memory.
func compute(p Params, key, salt []byte, n int) []byte {
	tag := argon2.IDKey(key, salt, p.Time, p.Memory, p.Threads, uint32(n))
	discarded.add(uint64(p.Memory) << 10)
	return tag
}
