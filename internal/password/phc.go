package password

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// A hash is the content of a PHC string.
type hash struct {
	params Params
	salt   []byte // 8 to 64 bytes
	tag    []byte // 16 to 64 bytes
}

const (
	minSalt, maxSalt = 8, 64
	minTag, maxTag   = 16, 64

	// maxEncoded is slightly more than the longest string that decode accepts.
	maxEncoded = 256
)

func (h *hash) encode() string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s",
		h.params.Memory, h.params.Time, h.params.Threads,
		base64.RawStdEncoding.EncodeToString(h.salt),
		base64.RawStdEncoding.EncodeToString(h.tag))
}

// decode returns the content of encoded, or ErrMalformed. It accepts exactly what
// encode can return for a hash within the bounds, since the last step compares. So it
// refuses another algorithm or version, leading zeros, padding, line breaks (which
// package base64 skips), stray bits and anything added.
func decode(encoded string) (hash, error) {
	if len(encoded) > maxEncoded {
		return hash{}, ErrMalformed
	}
	fields := strings.Split(encoded, "$")
	if len(fields) != 6 {
		return hash{}, ErrMalformed
	}
	params, err := decodeParams(fields[3])
	if err != nil {
		return hash{}, err
	}
	salt, err := decodeBytes(fields[4], minSalt, maxSalt)
	if err != nil {
		return hash{}, err
	}
	tag, err := decodeBytes(fields[5], minTag, maxTag)
	if err != nil {
		return hash{}, err
	}
	h := hash{params: params, salt: salt, tag: tag}
	if h.encode() != encoded {
		return hash{}, ErrMalformed
	}
	return h, nil
}

func decodeParams(s string) (Params, error) {
	costs := strings.Split(s, ",")
	if len(costs) != 3 {
		return Params{}, ErrMalformed
	}
	var n [3]uint64
	for i, field := range [...]struct {
		name string
		bits int
	}{{"m=", 32}, {"t=", 32}, {"p=", 8}} {
		var err error
		if n[i], err = strconv.ParseUint(strings.TrimPrefix(costs[i], field.name), 10, field.bits); err != nil {
			return Params{}, ErrMalformed
		}
	}
	p := Params{Memory: uint32(n[0]), Time: uint32(n[1]), Threads: uint8(n[2])}
	if p.Validate() != nil {
		return Params{}, ErrMalformed
	}
	return p, nil
}

func decodeBytes(s string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, ErrMalformed
	}
	return b, nil
}
