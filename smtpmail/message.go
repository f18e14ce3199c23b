package smtpmail

import (
	"bytes"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/datixlab/auth/internal/ident"
)

// content is the part of a message that templates make.
type content struct{ subject, text, html string }

// compose writes a message of two alternatives (RFC 2046, 5.1.4), in ASCII and with lines of 76
// characters at most. To is the address alone: the recipient may not be whom a name says.
func compose(from, to mail.Address, c content, now time.Time) ([]byte, error) {
	_, domain, _ := strings.Cut(from.Address, "@")
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&from)
	m.ToMailAddress(&mail.Address{Address: to.Address})
	m.Subject(c.subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(ident.Random() + "@" + domain) // by default it has the name of the machine
	m.SetGenHeader("Auto-Submitted", "auto-generated")     // RFC 3834, 5
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	m.SetBodyString(gomail.TypeTextPlain, c.text)
	m.AddAlternativeString(gomail.TypeTextHTML, c.html)
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	return b.Bytes(), err
}
