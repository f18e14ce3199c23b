// Package emailaddr checks email addresses and brings each into one spelling.
package emailaddr

import (
	"strings"

	"github.com/datixlab/auth/internal/ident"
)

// MaxLen is how many bytes an address has at most.
const MaxLen = 254

// Canonical returns the one spelling under which an address is looked up, claimed and
// counted, or "" and false if s is no address. The spelling is s in lower case.
//
// An address is at most MaxLen bytes of ASCII: a dot-atom of RFC 5322 of at most 64 bytes,
// '@', and a host name of two labels or more. Display names, comments, quoted local parts
// and address literals are refused. So are letters outside ASCII, since different
// letters can have the same lower case.
func Canonical(s string) (spelling string, ok bool) {
	if len(s) > MaxLen {
		return "", false
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > 64 || !dotAtom(local) || !hostName(domain) {
		return "", false
	}
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b), true
}

// Misread returns what of an address a mail program may read as something other than an
// address, such as "a '%'", or "" if there is nothing. Refuse such an address where it is
// new. Do not refuse it where it is looked up, since its owner may have had it for long.
//
// All of it is in the part before the '@', is legal, and is used by next to nobody:
//
//   - '!' and '%' are a route: a!b@c and b%a@c go to b by way of a or c (RFC 976).
//   - '-' at the beginning is an option of sendmail. '+' and '/' there are a file to mailx.
//   - '|' is a command to mailx and sendmail. '$' is a variable to Exim and to a shell, and
//     '`' a command to a shell.
//   - "=?" begins an encoded word (RFC 2047, 2), which some programs decode before they
//     look for the '@'.
//
// Exim's default configuration refuses most of these as well. The other characters stay:
// people have an '&', a '\” and a '/' in their addresses.
func Misread(address string) (what string) {
	local, _, _ := strings.Cut(address, "@")
	if local == "" {
		return ""
	}
	if first := local[:1]; strings.Contains("-+/", first) {
		return "a '" + first + "' at the beginning"
	}
	if i := strings.IndexAny(local, "!%|`$"); i >= 0 {
		return "a '" + local[i:i+1] + "'"
	}
	if strings.Contains(local, "=?") {
		return "'=?'"
	}
	return ""
}

// Same reports whether s is another spelling of canonical, or canonical itself.
func Same(s, canonical string) bool {
	c, ok := Canonical(s)
	return ok && c == canonical
}

// dotAtom reports whether s is a dot-atom-text of RFC 5322, 3.2.3.
func dotAtom(s string) bool {
	for _, atom := range strings.Split(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if !ident.IsBase62(atom[i:i+1], 1) && !strings.Contains("!#$%&'*+-/=?^_`{|}~", atom[i:i+1]) {
				return false
			}
		}
	}
	return true
}

// hostName reports whether s is two labels or more of RFC 1123, 2.1. The last label must not
// be all digits, so s is no IPv4 address.
func hostName(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !ident.IsBase62(label[i:i+1], 1) && label[i] != '-' {
				return false
			}
		}
	}
	return len(labels) >= 2 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
