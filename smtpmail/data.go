package smtpmail

import (
	"fmt"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/device"
	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/printable"
)

// Data is what a template can show. Every text is one line and safe to show: HTML is escaped by
// html/template. A file of templates defines three of them: "subject", which has Service and
// Unknown only, "text" and "html". The file layout.tmpl defines "layout.text" and
// "layout.html", which are around them.
type Data struct {
	Service string // Config.FromName, or the domain of From
	Contact string // Config.Contact
	To      string // the address of the recipient
	// Name is the full name of the user, or "". It is "" in mails that confirm an address or
	// invite, since a stranger may have chosen both the name and the address.
	Name string

	// Organization and Inviter are names in an invitation, or "".
	Organization, Inviter string

	// Link has the token of the mail. It is "" in a notice. Let nothing else that you write
	// be a link: then nobody who knows your mails clicks on another.
	Link      string
	Expires   string // when the link stops working: "29 November 2026, 20:47 UTC"
	ExpiresIn string // how long that is: "1 hour"; "" if it is over

	Time    string // when it happened; "" in a mail
	Unknown bool   // it may have happened: the store did not say whether the change was made

	// Device is the browser and the system of the client, in words of this package, such as
	// "Firefox on Linux", or "". The client can claim any, but it cannot write a text of its
	// own into the mailbox of somebody else.
	Device string
	// Network is that of the client: an IPv4 /24 or an IPv6 /48, or "". It says where, as far
	// as a user can tell. The address of a person does not end up in somebody's mailbox.
	Network string

	Left         int // backup codes, if one was used
	APIKeys      int // API keys that a reset of the password left alone
	EndedAPIKeys int // API keys that it ended

	// NoPassword says of a wrong code that no password was given before it: the login began by
	// another proof, see auth.Manager.LoginAs.
	NoPassword bool
}

const maxGreeted = 60 // characters of a name: a longer one is rather a message to the recipient

// greetable returns a name that a mail may greet by, or "". Package auth leaves out names with
// links too. This is for mails that come from elsewhere.
func greetable(name string) string {
	if !printable.Line(name, maxGreeted) || printable.HasLink(name) {
		return ""
	}
	return name
}

// named returns the name of an organization that a mail may have, or "".
func named(organization string) string {
	if !printable.Line(organization, 100) || printable.HasLink(organization) {
		return ""
	}
	return organization
}

// origin returns what a mail says of a client.
func origin(c auth.Client) (kind, network string) {
	if c.Addr.IsValid() {
		network = netprefix.Wide(c.Addr).String()
	}
	return device.Of(c.UserAgent), network
}

// date returns t for people. The zero Time is "".
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

// span returns d in words, to the minute, or to the hour or day below if it is long. It is "" if d
// is over.
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d <= 0:
		return ""
	case d >= 48*time.Hour:
		return count(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour || d == time.Hour:
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/time.Minute), "minute")
}
