package jose

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"slices"
	"sync"
)

// HMACLen is how many bytes a signature of HS256 has in a token, in base64url.
const HMACLen = 43

// NewHMAC returns the Signer and the Key of an HS256 key, which it copies. The key must have
// 32 bytes or more (RFC 7518, 3.2). Headers name it by kid.
func NewHMAC(kid string, key []byte, typ Type) (Signer, Key) {
	header, key := header("HS256", kid, typ), slices.Clone(key)
	macs := &sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}
	sign := func(_ context.Context, text string) ([]byte, error) {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil), nil
	}
	return Signer{header, sign}, Key{header, hmacVerifier{macs}}
}

// An hmacVerifier verifies HS256.
type hmacVerifier struct {
	macs *sync.Pool // of macs with the key in them: setting one up is half of a verification
}

// A mac is a keyed HMAC with the buffers that a verification needs.
type mac struct {
	hash.Hash
	text []byte
	sum  [sha256.Size]byte
	sig  [HMACLen]byte
}

// verify compares the two signatures as text, in constant time.
func (v hmacVerifier) verify(text, sig string) bool {
	m := v.macs.Get().(*mac)
	defer v.macs.Put(m)
	m.Reset()
	m.text = append(m.text[:0], text...)
	m.Write(m.text)
	base64.RawURLEncoding.Encode(m.sig[:], m.Sum(m.sum[:0]))
	m.text = append(m.text[:0], sig...)
	return subtle.ConstantTimeCompare(m.sig[:], m.text) == 1
}
