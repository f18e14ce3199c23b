package jose

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
)

// A Type is the typ in the header of the tokens that are signed and accepted.
type Type string

// The types that a token can have.
const (
	AccessToken Type = "at+jwt" // RFC 9068
	PlainJWT    Type = "JWT"    // RFC 7519, 5.1
)

// Valid reports whether t is a type that a token can have.
func (t Type) Valid() bool { return t == AccessToken || t == PlainJWT }

// A Key verifies tokens of one algorithm. A token's header is compared and not interpreted:
// unless it is the one text that goes with this key, the token is not of this key. So a
// token cannot choose another algorithm, type, key source or critical extension (RFC 8725,
// 3.1, 3.11; RFC 7515, 4.1.11).
type Key struct {
	header string // base64url of {"alg":…,"kid":…,"typ":…}
	verifier
}

// A verifier reports whether sig is the signature of text as it is written in a token.
// Of the several base64 spellings of one signature it accepts only one.
type verifier interface{ verify(text, sig string) bool }

// header returns the one header of tokens of a key, by a name of its algorithm.
func header(alg, kid string, typ Type) string {
	return base64.RawURLEncoding.EncodeToString(marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ Type   `json:"typ"`
	}{alg, kid, typ}))
}

// Keys are the keys that a token may be signed with. Any number of goroutines may use them.
type Keys []Key

// Verify fills p with the claims of a token that one of the keys signed, and returns true.
// Otherwise it empties p and returns false. The caller must check p.WellFormed, the issuer,
// the audience and the time. The spelling of a payload may differ from that of f, which is
// read fastest. The ids in p change with the next call for p.
func (ks Keys) Verify(token string, f *Format, p *Parsed) bool {
	p.Reset()
	body, ok := ks.open(token)
	if !ok {
		return false
	}
	if rest, usual := strings.CutPrefix(body, f.start); usual {
		if text, ok := decodePayload(rest, &p.buf); ok && p.scan(text, f) {
			return true
		}
	}
	p.Reset()
	var read Claims
	if text, ok := decodePayload(body, &p.buf); !ok || json.Unmarshal(text, &read) != nil {
		return false
	}
	p.Issuer, p.Audience, p.Validity = read.Issuer, read.Audience, read.Validity
	p.WellFormed = validIDs(f, read.Subject, read.Session, read.ID)
	p.SetIDs(read.Subject, read.Session, read.ID)
	return true
}

// Payload returns the whole payload of a token, and true, if one of the keys signed it and
// its ids are written as in f. The caller must check the issuer, the audience and the time.
func (ks Keys) Payload(token string, f *Format) (Payload, bool) {
	body, ok := ks.open(token)
	if !ok {
		return Payload{}, false
	}
	buf := payloadBufs.Get().(*[]byte)
	defer payloadBufs.Put(buf)
	var p Payload
	text, ok := decodePayload(body, buf)
	if !ok || json.Unmarshal(text, &p) != nil || !validIDs(f, p.Subject, p.Session, p.ID) {
		return Payload{}, false
	}
	return p, true
}

// open returns the payload of a token that one of the keys signed, in base64url.
func (ks Keys) open(token string) (body string, ok bool) {
	if len(token) > MaxLen {
		return "", false
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return "", false
	}
	text, sig := token[:dot], token[dot+1:]
	header, body, _ := strings.Cut(text, ".")
	for _, k := range ks {
		if header == k.header {
			return body, k.verify(text, sig)
		}
	}
	return "", false
}

// decodePayload returns the bytes of a payload in base64url. They are in buf.
func decodePayload(body string, buf *[]byte) ([]byte, bool) {
	*buf = append((*buf)[:0], body...)
	n, err := base64.RawURLEncoding.Decode(*buf, *buf) // in place: it reads ahead of what it writes
	return (*buf)[:n], err == nil
}

// payloadBufs are buffers for decodePayload.
var payloadBufs = sync.Pool{New: func() any { return new([]byte) }}
