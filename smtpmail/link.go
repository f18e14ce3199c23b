package smtpmail

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/ident"
)

// placeholder is where the token stands in a link of Config.Links.
const placeholder = "{token}"

// purposes are those that mails have.
var purposes = []auth.MailPurpose{auth.MailResetPassword, auth.MailVerifyEmail, auth.MailChangeEmail, auth.MailInvitation}

// optional are the purposes that a program may never have, and so may have no page for.
var optional = []auth.MailPurpose{auth.MailInvitation}

// Errors of a link in Config.Links.
var (
	errPlaceholder = errors.New("it must have " + placeholder + " once, and after the '#'")
	errScheme      = errors.New("it must begin with https://, or with http:// and a host of the loopback")
	errCharacters  = errors.New("it must be a URL in printable ASCII, without a user and without quotes or brackets")
)

// checkLinks returns a copy of links. If there is any, there must be one for every purpose that
// is not optional.
func checkLinks(links map[auth.MailPurpose]string) (map[auth.MailPurpose]string, error) {
	for purpose, link := range links {
		if !slices.Contains(purposes, purpose) {
			return nil, fmt.Errorf("smtpmail: Config.Links has a link for %q, which is no purpose", purpose)
		}
		if err := checkLink(link); err != nil {
			return nil, fmt.Errorf("smtpmail: Config.Links[%q]: %w", purpose, err)
		}
	}
	for _, purpose := range purposes {
		if _, ok := links[purpose]; !ok && len(links) > 0 && !slices.Contains(optional, purpose) {
			return nil, fmt.Errorf("smtpmail: Config.Links has no link for %q", purpose)
		}
	}
	return maps.Clone(links), nil
}

func checkLink(link string) error {
	before, fragment, _ := strings.Cut(link, "#")
	if strings.Contains(before, placeholder) || strings.Count(fragment, placeholder) != 1 {
		return errPlaceholder
	}
	filled := fill(link, "token")
	for i := range len(filled) {
		if c := filled[i]; c <= ' ' || c > '~' || strings.IndexByte("\"'`<>(){}|\\^", c) >= 0 {
			return errCharacters
		}
	}
	u, err := url.Parse(filled)
	if err != nil || u.User != nil {
		return errCharacters // the text of err quotes the link
	}
	if u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return errScheme
	}
	return nil
}

// loopback reports whether host is one of this machine (RFC 6761, 6.3).
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// fill puts the token into a link. The token must be linkable.
func fill(link string, token auth.Secret) string {
	return strings.Replace(link, placeholder, string(token), 1)
}

// linkable reports whether token is letters, digits and '_', which mean the same in a link, in
// HTML and in plain text.
func linkable(token auth.Secret) bool {
	digits := strings.ReplaceAll(string(token), "_", "")
	return ident.IsBase62(digits, len(digits)) && digits != ""
}
