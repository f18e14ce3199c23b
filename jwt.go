package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
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
}

// signer signs tokens and proves them. A token's header is not interpreted: it is
// one of the few texts that signers write, or the token is refused. That leaves no
// room for another algorithm, type, key source or critical extension (RFC 8725,
// 3.1, 3.11; RFC 7515, 4.1.11).
type signer struct {
	header string // base64url of {"alg":"HS256","kid":…,"typ":"at+jwt"}
	key    func() []byte
	macs   *sync.Pool // of HMAC-SHA256 states with the key in them: half of what proving costs
}

func newSigner(kid string, key []byte) signer {
	h, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{"HS256", kid, "at+jwt"})
	if err != nil {
		panic(err) // strings always marshal
	}
	return signer{
		header: base64.RawURLEncoding.EncodeToString(h), key: hidden(key),
		macs: &sync.Pool{New: func() any { return &macState{Hash: hmac.New(sha256.New, key)} }},
	}
}

// signers are the keys of one Manager: the first signs, all verify.
type signers []signer

func (s signers) sign(p payload) (Secret, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	text := s[0].header + "." + base64.RawURLEncoding.EncodeToString(body)
	sig, err := jwt.SigningMethodHS256.Sign(text, s[0].key())
	if err != nil {
		return "", fmt.Errorf("auth: sign token: %w", err)
	}
	return Secret(text + "." + base64.RawURLEncoding.EncodeToString(sig)), nil
}

// macState is a keyed HMAC with the room that a check needs.
type macState struct {
	hash.Hash
	text []byte
	sum  [sha256.Size]byte
	sig  [43]byte // sum in base64url
}

// signed reports whether sig is the signature of text as it stands in a token. The two
// are compared as texts, so that of the several base64 spellings of one signature only
// one is good.
func (s signer) signed(text, sig string) bool {
	m := s.macs.Get().(*macState)
	defer s.macs.Put(m)
	m.Reset()
	m.text = append(m.text[:0], text...)
	m.Write(m.text)
	base64.RawURLEncoding.Encode(m.sig[:], m.Sum(m.sum[:0]))
	m.text = append(m.text[:0], sig...)
	return subtle.ConstantTimeCompare(m.sig[:], m.text) == 1
}

// decode returns what body, base64url, is the text of.
func (s signer) decode(body string) (string, error) {
	m := s.macs.Get().(*macState)
	defer s.macs.Put(m)
	m.text = append(m.text[:0], body...)
	n, err := base64.RawURLEncoding.Decode(m.text, m.text) // in place: what is read lies ahead of what is written
	return string(m.text[:n]), err
}

// verify returns the claims of a token that one of the signers made. It says
// nothing about their time or their session.
func (s signers) verify(token string) (claims, error) {
	var c claims
	if len(token) > maxToken {
		return c, ErrInvalidToken
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return c, ErrInvalidToken
	}
	text, sig := token[:dot], token[dot+1:]
	header, body, _ := strings.Cut(text, ".")
	for _, k := range s {
		if header != k.header {
			continue
		}
		if !k.signed(text, sig) {
			return c, ErrInvalidToken
		}
		text, err := k.decode(body)
		if err != nil {
			return c, ErrInvalidToken
		}
		if !c.scan(text) {
			c = claims{}
			if json.Unmarshal([]byte(text), &c) != nil {
				return claims{}, ErrInvalidToken
			}
		}
		return c, nil
	}
	return c, ErrInvalidToken
}

// current reports whether the claims are meant for this issuer and audience and
// hold at now.
func (c *claims) current(issuer, audience string, now time.Time) bool {
	at, ahead := now.Unix(), now.Add(leeway).Unix()
	return c.Issuer == issuer && c.Audience == audience &&
		at < c.Expires && 0 < c.Issued && c.Issued <= ahead && 0 < c.From && c.From <= ahead
}

// scan reads the claims from the text of a payload that begins as sign writes it. It
// reports false for any other text, which may mean the same: it saves time, and
// decides nothing. By now the signature has proven that a Manager wrote the payload.
func (c *claims) scan(text string) bool {
	s := layout{text: text, ok: true}
	c.Issuer = s.string(`{"iss":"`)
	c.Audience = s.string(`,"aud":"`)
	c.Subject = s.string(`,"sub":"`)
	c.Session = s.string(`,"sid":"`)
	c.ID = s.string(`,"jti":"`)
	c.Issued = s.number(`,"iat":`)
	c.From = s.number(`,"nbf":`)
	c.Expires = s.number(`,"exp":`)
	return s.ok && strings.HasPrefix(s.text, `,"auth_time":`)
}

type layout struct {
	text string // what is left
	ok   bool
}

// string reads a string without escapes that stands behind name.
func (s *layout) string(name string) string {
	rest, found := strings.CutPrefix(s.text, name)
	value, rest, closed := strings.Cut(rest, `"`)
	if !found || !closed || strings.IndexByte(value, '\\') >= 0 {
		s.ok = false
	}
	s.text = rest
	return value
}

// number reads a whole number of up to 18 digits that stands behind name.
func (s *layout) number(name string) (n int64) {
	rest, found := strings.CutPrefix(s.text, name)
	digits := 0
	for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' && digits <= 18 {
		n = n*10 + int64(rest[digits]-'0')
		digits++
	}
	if !found || digits == 0 || digits > 18 || rest[0] == '0' && digits > 1 {
		s.ok = false
	}
	s.text = rest[digits:]
	return n
}
