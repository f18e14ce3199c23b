package smtpmail_test

import (
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/smtpmail"
)

func TestAConfigThatIsWrongIsRefused(t *testing.T) {
	base := (&relay{port: 587}).config()
	templates := func(file, text string) func(*smtpmail.Config) {
		return func(c *smtpmail.Config) { c.Templates = fstest.MapFS{file: {Data: []byte(text)}} }
	}
	page := func(subject, text, html string) string {
		return `{{define "subject"}}` + subject + `{{end}}{{define "text"}}` + text + `{{end}}{{define "html"}}` + html + `{{end}}`
	}
	for name, change := range map[string]func(*smtpmail.Config){
		"no host":                 func(c *smtpmail.Config) { c.Host = "" },
		"host and port":           func(c *smtpmail.Config) { c.Host = "smtp.example:587" },
		"host of two lines":       func(c *smtpmail.Config) { c.Host = "smtp.example\r\nX" },
		"unix":                    func(c *smtpmail.Config) { c.Host = "unix:///tmp/x" },
		"port":                    func(c *smtpmail.Config) { c.Port = 65536 },
		"negative port":           func(c *smtpmail.Config) { c.Port = -1 },
		"insecure 465":            func(c *smtpmail.Config) { c.InsecureNoTLS, c.Port = true, 465 },
		"insecure implicit":       func(c *smtpmail.Config) { c.InsecureNoTLS, c.ImplicitTLS = true, true },
		"no user":                 func(c *smtpmail.Config) { c.Username = "" },
		"no password":             func(c *smtpmail.Config) { c.Password = "" },
		"NUL":                     func(c *smtpmail.Config) { c.Password = "a\x00b" },
		"hello":                   func(c *smtpmail.Config) { c.Hello = "x\r\nMAIL FROM:<a@b>" },
		"hello with spaces":       func(c *smtpmail.Config) { c.Hello = "a b" },
		"no from":                 func(c *smtpmail.Config) { c.From = "" },
		"from with a name":        func(c *smtpmail.Config) { c.From = "Example <a@b.example>" },
		"from of two lines":       func(c *smtpmail.Config) { c.From = "a@b.example\r\nX: y" },
		"from outside ASCII":      func(c *smtpmail.Config) { c.From = "a@bücher.example" },
		"from that is misread":    func(c *smtpmail.Config) { c.From = "=?utf-8?q?a?=@b.example" },
		"name of two lines":       func(c *smtpmail.Config) { c.FromName = "Example\r\nBcc: eve@evil.example" },
		"name too long":           func(c *smtpmail.Config) { c.FromName = strings.Repeat("x", 101) },
		"contact of two lines":    func(c *smtpmail.Config) { c.Contact = "a\nb" },
		"unknown purpose":         func(c *smtpmail.Config) { c.Links["resetpassword"] = c.Links[auth.MailResetPassword] },
		"unknown template":        templates("passwordchanged.tmpl", page("a", "b", "c")),
		"template without text":   templates("password_changed.tmpl", `{{define "subject"}}a{{end}}{{define "html"}}a{{end}}`),
		"template without html":   templates("password_changed.tmpl", `{{define "subject"}}a{{end}}{{define "text"}}a{{end}}`),
		"no subject":              templates("password_changed.tmpl", `{{define "html"}}a{{end}}{{define "text"}}a{{end}}`),
		"empty subject":           templates("password_changed.tmpl", page(" \n", "b", "c")),
		"subject of two lines":    templates("password_changed.tmpl", page("a\nb", "b", "c")),
		"subject with a name":     templates("password_changed.tmpl", page("{{.Name}}", "b", "c")),
		"subject with an address": templates("password_changed.tmpl", page("{{.To}}", "b", "c")),
		"subject too long":        templates("password_changed.tmpl", page(strings.Repeat("x", 151), "b", "c")),
		"syntax":                  templates("password_changed.tmpl", page("a", "{{if}}", "c")),
		"unknown field":           templates("password_changed.tmpl", page("a", "{{.Token}}", "c")),
		"field of one case":       templates("password_reset.tmpl", page("a", "b", "{{if not .Name}}{{.X}}{{end}}")),
		"field of many keys":      templates("password_reset.tmpl", page("a", "b", "{{if eq .APIKeys 2}}{{.X}}{{end}}")),
		"no link in the text":     templates("reset_password.tmpl", page("a", "b", "{{.Link}}")),
		"no link in the HTML":     templates("reset_password.tmpl", page("a", "{{.Link}}", "b")),
		"layout without page":     templates("layout.tmpl", `{{define "layout.text"}}a{{end}}{{define "layout.html"}}b{{end}}`),
		"html in a script":        templates("reset_password.tmpl", page("a", "{{.Link}}", "<script>`{{.Link}}")),
	} {
		cfg := base
		cfg.Links = maps.Clone(links)
		change(&cfg)
		m, err := smtpmail.New(cfg)
		if err == nil || m != nil {
			t.Errorf("%s is accepted", name)
		} else if !strings.HasPrefix(err.Error(), "smtpmail: ") || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range allPurposes(t) {
		cfg := base
		cfg.Links = maps.Clone(links)
		delete(cfg.Links, p)
		if _, err := smtpmail.New(cfg); (err == nil) != (p == auth.MailInvitation) {
			t.Errorf("no link for %s: %v", p, err)
		}
	}
}

func TestALinkHasItsTokenInTheFragmentAndIsSafe(t *testing.T) {
	for link, ok := range map[string]bool{
		"https://app.example/reset#token={token}": true, "https://app.example/#/reset/{token}": true, "https://app.example/r?a=b#t={token}&c": true,
		"https://app.example#{token}": true, "https://app.example:8443/%20#{token}": true, "http://localhost:8080/r#{token}": true,
		"http://127.0.0.1/r#{token}": true, "http://[::1]:3000/r#{token}": true, "http://app.localhost/#{token}": true, "HTTPS://app.example/#{token}": true,
		"": false, "https://app.example/reset": false, "https://app.example/reset?token={token}": false, "https://app.example/{token}#a": false,
		"https://app.example/?t={token}#{token}": false, "https://app.example/#{token}{token}": false, "https://{token}#{token}": false,
		"https://app.example/#{Token}": false, "https://app.example/#%7Btoken%7D": false, "https://app.example/#{ token }": false, "https://app.example/#{{.Token}}": false,
		"http://app.example/#{token}": false, "http://localhost.evil.example/#{token}": false, "http://127.0.0.1.evil.example/#{token}": false,
		"http://192.0.2.1/#{token}": false, "ftp://app.example/#{token}": false, "app://reset#{token}": false, "javascript:alert(1)#{token}": false,
		"//app.example/#{token}": false, "/reset#{token}": false, "https:///reset#{token}": false, "https://#{token}": false, "https:app.example#{token}": false,
		"https://app.example@evil.example/#{token}": false, "https://u:p@app.example/#{token}": false, "https://bücher.example/#{token}": false,
		"https://app.example/a b#{token}": false, "https://app.example/#{token}\r\nX: y": false, " https://app.example/#{token}": false,
		"https://app.example/\"><b>#{token}": false, "https://app.example/'#{token}": false, "https://app.example/\\#{token}": false, "https://app.example/%zz#{token}": false,
	} {
		cfg := (&relay{port: 587}).config()
		cfg.Links[auth.MailResetPassword] = link
		if _, err := smtpmail.New(cfg); (err == nil) != ok {
			t.Errorf("%q: %v", link, err)
		} else if err != nil && !strings.Contains(err.Error(), "reset_password") {
			t.Errorf("%q: the error does not say which link: %v", link, err)
		}
	}
}

func TestWhatAConfigLeavesOutHasADefault(t *testing.T) {
	m, err := smtpmail.New(smtpmail.Config{Host: "smtp.example", From: "no-reply@app.example"})
	if err != nil || m == nil {
		t.Fatal(err)
	}
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m = relay.mailer(t, func(c *smtpmail.Config) { c.FromName, c.Contact = "", "" })
	if err := m.Notify(t.Context(), aNotice(auth.EventEmailChanged)); err != nil {
		t.Fatal(err)
	}
	seen := parse(t, relay.one(t).raw)
	if from := seen.one(t, "From"); from != "<no-reply@app.example>" {
		t.Errorf("From: %s", from)
	}
	if !strings.Contains(seen.text, "your account at app.example was changed") || !strings.Contains(seen.text, "Ask app.example for help.") || strings.Contains(seen.text, "Help:") {
		t.Error(seen.text)
	}
}

func TestThePasswordOfTheServerIsNeverPrinted(t *testing.T) {
	cfg := (&relay{port: 587}).config()
	m, err := smtpmail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	type program struct {
		mails *smtpmail.Mailer
		Mails auth.Mailer
		cfg   smtpmail.Config
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "mailer", m)
	for _, v := range []any{cfg, &cfg, m, *m, program{m, m, smtpmail.Config{}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			log.WriteString(fmt.Sprintf(verb, v))
		}
	}
	for _, never := range []string{password, "Pass-word", fmt.Sprintf("%x", password)} {
		if strings.Contains(log.String(), never) {
			t.Errorf("%q is printed", never)
		}
	}
}
