// Package checkdigits makes and reads the text of credentials that people copy: a prefix, base62
// digits, and six more that are a CRC-32 of all before them. So a mistyped or cut text is refused
// without a look into a store. The check proves nothing else: anybody can compute it.
package checkdigits

import (
	"hash/crc32"
	"strings"

	"github.com/datixlab/auth/internal/ident"
)

// Len is the number of check digits.
const Len = 6

// Add returns text with its check digits behind it.
func Add(text string) string {
	check := of(text)
	return text + string(check[:])
}

// Cut returns the n digits between the prefix and the check digits of text. It returns "" and
// false unless text is the prefix, n digits and their check digits, and nothing else.
func Cut(text, prefix string, n int) (digits string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || !ident.IsBase62(rest, n+Len) {
		return "", false
	}
	end := len(text) - Len
	if check := of(text[:end]); text[end:] != string(check[:]) {
		return "", false
	}
	return rest[:n], true
}

// of returns the check digits of text. Six digits hold 32 bits.
func of(text string) (digits [Len]byte) {
	sum := crc32.ChecksumIEEE([]byte(text))
	for i := Len - 1; i >= 0; i-- {
		digits[i], sum = ident.Alphabet[sum%62], sum/62
	}
	return digits
}
