package password

import (
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// A hash is the content of a PHC string of Argon2.
type hash struct {
	params Params
	salt   []byte // 8 to 64 bytes
	tag    []byte // 16 to 64 bytes
	i      bool   // it is Argon2i, which is a foreign hash
}

const (
	minSalt, maxSalt = 8, 64
	minTag, maxTag   = 16, 64
)

func (h *hash) encode() string {
	variant := "argon2id"
	if h.i {
		variant = "argon2i"
	}
	return fmt.Sprintf("$%s$v=19$m=%d,t=%d,p=%d$%s$%s", variant,
		h.params.Memory, h.params.Time, h.params.Threads, text64(h.salt), text64(h.tag))
}

// decode returns the content of a hash of ours, or ErrMalformed. It accepts exactly what
// encode can return for a hash within the bounds, since the last step compares. So it
// refuses another algorithm or version, leading zeros, padding, another alphabet, stray bits and
// anything added.
func decode(encoded string) (hash, error) {
	if len(encoded) > maxForeign || !strings.HasPrefix(encoded, "$argon2id$") {
		return hash{}, ErrMalformed
	}
	h, err := parseArgon2(encoded)
	if err != nil || h.encode() != encoded {
		return hash{}, ErrMalformed
	}
	return *h, nil
}

// parseArgon2 reads a PHC string of at most maxForeign bytes, of Argon2id or Argon2i.
func parseArgon2(text string) (*hash, error) {
	fields := strings.Split(text, "$")
	if len(fields) < 4 || fields[1] != "argon2id" && fields[1] != "argon2i" || fields[2] != "v=19" {
		return nil, ErrUnknown
	}
	if len(fields) != 6 {
		return nil, ErrMalformed
	}
	n, err := numbers(fields[3], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	salt, err := bytesOf(fields[4], minSalt, maxSalt)
	if err != nil {
		return nil, err
	}
	tag, err := bytesOf(fields[5], minTag, maxTag)
	if err != nil {
		return nil, err
	}
	if n[0] > maxMemory || n[1] > maxTime || n[2] > maxThreads {
		return nil, ErrCosts
	}
	h := &hash{Params{uint32(n[0]), uint32(n[1]), uint8(n[2])}, salt, tag, fields[1] == "argon2i"}
	if h.params.Validate() != nil {
		return nil, ErrMalformed
	}
	return h, nil
}

func (h *hash) memory() uint64 { return uint64(h.params.Memory) << 10 }

// matches is for an Argon2i hash, and for an Argon2id hash that another system made.
func (h *hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.compute([]byte(password)), h.tag) == 1
}

// compute returns the tag of password under the parameters of h.
func (h *hash) compute(password []byte) []byte {
	if h.i {
		return argon2.Key(password, h.salt, h.params.Time, h.params.Memory, h.params.Threads, uint32(len(h.tag)))
	}
	return compute(h.params, password, h.salt, len(h.tag))
}
