// Package emailaddr checks email addresses and brings each into one spelling.
package emailaddr

import (
	"strings"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/printable"
)

const (
	MaxLen = 254 // bytes that a cleaned address has at most (RFC 5321, 4.5.3.1.3)

	maxTyped = 1024 // bytes of an address as it is typed, with a domain outside ASCII
	maxLabel = 63   // characters of a label
)

// Clean returns the address in s as it is stored, shown and written to, or "" and false if s
// is none. White space around it is dropped, as [printable.Trim] does. A domain outside ASCII
// becomes its A-labels (see alabels), so what is shown cannot look like another domain.
// Letters of ASCII keep their case. Clean of a clean address is the address.
//
// An address is what the HTML standard calls a valid e-mail address, which every browser
// takes in <input type=email>. The part before the '@' is ASCII, without quotes. RFC 6531
// allows more there. But only its receiver knows which of those spellings are one mailbox.
//
// A clean address has at most MaxLen bytes. A domain whose last label is a number is refused,
// since programs read it as an IP address. So are display names, comments, quoted local
// parts and address literals.
func Clean(s string) (address string, ok bool) {
	s = printable.Trim(s)
	if len(s) > maxTyped {
		return "", false
	}
	s = strings.ReplaceAll(s, "＠", "@") // an input method for Chinese or Japanese writes it
	local, domain, _ := strings.Cut(s, "@")
	if !isASCII(domain) {
		if domain, ok = alabels(domain); !ok {
			return "", false
		}
	}
	if len(local)+len("@")+len(domain) > MaxLen || !localPart(local) || !hostName(domain) {
		return "", false
	}
	return local + "@" + domain, true
}

// Canonical returns the one spelling under which an address is looked up, claimed and
// counted, or "" and false if s is no address. The spelling is that of [Clean] in lower case.
// Letters outside ASCII never become ASCII: different ones can have the same lower case.
func Canonical(s string) (spelling string, ok bool) {
	address, ok := Clean(s)
	b := []byte(address)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b), ok
}

// Misread returns what of an address a mail program may read as something other than an
// address, such as "a '%'", or "" if there is nothing. Refuse such an address where it is
// new. Do not refuse it where it is looked up, since its owner may have had it for long.
//
// All of it is legal, and is used by next to nobody. In the part before the '@':
//
//   - '!' and '%' are a route: a!b@c and b%a@c go to b by way of a or c (RFC 976).
//   - '-' at the beginning is an option of sendmail. A path there is a file to mailx.
//   - '|' is a command to mailx and sendmail. '$' is a variable to Exim and to a shell, and
//     '`' a command to a shell.
//   - "=?" begins an encoded word (RFC 2047, 2), which some programs decode before they
//     look for the '@'.
//
// In the domain, it is a label that begins as an A-label and stands for another name. A
// program that shows or looks up the name would then mean another domain.
//
// Exim's default configuration refuses most of these as well. The other characters stay:
// people have ampersands, apostrophes and slashes in their addresses. A '+' at the beginning
// is one of a telephone number, and only to mailx a folder.
func Misread(address string) (what string) {
	local, domain, _ := strings.Cut(address, "@")
	switch {
	case strings.HasPrefix(local, "-"):
		return "a '-' at the beginning"
	case strings.HasPrefix(local, "/"), strings.HasPrefix(local, "./"), strings.HasPrefix(local, "../"):
		return "a '/' at the beginning"
	case strings.Contains(local, "=?"):
		return "'=?'"
	case feigned(domain):
		return "an 'xn--' that stands for another name"
	}
	if i := strings.IndexAny(local, "!%|`$"); i >= 0 {
		return "a '" + local[i:i+1] + "'"
	}
	return ""
}

// Same reports whether s is another spelling of canonical, or canonical itself.
func Same(s, canonical string) bool {
	c, ok := Canonical(s)
	return ok && c == canonical
}

// localPart reports whether s may stand before the '@': characters of an atom of RFC 5322,
// 3.2.3, and dots anywhere. People have addresses with a dot at the end, or with two in a row.
func localPart(s string) bool {
	for i := range len(s) {
		if !ident.IsBase62(s[i:i+1], 1) && !strings.Contains("!#$%&'*+-/=?^_`{|}~.", s[i:i+1]) {
			return false
		}
	}
	return s != ""
}

// hostName reports whether s is labels of RFC 1123, 2.1. The last one must not be all digits,
// so s is no IPv4 address.
func hostName(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !ident.IsBase62(label[i:i+1], 1) && label[i] != '-' {
				return false
			}
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
