package password

import (
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// A bcryptHash is a hash of bcrypt, as it was written.
type bcryptHash string

const (
	bcryptLen     = 60 // bytes of a hash
	maxBcryptText = 72 // bytes of a password; the algorithm ignores the rest
	maxBcryptCost = 14
)

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// parseBcrypt reads a hash that begins with $2a$, $2b$ or $2y$, which all are the algorithm
// without errors. $2x$ marks one with an error.
func parseBcrypt(text string) (foreign, error) {
	if !strings.HasPrefix(text, "$2a$") && !strings.HasPrefix(text, "$2b$") && !strings.HasPrefix(text, "$2y$") {
		return nil, ErrUnknown
	}
	if len(text) != bcryptLen || text[6] != '$' || strings.Trim(text[7:], bcryptAlphabet) != "" {
		return nil, ErrMalformed
	}
	cost, err := number(strings.TrimPrefix(text[4:6], "0"))
	if err != nil || cost < uint64(bcrypt.MinCost) {
		return nil, ErrMalformed
	}
	if strings.IndexByte(bcryptAlphabet, text[bcryptLen-1])%4 != 0 { // bits that no hash has
		return nil, ErrMalformed
	}
	if cost > maxBcryptCost {
		return nil, ErrCosts
	}
	return bcryptHash(text), nil
}

func (h bcryptHash) encode() string { return string(h) }

func (h bcryptHash) memory() uint64 { return 0 }

// matches refuses a password that bcrypt would cut short. It also refuses one with a NUL byte,
// which stands for the end of the password in bcrypt.
func (h bcryptHash) matches(password string) bool {
	if len(password) > maxBcryptText || strings.ContainsRune(password, 0) {
		return false
	}
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil
}
