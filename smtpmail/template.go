package smtpmail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/printable"
)

// The templates of this package: layout.tmpl, and one file for each purpose and each type of
// notice, which is its name.
//
//go:embed templates/*.tmpl
var embedded embed.FS

const (
	layoutFile = "layout.tmpl"
	extension  = ".tmpl"

	maxSubject = 150 // characters
)

// notices are the types of [auth.Notice] that have a template.
var notices = []auth.EventType{
	auth.EventPasswordChanged, auth.EventPasswordReset, auth.EventEmailChangeRequested, auth.EventEmailChanged,
	auth.EventTwoFactorEnabled, auth.EventTwoFactorDisabled, auth.EventTwoFactorReset, auth.EventBackupCodeUsed,
	auth.EventBackupCodesReplaced, auth.EventDeviceTrusted, auth.EventAPIKeyCreated, auth.EventAPIKeyEnabled, auth.EventLoginNewNetwork, auth.EventSecondFactorFailed,
	auth.EventUserDeleted, auth.EventDataExported, auth.EventRoleChanged, auth.EventMemberRemoved, auth.EventMemberLeft,
}

// page makes the messages of one purpose or type.
type page struct {
	file     string
	subjects [2]string // of what happened, and of what may have happened
	text     *texttemplate.Template
	html     *htmltemplate.Template
}

// loadPages parses and tries all templates. The files of own come first.
func loadPages(own fs.FS, service string) (map[string]*page, error) {
	names := []string{}
	for _, p := range purposes {
		names = append(names, string(p))
	}
	for _, n := range notices {
		names = append(names, string(n))
	}
	if err := checkNames(own, names); err != nil {
		return nil, err
	}
	layout, err := source(own, layoutFile)
	if err != nil {
		return nil, err
	}
	around := &page{file: layoutFile}
	if around.text, err = texttemplate.New(layoutFile).Parse(layout); err == nil {
		around.html, err = htmltemplate.New(layoutFile).Parse(layout)
	}
	if err != nil {
		return nil, fmt.Errorf("smtpmail: %s: %w", layoutFile, err)
	}
	pages := map[string]*page{}
	for _, name := range names {
		text, err := source(own, name+extension)
		if err != nil {
			return nil, err
		}
		p, err := around.with(name, text, service)
		if err != nil {
			return nil, fmt.Errorf("smtpmail: %s%s: %w", name, extension, err)
		}
		pages[name] = p
	}
	return pages, nil
}

// checkNames refuses a template that would never be used, such as one with a misspelt name.
func checkNames(own fs.FS, names []string) error {
	if own == nil {
		return nil
	}
	found, err := fs.Glob(own, "*"+extension)
	if err != nil {
		return fmt.Errorf("smtpmail: Config.Templates: %w", err)
	}
	for _, file := range found {
		if file != layoutFile && !slices.Contains(names, strings.TrimSuffix(file, extension)) {
			return fmt.Errorf("smtpmail: Config.Templates: there is no mail and no notice for %s", file)
		}
	}
	return nil
}

// source reads a file of own, or of this package if own has none.
func source(own fs.FS, file string) (string, error) {
	if own != nil {
		text, err := fs.ReadFile(own, file)
		if err == nil {
			return string(text), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("smtpmail: Config.Templates: %w", err)
		}
	}
	text, err := fs.ReadFile(embedded, "templates/"+file)
	return string(text), err
}

// with returns the page of a name around which the layout p is, and tries it.
func (p *page) with(name, text, service string) (*page, error) {
	made := &page{file: name + extension}
	var err error
	if made.text, err = p.text.Clone(); err == nil {
		_, err = made.text.New(made.file).Parse(text)
	}
	if err != nil {
		return nil, err
	}
	if made.html, err = p.html.Clone(); err == nil {
		_, err = made.html.New(made.file).Parse(text)
	}
	if err != nil {
		return nil, err
	}
	// The subject gets no data of a user, and so it can have none.
	for i := range made.subjects {
		var b bytes.Buffer
		data := struct {
			Service string
			Unknown bool
		}{service, i == 1}
		if err := made.text.ExecuteTemplate(&b, "subject", data); err != nil {
			return nil, err
		}
		if made.subjects[i] = printable.Trim(b.String()); !printable.Line(made.subjects[i], maxSubject) {
			return nil, fmt.Errorf("the subject is no line of at most %d printable characters", maxSubject)
		}
	}
	return made, made.try(slices.Contains(purposes, auth.MailPurpose(name)))
}

// try executes the page with every kind of data. A mail must show its link in both forms.
func (p *page) try(mail bool) error {
	full := Data{
		Service: "service", Contact: "contact", To: "to@example.com", Name: "name", Device: "device", Network: "192.0.2.0/24",
		Time: "time", Unknown: true, Organization: "organization", Inviter: "inviter", Left: 1, APIKeys: 1, EndedAPIKeys: 1,
	}
	empty := Data{Service: "service", To: "to@example.com", Time: "time"}
	if mail {
		full.Link, full.Expires, full.ExpiresIn, full.Time, full.Unknown = "https://app.example/#token=x", "date", "1 hour", "", false
		empty.Link, empty.Expires, empty.Time = full.Link, full.Expires, ""
	}
	many := full
	many.Left, many.APIKeys, many.EndedAPIKeys, many.NoPassword = 2, 2, 2, true
	for _, data := range []Data{full, many, empty} {
		c, err := p.render(data)
		if err != nil {
			return err
		}
		if !strings.Contains(c.text, data.Link) || !strings.Contains(html.UnescapeString(c.html), data.Link) {
			return errors.New("the text or the HTML does not show {{.Link}}")
		}
	}
	return nil
}

var emptyLines = regexp.MustCompile(`[ \t]*\n([ \t]*\n)+`)

// render makes the content of one message. The text has no two empty lines in a row.
func (p *page) render(data Data) (content, error) {
	var text, html bytes.Buffer
	if err := p.text.ExecuteTemplate(&text, "layout.text", data); err != nil {
		return content{}, err
	}
	if err := p.html.ExecuteTemplate(&html, "layout.html", data); err != nil {
		return content{}, err
	}
	c := content{
		subject: p.subjects[0],
		text:    strings.TrimSpace(emptyLines.ReplaceAllString(text.String(), "\n\n")) + "\n",
		html:    strings.TrimSpace(html.String()) + "\n",
	}
	if data.Unknown {
		c.subject = p.subjects[1]
	}
	return c, nil
}
