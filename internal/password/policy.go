package password

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A Reason says why a password may not be chosen. Its text is stable and may be
// shown to clients.
type Reason string

// The reasons.
const (
	OK       Reason = ""          // it may be chosen
	TooShort Reason = "too_short" // fewer than Policy.Min code points
	TooLong  Reason = "too_long"  // more than Policy.Max code points or MaxBytes
	Blocked  Reason = "blocked"   // a common password, or one of the context words
	Invalid  Reason = "invalid"   // not valid UTF-8, or with U+FFFD in it
)

// The lengths of a Policy. They are counted in form NFC.
const (
	MinFloor   = 8    // code points; Policy.Min is never less
	DefaultMax = 256  // code points
	MaxBytes   = 1024 // a limit for every Policy.Max
)

// A Policy decides which passwords may be chosen: any text of the right length that is
// not among the most common ones. There are no rules about kinds of characters (NIST SP
// 800-63B-4, section 3.1.1.2; ASVS 5.0, 6.2.5). Use it when a password is set, not when
// one is checked.
type Policy struct {
	Min int // code points; 0, and all below MinFloor, is MinFloor
	Max int // code points; 0 is DefaultMax
}

// Check returns [OK], or the first reason against password. The context words are those
// that an attacker tries first on this account: its email address, the part before the
// '@', the name of the service. They and the common passwords are compared with the
// whole password, in any case, so a passphrase may contain them. Empty words are
// ignored.
func (p Policy) Check(password string, context ...string) Reason {
	if len(password) > 4*MaxBytes && !strings.ContainsRune(password, utf8.RuneError) {
		return TooLong // NFC makes a text at most three times shorter, and is expensive
	}
	text, err := normalize(password)
	if err != nil {
		return Invalid
	}
	n := utf8.RuneCountInString(text)
	switch {
	case n < max(p.Min, MinFloor):
		return TooShort
	case n > cmp.Or(p.Max, DefaultMax) || len(text) > MaxBytes:
		return TooLong
	case common(text):
		return Blocked
	}
	for _, word := range context {
		if strings.EqualFold(text, norm.NFC.String(word)) {
			return Blocked
		}
	}
	return OK
}
