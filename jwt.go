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

	"github.com/datixlab/auth/internal/ident"
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
	validity
}

// validity is when a token holds, in seconds since the Unix epoch.
type validity struct {
	Issued  int64 `json:"iat"`
	From    int64 `json:"nbf"`
	Expires int64 `json:"exp"`
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
	sig  [hmacText]byte
}

// hmacText is how long an HMAC-SHA256 is in base64url.
const hmacText = 43

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

// open returns the payload of a token that one of the keys signed, in base64url.
func (ks tokenKeys) open(token string) (body string, ok bool) {
	if len(token) > maxToken {
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
			return body, k.proof.proves(text, sig)
		}
	}
	return "", false
}

// decoded returns the bytes of a payload in base64url. They lie in buf.
func decoded(body string, buf *[]byte) ([]byte, bool) {
	*buf = append((*buf)[:0], body...)
	n, err := base64.RawURLEncoding.Decode(*buf, *buf) // in place: what is read lies ahead of what is written
	return (*buf)[:n], err == nil
}

// payloads are what decoded works in.
var payloads = sync.Pool{New: func() any { return new([]byte) }}

// tokenClaims are the claims as a check looks at them. The ids lie in memory that is used
// again.
type tokenClaims struct {
	issuer, audience     string
	subject, session, id []byte
	wellFormed           bool // these three are, as areIDs has it
	validity
}

// verify fills c with the claims of a token that one of the keys signed, their ids in
// buf. It says nothing about their time or their session. What it reads fastest begins
// with the opening.
func (ks tokenKeys) verify(token string, o opening, c *tokenClaims, buf *[]byte) error {
	*c = tokenClaims{}
	body, ok := ks.open(token)
	if !ok {
		return ErrInvalidToken
	}
	if rest, usual := strings.CutPrefix(body, o.encoded); usual {
		if text, ok := decoded(rest, buf); ok && c.scan(text, o) {
			return nil
		}
	}
	*c = tokenClaims{}
	var read claims
	if text, ok := decoded(body, buf); !ok || json.Unmarshal(text, &read) != nil {
		return ErrInvalidToken
	}
	c.issuer, c.audience, c.validity = read.Issuer, read.Audience, read.validity
	c.wellFormed = areIDs(read.Subject, read.Session, read.ID)
	c.setIDs(read.Subject, read.Session, read.ID, buf)
	return nil
}

// setIDs puts ids into buf.
func (c *tokenClaims) setIDs(subject, session, id string, buf *[]byte) {
	b := append(append(append((*buf)[:0], subject...), session...), id...)
	c.subject, c.session, c.id = b[:len(subject)], b[len(subject):len(b)-len(id)], b[len(b)-len(id):]
	*buf = b
}

// areIDs reports whether a token's user, its session and it itself are called as a
// Manager calls them.
func areIDs[text string | []byte](subject, session, id text) bool {
	return ident.Is(subject, userPrefix, ident.TimedLen) && ident.Is(session, sessionPrefix, ident.RandomLen) && ident.IsDigits(id, ident.RandomLen)
}

// current reports whether the token is one for now.
func (v validity) current(now time.Time) bool {
	at, ahead := now.Unix(), now.Add(leeway).Unix()
	return at < v.Expires && 0 < v.Issued && v.Issued <= ahead && 0 < v.From && v.From <= ahead
}

// span returns from when until when the token holds, as current has it.
func (v validity) span() (from, until int64) {
	return nanos(time.Unix(max(v.Issued, v.From), 0).Add(-leeway)), nanos(time.Unix(v.Expires, 0))
}

// An opening is how the payload of every token of one issuer and audience begins.
type opening struct {
	encoded          string // as much of it as is a text of its own in base64url
	rest             string // up to the user's prefix, and with it
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
	whole := (end - len(userPrefix)) / 3 * 3
	return opening{base64.RawURLEncoding.EncodeToString(text[:whole]), string(text[whole:end]), read.Issuer, read.Audience}
}

// scan reads the claims from what comes after the encoded part of the opening, of a
// payload that is as token writes it. It reports false for any other, which may mean the
// same: it saves time, and decides nothing. By now the signature has proven that a
// Manager wrote the payload.
func (c *tokenClaims) scan(payload []byte, o opening) bool {
	s := layout{rest: payload, ok: true}
	s.expect(o.rest)
	c.issuer, c.audience = o.issuer, o.audience
	c.subject = s.id(payload, userPrefix, ident.TimedLen)
	s.expect(`","sid":"` + sessionPrefix)
	c.session = s.id(payload, sessionPrefix, ident.RandomLen)
	s.expect(`","jti":"`)
	c.id = s.id(payload, "", ident.RandomLen)
	s.expect(`","iat":`)
	c.Issued = s.number()
	s.expect(`,"nbf":`)
	c.From = s.number()
	s.expect(`,"exp":`)
	c.Expires = s.number()
	s.expect(`,"auth_time":`)
	s.number()
	s.expect(`,"amr":["`)
	s.plain()
	for s.ok && bytes.HasPrefix(s.rest, []byte(`","`)) {
		s.rest = s.rest[len(`","`):]
		s.plain()
	}
	s.expect(`"],"org":"`)
	s.plain()
	s.expect(`","role":"`)
	s.plain()
	c.wellFormed = s.ok
	return s.ok && (string(s.rest) == `"}` || string(s.rest) == `","enrollment_only":true}`)
}

// A layout reads a payload from front to back. It is ok until something is not there that
// must be.
type layout struct {
	rest []byte
	ok   bool
}

// expect reads what must stand there.
func (s *layout) expect(text string) {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		s.ok = false
		return
	}
	s.rest = s.rest[len(text):]
}

// id reads n base62 digits of the payload, behind a prefix that has been read.
func (s *layout) id(payload []byte, prefix string, n int) []byte {
	if !s.ok || len(s.rest) < n || !ident.IsDigits(s.rest[:n], n) {
		s.ok = false
		return nil
	}
	at := len(payload) - len(s.rest)
	s.rest = s.rest[n:]
	return payload[at-len(prefix) : at+n]
}

// plain reads past what stands for itself in a string.
func (s *layout) plain() {
	n := 0
	for n < len(s.rest) && plain[s.rest[n]] {
		n++
	}
	s.rest = s.rest[n:]
}

// plain is true of the characters that stand for themselves in a JSON string.
var plain = func() (set [256]bool) {
	for c := ' '; c <= '~'; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// number reads a whole number of up to 18 digits.
func (s *layout) number() (n int64) {
	digits := 0
	for _, c := range s.rest[:min(len(s.rest), 19)] {
		if c -= '0'; c > 9 {
			break
		}
		n = n*10 + int64(c)
		digits++
	}
	if digits == 0 || digits > 18 || s.rest[0] == '0' && digits > 1 {
		s.ok = false
	}
	s.rest = s.rest[digits:]
	return n
}
