package password

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // in HMAC, for hashes that exist
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	stdhash "hash"
	"strings"
)

// A pbkdf2Hash is a hash of PBKDF2 (RFC 8018) with HMAC.
type pbkdf2Hash struct {
	digest    string // "sha1", "sha256" or "sha512"
	rounds    int
	salt, tag []byte
}

const (
	maxPBKDF2Rounds = 2_000_000
	maxPBKDF2Tag    = 128
)

// digests are the hash functions, and how many bytes they return.
var digests = map[string]struct {
	new  func() stdhash.Hash
	size int
}{
	"sha1":   {sha1.New, sha1.Size},
	"sha256": {sha256.New, sha256.Size},
	"sha512": {sha512.New, sha512.Size},
}

// parsePBKDF2 reads what follows "$pbkdf2-sha256$", or another name, in the form of passlib or
// of PHC. Digest is "-sha256", or "" for SHA-1.
func parsePBKDF2(digest, rest string) (foreign, error) {
	digest = strings.TrimPrefix(digest, "-")
	if digest == "" {
		digest = "sha1"
	}
	fields := strings.Split(rest, "$")
	if len(fields) != 3 {
		return nil, ErrMalformed
	}
	rounds, length, sized := strings.Cut(strings.TrimPrefix(fields[0], "i="), ",")
	salt, err := bytesOf(fields[1], minForeign, maxForeignSalt)
	if err != nil {
		return nil, err
	}
	tag, err := bytesOf(fields[2], minTag, maxPBKDF2Tag)
	if err != nil || sized && length != fmt.Sprintf("l=%d", len(tag)) {
		return nil, ErrMalformed
	}
	return newPBKDF2(digest, rounds, salt, tag)
}

// parseDjangoPBKDF2 reads what follows "pbkdf2_sha256$" in Django: rounds, salt and hash.
func parseDjangoPBKDF2(digest, rest string) (foreign, error) {
	fields := strings.Split(rest, "$")
	if len(fields) != 3 || fields[1] == "" || len(fields[1]) > maxForeignSalt {
		return nil, ErrMalformed
	}
	tag, err := bytesOf(fields[2], minTag, maxPBKDF2Tag)
	if err != nil {
		return nil, err
	}
	return newPBKDF2(digest, fields[0], []byte(fields[1]), tag)
}

// newPBKDF2 keeps the first block of a tag. An attacker computes no more of it, and each block
// costs all the rounds.
func newPBKDF2(digest, rounds string, salt, tag []byte) (foreign, error) {
	n, err := number(rounds)
	if err != nil || n < 1 {
		return nil, ErrMalformed
	}
	if n > maxPBKDF2Rounds {
		return nil, ErrCosts
	}
	return &pbkdf2Hash{digest: digest, rounds: int(n), salt: salt, tag: tag[:min(len(tag), digests[digest].size)]}, nil
}

func (h *pbkdf2Hash) encode() string {
	return fmt.Sprintf("$pbkdf2-%s$i=%d$%s$%s", h.digest, h.rounds, text64(h.salt), text64(h.tag))
}

func (h *pbkdf2Hash) memory() uint64 { return 0 }

func (h *pbkdf2Hash) matches(password string) bool {
	tag, err := pbkdf2.Key(digests[h.digest].new, password, h.salt, h.rounds, len(h.tag))
	return err == nil && subtle.ConstantTimeCompare(tag, h.tag) == 1
}
