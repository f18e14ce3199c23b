package password

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalize returns password in Unicode form NFC (NIST SP 800-63B-4, section 3.1.1.2).
// So one password is the same from any keyboard. The form is not NFKC: characters that
// only look alike stay different.
//
// Bytes that are not UTF-8 are refused with ErrText, otherwise many different passwords
// would be one. U+FFFD is refused too: decoders put it in place of what they could not
// decode, as encoding/json does for a lone surrogate.
func normalize(password string) (string, error) {
	if strings.ContainsRune(password, utf8.RuneError) { // finds invalid bytes too
		return "", ErrText
	}
	return norm.NFC.String(password), nil
}
