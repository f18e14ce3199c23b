package emailaddr

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

var (
	// registrable checks a domain as a registry does (RFC 5891, 4), with the rules of joiners
	// and of the direction of writing, and makes its A-labels. It maps nothing.
	registrable = idna.New(idna.ValidateForRegistration())

	// letters is the IdentifierClass of RFC 8264: the letters and digits of IDNA 2008, with
	// the rules of their context. The idna package takes symbols and emoji beside them.
	letters = precis.NewIdentifier(precis.Norm(norm.NFC))

	fullStops = strings.NewReplacer("。", ".", "．", ".", "｡", ".") // as an input method writes them
)

// alabels returns a domain outside ASCII as A-labels, or false if IDNA 2008 does not take it.
// Before, it maps what people type (RFC 5895): upper case, decomposed letters and the full
// stops of Chinese and Japanese. No letter outside ASCII is mapped to ASCII, so each domain
// has one spelling in ASCII and nobody gets another's by a lookalike.
func alabels(domain string) (string, bool) {
	if !utf8.ValidString(domain) {
		return "", false
	}
	domain = fullStops.Replace(domain)
	for label := range strings.SplitSeq(norm.NFC.String(domain), ".") {
		if utf8.RuneCountInString(label) > maxLabel {
			return "", false // its A-label is longer, and what follows is expensive
		}
	}
	for _, r := range domain + norm.NFC.String(domain) {
		if r >= utf8.RuneSelf && norm.NFC.String(string(unicode.ToLower(r)))[0] < utf8.RuneSelf {
			return "", false // such as U+212A, whose lower case is 'k'
		}
	}
	domain = norm.NFC.String(strings.ToLower(domain))
	ascii, err := registrable.ToASCII(domain)
	if err != nil {
		return "", false
	}
	typed, made := strings.Split(domain, "."), strings.Split(ascii, ".")
	if len(typed) != len(made) {
		return "", false
	}
	for i, label := range typed {
		if isASCII(label) {
			if made[i] != label {
				return "", false
			}
		} else if l, err := letters.String(label); err != nil || l != label {
			return "", false
		}
	}
	return ascii, true
}

// feigned reports whether a label of an ASCII domain decodes to a name whose A-label is
// another one, or that is ASCII itself.
func feigned(domain string) bool {
	for label := range strings.SplitSeq(strings.ToLower(domain), ".") {
		if !strings.HasPrefix(label, "xn--") {
			continue
		}
		name, err := idna.Punycode.ToUnicode(label)
		if err != nil || name == label {
			continue // no program reads it as a name
		}
		if again, err := idna.Display.ToASCII(name); isASCII(name) || err == nil && again != label {
			return true
		}
	}
	return false
}
