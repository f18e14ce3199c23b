package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken = 8 << 10          // bytes of a credential that are looked at
	leeway   = 30 * time.Second // how far ahead another instance's clock may be
)

// claims are what an access token says, RFC 9068 with the session's id. Nothing in
// them is believed beyond the ids: role and state are read from the store.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Session  string   `json:"sid"`
	ID       string   `json:"jti"`
	Issued   int64    `json:"iat"`
	From     int64    `json:"nbf"`
	Expires  int64    `json:"exp"`
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
	return signer{header: base64.RawURLEncoding.EncodeToString(h), key: hidden(key)}
}

// signers are the keys of one Manager: the first signs, all verify.
type signers []signer

func (s signers) sign(c claims) (Secret, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	text := s[0].header + "." + base64.RawURLEncoding.EncodeToString(payload)
	sig, err := s[0].mac(text)
	if err != nil {
		return "", err
	}
	return Secret(text + "." + string(sig)), nil
}

// mac returns the signature of text as it stands in a token. Two signatures are
// compared as texts, so that of the several base64 spellings of one only one is good.
func (s signer) mac(text string) ([]byte, error) {
	sig, err := jwt.SigningMethodHS256.Sign(text, s.key())
	if err != nil {
		return nil, fmt.Errorf("auth: sign token: %w", err)
	}
	return base64.RawURLEncoding.AppendEncode(nil, sig), nil
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
	header, payload, _ := strings.Cut(text, ".")
	for _, k := range s {
		if header != k.header {
			continue
		}
		want, err := k.mac(text)
		if err != nil || subtle.ConstantTimeCompare(want, []byte(sig)) != 1 {
			return c, ErrInvalidToken
		}
		body, err := base64.RawURLEncoding.DecodeString(payload)
		if err != nil || json.Unmarshal(body, &c) != nil {
			return claims{}, ErrInvalidToken
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
