package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken = 8 << 10          // bytes of a credential that are looked at
	leeway   = 30 * time.Second // how far ahead another instance's clock may be
)

// claims are what an access token says, RFC 9068 with the session's id, as far as it
// is looked at. Nothing in them is believed beyond the ids and times: role and state
// are read from the store.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Session  string `json:"sid"`
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"`
	From     int64  `json:"nbf"`
	Expires  int64  `json:"exp"`
}

// payload is all that a token says, to whoever else reads it.
type payload struct {
	claims
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	Org      string   `json:"org"`
	Role     string   `json:"role"`
	// Enrols is true of a session that could do nothing but set up a second factor.
	Enrols bool `json:"enrollment_only,omitempty"`
}

// A tokenKey proves tokens. A token's header is not interpreted: it is one of the few
// texts that these keys write, or the token is refused. It names the algorithm, so a
// key has one. That leaves no room for another algorithm, type, key source or critical
// extension (RFC 8725, 3.1, 3.11; RFC 7515, 4.1.11).
type tokenKey struct {
	header string // base64url of {"alg":…,"kid":…,"typ":"at+jwt"}
	proof  proof
}

// A proof reports whether sig is the signature of text as it stands in a token. Of the
// several base64 spellings of one signature only one is good.
type proof interface{ proves(text, sig string) bool }

// A tokenSigner signs tokens; ctx bounds how long.
type tokenSigner struct {
	header string
	sign   func(ctx context.Context, text string) ([]byte, error)
}

// tokenHeader is the one header that a key writes.
func tokenHeader(alg, kid string) string {
	h, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{alg, kid, "at+jwt"})
	if err != nil {
		panic(err) // strings always marshal
	}
	return base64.RawURLEncoding.EncodeToString(h)
}

// token returns the signed token that says p, or ErrUnavailable.
func (s tokenSigner) token(ctx context.Context, p payload) (Secret, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	text := s.header + "." + base64.RawURLEncoding.EncodeToString(body)
	sig, err := s.sign(ctx, text)
	if err != nil {
		return "", unavailable(fmt.Errorf("%w: %w", errNotSigned, err))
	}
	return Secret(text + "." + base64.RawURLEncoding.EncodeToString(sig)), nil
}

// errNotSigned reports a token that everything but its signature was there for.
var errNotSigned = errors.New("auth: a token was not signed")

// An hmacKey proves HS256.
type hmacKey struct {
	macs *sync.Pool // of HMAC-SHA256 states with the key in them: half of what proving costs
}

// newHMAC returns the two halves of an HS256 key.
func newHMAC(kid string, key []byte) (tokenSigner, tokenKey) {
	header, key := tokenHeader("HS256", kid), slices.Clone(key)
	sign := func(_ context.Context, text string) ([]byte, error) { return jwt.SigningMethodHS256.Sign(text, key) }
	macs := &sync.Pool{New: func() any { return &macState{Hash: hmac.New(sha256.New, key)} }}
	return tokenSigner{header, sign}, tokenKey{header, hmacKey{macs}}
}

// macState is a keyed HMAC with the room that a check needs.
type macState struct {
	hash.Hash
	text []byte
	sum  [sha256.Size]byte
	sig  [43]byte // sum in base64url
}

// proves compares the two signatures as texts.
func (k hmacKey) proves(text, sig string) bool {
	m := k.macs.Get().(*macState)
	defer k.macs.Put(m)
	m.Reset()
	m.text = append(m.text[:0], text...)
	m.Write(m.text)
	base64.RawURLEncoding.Encode(m.sig[:], m.Sum(m.sum[:0]))
	m.text = append(m.text[:0], sig...)
	return subtle.ConstantTimeCompare(m.sig[:], m.text) == 1
}

// tokenKeys are the keys of a Manager or a Verifier.
type tokenKeys []tokenKey

// open returns the payload of a token that one of the keys signed. It lies in buf.
func (ks tokenKeys) open(token string, buf *[]byte) (payload []byte, ok bool) {
	if len(token) > maxToken {
		return nil, false
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return nil, false
	}
	text, sig := token[:dot], token[dot+1:]
	header, body, _ := strings.Cut(text, ".")
	for _, k := range ks {
		if header == k.header {
			if !k.proof.proves(text, sig) {
				return nil, false
			}
			*buf = append((*buf)[:0], body...)
			n, err := base64.RawURLEncoding.Decode(*buf, *buf) // in place: what is read lies ahead of what is written
			return (*buf)[:n], err == nil
		}
	}
	return nil, false
}

// payloads are what open works in.
var payloads = sync.Pool{New: func() any { return new([]byte) }}

// verify fills c with the claims of a token that one of the keys signed, their texts in
// the room that it returns. It says nothing about their time or their session. What it
// reads fastest begins with opening.
func (ks tokenKeys) verify(token string, opening opening, c *claims) (*room, error) {
	buf := payloads.Get().(*[]byte)
	defer payloads.Put(buf)
	payload, ok := ks.open(token, buf)
	if !ok {
		return nil, ErrInvalidToken
	}
	in := newRoom()
	if !c.scan(payload, opening, in) {
		*c = claims{}
		if json.Unmarshal(payload, c) != nil {
			*c = claims{}
			return nil, ErrInvalidToken
		}
	}
	return in, nil
}

// ids returns the bare ids of the token's user and session. It reports false unless
// they and the token's own have the form that a Manager writes.
func (c *claims) ids() (uid, sid string, ok bool) {
	uid, okUser := bareID(c.Subject, userPrefix, timedLen)
	sid, okSession := bareID(c.Session, sessionPrefix, randomLen)
	return uid, sid, okUser && okSession && isBase62(c.ID, randomLen)
}

// current reports whether the claims are meant for this issuer and audience and
// hold at now.
func (c *claims) current(issuer, audience string, now time.Time) bool {
	at, ahead := now.Unix(), now.Add(leeway).Unix()
	return c.Issuer == issuer && c.Audience == audience &&
		at < c.Expires && 0 < c.Issued && c.Issued <= ahead && 0 < c.From && c.From <= ahead
}

// times returns from when until when the claims hold, as current has it.
func (c *claims) times() (from, until int64) {
	return nanos(time.Unix(max(c.Issued, c.From), 0).Add(-leeway)), nanos(time.Unix(c.Expires, 0))
}

// An opening is how the payload of every token of one issuer and audience begins.
type opening struct {
	text             string // up to the user's prefix
	issuer, audience string
}

func newOpening(issuer, audience string) opening {
	text, err := json.Marshal(claims{Issuer: issuer, Audience: audience, Subject: userPrefix})
	var read claims // what is not UTF-8 is read otherwise than it was written
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		panic(err) // strings always marshal
	}
	end := bytes.LastIndex(text, []byte(userPrefix)) + len(userPrefix)
	return opening{string(text[:end]), read.Issuer, read.Audience}
}

// scan reads the claims from a payload that begins as token writes it. It reports false
// for any other, which may mean the same: it saves time, and decides nothing. By now
// the signature has proven that a Manager wrote the payload.
func (c *claims) scan(payload []byte, o opening, in *room) bool {
	s := layout{rest: payload, in: in, ok: true}
	s.name(o.text)
	c.Issuer, c.Audience = o.issuer, o.audience
	c.Subject = s.id(payload, userPrefix, timedLen)
	s.name(`","sid":"` + sessionPrefix)
	c.Session = s.id(payload, sessionPrefix, randomLen)
	s.name(`","jti":"`)
	c.ID = s.id(payload, "", randomLen)
	s.name(`","iat":`)
	c.Issued = s.number()
	s.name(`,"nbf":`)
	c.From = s.number()
	s.name(`,"exp":`)
	c.Expires = s.number()
	s.name(`,"auth_time":`)
	s.number()
	s.name(`,"amr":["`)
	s.plain()
	for s.ok && bytes.HasPrefix(s.rest, []byte(`","`)) {
		s.rest = s.rest[len(`","`):]
		s.plain()
	}
	s.name(`"],"org":"`)
	s.plain()
	s.name(`","role":"`)
	s.plain()
	return s.ok && (string(s.rest) == `"}` || string(s.rest) == `","enrollment_only":true}`)
}

type layout struct {
	rest []byte
	in   *room // of the texts
	ok   bool
}

// name reads what must stand there.
func (s *layout) name(name string) {
	if len(s.rest) < len(name) || string(s.rest[:len(name)]) != name {
		s.ok = false
		return
	}
	s.rest = s.rest[len(name):]
}

// id reads n base62 digits of the payload, behind a prefix that has been read.
func (s *layout) id(payload []byte, prefix string, n int) string {
	if !s.ok || len(s.rest) < n || !isBase62(s.rest[:n], n) {
		s.ok = false
		return ""
	}
	at := len(payload) - len(s.rest)
	s.rest = s.rest[n:]
	return s.in.text(payload[at-len(prefix) : at+n])
}

// plain reads past what stands for itself in a string.
func (s *layout) plain() {
	n := 0
	for n < len(s.rest) && ' ' <= s.rest[n] && s.rest[n] <= '~' && s.rest[n] != '"' && s.rest[n] != '\\' {
		n++
	}
	s.rest = s.rest[n:]
}

// number reads a whole number of up to 18 digits.
func (s *layout) number() (n int64) {
	digits := 0
	for digits < len(s.rest) && '0' <= s.rest[digits] && s.rest[digits] <= '9' && digits <= 18 {
		n = n*10 + int64(s.rest[digits]-'0')
		digits++
	}
	if digits == 0 || digits > 18 || s.rest[0] == '0' && digits > 1 {
		s.ok = false
	}
	s.rest = s.rest[digits:]
	return n
}
