// Package ident makes and recognises identifiers. An identifier is a prefix that names its
// kind, and digits of base62. Those of [Timed] and [Random] hold 128 bits from a cryptographic
// random source. So nobody guesses one, and none occurs twice.
package ident

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"strings"
	"time"
)

// The numbers of digits after the prefix.
const (
	TimedLen  = 29 // of a [Timed] identifier: 5 + 16 bytes
	RandomLen = 22 // of a [Random] identifier: 16 bytes
)

// Alphabet has the 62 digits by value. They are in ASCII order. So texts of one length have
// the order of the numbers that they stand for.
const Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Timed returns the digits of an identifier made at t. It begins with 40 bits of the Unix time
// in seconds, and the other 128 bits are random. So records that were made one after the
// other are neighbours in an ordered store.
func Timed(t time.Time) string {
	var b [21]byte
	binary.BigEndian.PutUint64(b[:8], uint64(t.Unix())<<24)
	_, _ = rand.Read(b[5:]) // never fails: crypto/rand ends the process first
	return encode(b[:], TimedLen)
}

// Random returns the digits of an identifier of 128 random bits.
func Random() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return encode(b[:], RandomLen)
}

// Digits returns n random digits, 1 or more. Each of the 62 has the same probability.
func Digits(n int) string {
	out := make([]byte, 0, n)
	var b [64]byte
	for {
		_, _ = rand.Read(b[:])
		for _, c := range b {
			if c >= 4*62 { // the remainder would favour the first digits
				continue
			}
			if out = append(out, Alphabet[c%62]); len(out) == n {
				return string(out)
			}
		}
	}
}

// Is reports whether id is prefix and n digits, and nothing else.
func Is[text string | []byte](id text, prefix string, n int) bool {
	return len(id) == len(prefix)+n && string(id[:len(prefix)]) == prefix && IsBase62(id[len(prefix):], n)
}

// Bare returns the digits of id without the prefix. It returns "" and false unless
// [Is] is true of the three.
func Bare(id, prefix string, n int) (digits string, ok bool) {
	if !Is(id, prefix, n) {
		return "", false
	}
	return id[len(prefix):], true
}

// IsBase62 reports whether s is n digits, and nothing else.
func IsBase62[text string | []byte](s text, n int) bool {
	if len(s) != n {
		return false
	}
	var others byte
	for i := range len(s) {
		others |= noDigit[s[i]]
	}
	return others == 0
}

// noDigit is 1 for every byte that is no digit. The look-up has no branch, since it is made
// for each digit of each credential.
var noDigit = func() (others [256]byte) {
	for i := range others {
		if strings.IndexByte(Alphabet, byte(i)) < 0 {
			others[i] = 1
		}
	}
	return others
}()

// encode returns the number in b as n digits, with zeros in front.
func encode(b []byte, n int) string {
	v, base, digit := new(big.Int).SetBytes(b), big.NewInt(62), new(big.Int)
	out := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		v.DivMod(v, base, digit)
		out[i] = Alphabet[digit.Int64()]
	}
	return string(out)
}
