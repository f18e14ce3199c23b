package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Errors of [Comparer.Import]. Each matches [ErrMalformed] too, since no password matches such
// a text.
var (
	// ErrUnknown reports a scheme, or a version of one, that this package does not compute.
	ErrUnknown = fmt.Errorf("%w: its scheme is not known", ErrMalformed)

	// ErrCosts reports costs above the bounds of the scheme.
	ErrCosts = fmt.Errorf("%w: its costs are above the bounds", ErrMalformed)

	// ErrNoKey reports a hash of Firebase for a Comparer that has no [Firebase].
	ErrNoKey = fmt.Errorf("%w: it needs the signer key of the Firebase project", ErrMalformed)
)

// A foreign hash is one that another system has made. It is read, and within the bounds of its
// scheme. Nothing of a password is kept in it.
type foreign interface {
	// encode returns the only form in which the hash is stored.
	encode() string

	// memory returns the bytes that matches takes, or 0 if they are few.
	memory() uint64

	// matches does the work of the scheme, and reports whether the hash is of password. Other
	// systems do not normalise, so these are the bytes as they were sent.
	matches(password string) bool
}

const (
	maxForeign                 = 512 // bytes of a text; no hash within the bounds is longer
	minForeign, maxForeignSalt = 1, 64
)

// Import returns the form in which a hash of another system is stored, so that [Comparer.Verify]
// takes it. It computes nothing. The schemes, their forms and their bounds are:
//
//	Argon2id, Argon2i  PHC with v=19           256 MiB, 10 passes, 16 lanes
//	bcrypt             $2a$, $2b$, $2y$        cost 14; 72 bytes of password
//	scrypt             PHC, passlib, Django    N·r·128 up to 64 MiB, r up to 32, p up to 8
//	PBKDF2             PHC, passlib, Django    2,000,000 rounds of SHA-1, SHA-256 or SHA-512
//	Firebase scrypt    $firebase-scrypt$salt$hash, see [Firebase]
//
// Base64 may be padded, and in the alphabets for URLs and of passlib. The prefixes "argon2" and
// "bcrypt" of Django are dropped. The error matches ErrMalformed, and may be [ErrUnknown],
// [ErrCosts] or [ErrNoKey]. It has nothing of the text.
func (c *Comparer) Import(text string) (stored string, err error) {
	f, err := c.parse(text)
	if err != nil {
		return "", err
	}
	return f.encode(), nil
}

// decodeForeign returns the hash that encoded is the stored form of.
func (c *Comparer) decodeForeign(encoded string) (foreign, error) {
	f, err := c.parse(encoded)
	if err == nil && f.encode() != encoded {
		err = ErrMalformed
	}
	return f, err
}

// parse reads a text of any system. It allocates a few times the text, of which it reads
// maxForeign bytes at most.
func (c *Comparer) parse(text string) (foreign, error) {
	if len(text) > maxForeign || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, ErrMalformed
	}
	if !strings.HasPrefix(text, "$") {
		return c.parseDjango(text)
	}
	scheme, rest, _ := strings.Cut(text[1:], "$")
	switch scheme {
	case "argon2id", "argon2i":
		return parseArgon2(text)
	case "2a", "2b", "2y":
		return parseBcrypt(text)
	case "scrypt":
		return parseScrypt(rest)
	case "pbkdf2", "pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512":
		return parsePBKDF2(strings.TrimPrefix(scheme, "pbkdf2"), rest)
	case "firebase-scrypt":
		return c.firebase.parse(rest)
	}
	return nil, ErrUnknown
}

// parseDjango reads a text of Django: the name of an algorithm, '$' and its fields.
func (c *Comparer) parseDjango(text string) (foreign, error) {
	algorithm, rest, _ := strings.Cut(text, "$")
	switch algorithm {
	case "argon2":
		return parseArgon2("$" + rest)
	case "bcrypt":
		return parseBcrypt(rest)
	case "scrypt":
		return parseDjangoScrypt(rest)
	case "pbkdf2_sha1", "pbkdf2_sha256":
		return parseDjangoPBKDF2(strings.TrimPrefix(algorithm, "pbkdf2_"), rest)
	}
	return nil, ErrUnknown
}

// errNumber reports a text that is no number.
var errNumber = errors.New("password: not a number")

// number reads a decimal number. One that is too large for any cost is math.MaxInt64.
func number(s string) (uint64, error) {
	if s == "" || len(s) > 1 && s[0] == '0' {
		return 0, errNumber
	}
	n := uint64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, errNumber
		}
		if n = 10*n + uint64(s[i]-'0'); i > 15 {
			n = math.MaxInt64 / 100
		}
	}
	return n, nil
}

// numbers reads numbers with these names, in this order: "m=64,t=1,p=1".
func numbers(s string, names ...string) (n []uint64, err error) {
	fields := strings.Split(s, ",")
	if len(fields) != len(names) {
		return nil, ErrMalformed
	}
	for i, name := range names {
		digits, ok := strings.CutPrefix(fields[i], name+"=")
		value, err := number(digits)
		if !ok || err != nil {
			return nil, ErrMalformed
		}
		n = append(n, value)
	}
	return n, nil
}

// alphabets turns base64 for URLs, and that of passlib, into the standard one.
var alphabets = strings.NewReplacer("-", "+", "_", "/", ".", "+")

// bytesOf reads least to most bytes in base64.
func bytesOf(s string, least, most int) ([]byte, error) {
	text := strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	b, err := base64.RawStdEncoding.Strict().DecodeString(alphabets.Replace(text))
	if err != nil || len(b) < least || len(b) > most {
		return nil, ErrMalformed
	}
	return b, nil
}

// text64 is the reverse of bytesOf.
func text64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }
