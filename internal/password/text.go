package password

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalize returns password in Unicode form NFC (NIST SP 800-63B-4, section
// 3.1.1.2), so that one password typed on two keyboards is one password. The
// form is not NFKC: characters that only look alike stay different.
//
// Bytes that are not UTF-8 are refused with ErrText, and so is U+FFFD, which
// decoders put in place of what they could not decode (encoding/json does so for
// a lone surrogate): otherwise many different passwords would be one.
func normalize(password string) (string, error) {
	if strings.ContainsRune(password, utf8.RuneError) { // finds invalid bytes too
		return "", ErrText
	}
	return norm.NFC.String(password), nil
}
