package password

import (
	"crypto/subtle"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// A scryptHash is a hash of scrypt (RFC 7914).
type scryptHash struct {
	ln, r, p  int // N is 1 << ln
	salt, tag []byte
}

const (
	maxScryptMemory = 64 << 20 // of N·r·128
	maxScryptR      = 32
	maxScryptP      = 8
)

// parseScrypt reads what follows "$scrypt$" in the form of PHC and of passlib.
func parseScrypt(rest string) (foreign, error) {
	fields := strings.Split(rest, "$")
	if len(fields) != 3 {
		return nil, ErrMalformed
	}
	n, err := numbers(fields[0], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	salt, err := bytesOf(fields[1], minForeign, maxForeignSalt)
	if err != nil {
		return nil, err
	}
	return newScrypt(n[0], n[1], n[2], salt, fields[2])
}

// parseDjangoScrypt reads what follows "scrypt$" in Django: N, salt, r, p and hash.
func parseDjangoScrypt(rest string) (foreign, error) {
	fields := strings.Split(rest, "$")
	if len(fields) != 5 || fields[1] == "" || len(fields[1]) > maxForeignSalt {
		return nil, ErrMalformed
	}
	n, errN := number(fields[0])
	r, errR := number(fields[2])
	p, errP := number(fields[3])
	if errN != nil || errR != nil || errP != nil || bits.OnesCount64(n) != 1 && n < maxScryptMemory {
		return nil, ErrMalformed
	}
	return newScrypt(uint64(bits.Len64(n))-1, r, p, []byte(fields[1]), fields[4])
}

func newScrypt(ln, r, p uint64, salt []byte, tag string) (foreign, error) {
	b, err := bytesOf(tag, minTag, maxTag)
	if err != nil || ln < 1 || r < 1 || p < 1 {
		return nil, ErrMalformed
	}
	if ln > 32 || r > maxScryptR || p > maxScryptP || r*128<<ln > maxScryptMemory {
		return nil, ErrCosts
	}
	return &scryptHash{ln: int(ln), r: int(r), p: int(p), salt: salt, tag: b}, nil
}

func (h *scryptHash) encode() string {
	return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$%s$%s", h.ln, h.r, h.p, text64(h.salt), text64(h.tag))
}

func (h *scryptHash) memory() uint64 { return uint64(h.r) * 128 << h.ln }

func (h *scryptHash) matches(password string) bool {
	tag, err := scrypt.Key([]byte(password), h.salt, 1<<h.ln, h.r, h.p, len(h.tag))
	return err == nil && subtle.ConstantTimeCompare(tag, h.tag) == 1
}
