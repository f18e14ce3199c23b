// Package otp computes time-based one-time passwords (TOTP, RFC 6238), with the parameters
// that every authenticator program supports. A secret has 160 bits (RFC 4226, R6), a code 6
// digits of HMAC-SHA-1, and a step 30 seconds. Secrets of other systems may be shorter or longer.
package otp

import (
	"crypto/subtle"
	"encoding/base32"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

const (
	SecretLen = 20 // bytes of a secret of ours
	Digits    = 6  // of a code

	// The bytes of a secret that another system made. Many programs make secrets of 80 bits.
	minSecret, maxSecret = 10, 64

	period = 30 // seconds of a step
	drift  = 1  // steps that the clock of an authenticator may be early or late
)

// Match returns the step of code and true, if code is that of the step of now, of the one
// before or of the one after. The step must be later than after. So no code matches twice if
// the caller keeps the step and passes it as after. Match compares code with all three in
// constant time. If secret is not [ValidSecret], no code matches.
func Match(secret []byte, code string, after uint64, now time.Time) (step uint64, ok bool) {
	if !ValidSecret(secret) || len(code) != Digits {
		return 0, false
	}
	current := uint64(now.Unix()) / period
	for s := current - drift; s <= current+drift; s++ {
		want, err := hotp.GenerateCodeCustom(Base32(secret), s, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && s > after {
			step, ok = s, true
		}
	}
	return step, ok
}

// IsDigits reports whether all bytes of s are ASCII digits. It is true for "".
func IsDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// ValidSecret reports whether secret has 10 to 64 bytes.
func ValidSecret(secret []byte) bool { return minSecret <= len(secret) && len(secret) <= maxSecret }

// ParseBase32 returns the secret that text shows in base32, in any case, with or without padding
// and spaces. It returns false if that is not [ValidSecret].
func ParseBase32(text string) (secret []byte, ok bool) {
	text = strings.TrimRight(strings.ToUpper(strings.ReplaceAll(text, " ", "")), "=")
	if len(text) > (maxSecret*8+4)/5 || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return nil, false
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	return secret, err == nil && ValidSecret(secret) && Base32(secret) == text
}

// Base32 returns the secret as users type it: in base32, without padding.
func Base32(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// URI returns the text of the QR code that authenticator programs read: an otpauth URI with
// the secret. The issuer must not contain ':', which would end it.
func URI(issuer, account string, secret []byte) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return "otpauth://totp/" + escape(issuer) + ":" + escape(account) +
		"?secret=" + Base32(secret) + "&issuer=" + escape(issuer) + "&algorithm=SHA1&digits=6&period=30"
}
