package smtpmail_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/smtpmail"
	"github.com/datixlab/auth/store/memstore"
)

var (
	anything = regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|tel:)[^\s"<>]*`)
	href     = regexp.MustCompile(`(?i)(?:href|src|action)\s*=\s*"([^"]*)"`)
)

// declared returns the constants of a type that package auth declares, by name, and the comment
// at the field Type of Notice.
func declared(t *testing.T, typ string) (constants map[string]string, noticeTypes string) {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	constants = map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == typ && len(n.Values) == 1 {
					if constants[n.Names[0].Name], err = strconv.Unquote(n.Values[0].(*ast.BasicLit).Value); err != nil {
						t.Fatal(err)
					}
				}
			case *ast.TypeSpec:
				if n.Name.Name == "Notice" {
					noticeTypes = n.Type.(*ast.StructType).Fields.List[0].Doc.Text()
				}
			}
			return true
		})
	}
	return constants, noticeTypes
}

// allPurposes and allNotices are those that package auth declares. A later one fails the tests
// of this package until it has a template.
func allPurposes(t *testing.T) (all []auth.MailPurpose) {
	constants, _ := declared(t, "MailPurpose")
	for _, text := range constants {
		all = append(all, auth.MailPurpose(text))
	}
	if len(all) < 4 {
		t.Fatalf("%d purposes: the test no longer finds them", len(all))
	}
	return all
}

func allNotices(t *testing.T) (all []auth.EventType) {
	constants, comment := declared(t, "EventType")
	for _, name := range regexp.MustCompile(`\bEvent\w+`).FindAllString(comment, -1) {
		all = append(all, auth.EventType(constants[name]))
	}
	if len(all) < 12 || slices.Contains(all, "") {
		t.Fatalf("%q: the test no longer finds the types", all)
	}
	return all
}

// checkHeaders holds what every message has.
func checkHeaders(t *testing.T, got received, m message) {
	t.Helper()
	if got.from != "no-reply@app.example" || got.to != "alice@example.com" || got.hello != "app.example" || got.user != username || !got.encrypted {
		t.Errorf("the envelope is %+v", got)
	}
	for name, want := range map[string]string{
		"From": `"Example" <no-reply@app.example>`, "To": "<alice@example.com>", "Auto-Submitted": "auto-generated",
		"Date": "Sun, 29 Nov 2026 19:47:00 +0000", "Mime-Version": "1.0", "X-Auto-Response-Suppress": "All",
	} {
		if have := m.one(t, name); have != want {
			t.Errorf("%s: %s, want %s", name, have, want)
		}
	}
	if id := m.one(t, "Message-Id"); !regexp.MustCompile(`^<[A-Za-z0-9]{22}@app\.example>$`).MatchString(id) {
		t.Errorf("Message-ID: %s", id)
	}
	if len(m.header) != 9 { // these, Subject and Content-Type
		t.Errorf("the headers are %v", m.header)
	}
	if s := m.one(t, "Subject"); strings.Contains(s, "Alice") || strings.Contains(s, "alice") || len(s) < 10 {
		t.Errorf("Subject: %s", s)
	}
	host, _ := os.Hostname()
	if len(host) > 2 && strings.Contains(string(got.raw), host) {
		t.Error("the message has the name of this machine")
	}
	for _, never := range []string{"request-1", "203.0.113.77", "Mozilla", "user_1"} {
		if strings.Contains(string(got.raw), never) {
			t.Errorf("the message has %q", never)
		}
	}
}

func TestEveryMailHasItsLinkAndSaysWhatItIs(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	subjects := map[string]bool{}
	for _, purpose := range allPurposes(t) {
		t.Run(string(purpose), func(t *testing.T) {
			if err := m.Send(t.Context(), aMail(purpose)); err != nil {
				t.Fatal(err)
			}
			got := relay.one(t)
			seen := parse(t, got.raw)
			checkHeaders(t, got, seen)
			subjects[seen.one(t, "Subject")] = true
			link := strings.Replace(links[purpose], "{token}", secret, 1)
			if found := anything.FindAllString(seen.text, -1); !slices.Equal(found, []string{link}) {
				t.Errorf("the text has the links %q", found)
			}
			shown := html.UnescapeString(seen.html)
			if found := href.FindAllStringSubmatch(seen.html, -1); len(found) != 1 || html.UnescapeString(found[0][1]) != link {
				t.Errorf("the HTML has the links %q", found)
			}
			if found := anything.FindAllString(shown, -1); !slices.Equal(found, []string{link, link}) {
				t.Errorf("the HTML shows the links %q", found)
			}
			if strings.Count(seen.text, secret) != 1 || strings.Count(seen.html, secret) != 2 {
				t.Error("the token is elsewhere too")
			}
			want := []string{"29 November 2026, 20:47 UTC", "1 hour", "ignore this message", "Example", "alice@example.com", "support@app.example"}
			if purpose != auth.MailInvitation {
				want = append(want, "Firefox on Linux", "203.0.113.0/24")
			}
			for _, w := range want {
				if !strings.Contains(seen.text, w) || !strings.Contains(shown, w) {
					t.Errorf("the text or the HTML lacks %q:\n%s", w, seen.text)
				}
			}
			if greeted := purpose == auth.MailResetPassword; strings.Contains(seen.text, "Alice") != greeted || strings.Contains(shown, "Alice") != greeted {
				t.Errorf("the greeting is wrong:\n%s", seen.text)
			}
			if named := strings.Contains(seen.text, `Charles invites alice@example.com to join the organization "Analytical Engines"`); named != (purpose == auth.MailInvitation) {
				t.Errorf("the names of an invitation: %v\n%s", named, seen.text)
			}
			if purpose == auth.MailInvitation && strings.Contains(string(got.raw), "Firefox") {
				t.Error("the invitation says what its sender uses")
			}
		})
	}
	if len(subjects) != len(links) {
		t.Errorf("the subjects are %v", subjects)
	}
}

func TestEveryNoticeSaysWhatHappenedWhenAndWhatToDo(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	changes := 0
	for _, typ := range allNotices(t) {
		for _, reason := range []string{"", "unknown"} {
			t.Run(string(typ)+reason, func(t *testing.T) {
				n := aNotice(typ)
				n.Reason = reason
				if err := m.Notify(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				got := relay.one(t)
				seen := parse(t, got.raw)
				checkHeaders(t, got, seen)
				if anything.MatchString(seen.text) || anything.MatchString(seen.html) || href.MatchString(seen.html) {
					t.Errorf("the notice has a link:\n%s", seen.text)
				}
				for _, w := range []string{"Hello Alice Liddell,", "29 November 2026, 19:47 UTC", "Firefox on Linux", "203.0.113.0/24", "If it was not you", "support@app.example"} {
					if !strings.Contains(seen.text, w) || !strings.Contains(seen.html, w) {
						t.Errorf("the text or the HTML lacks %q:\n%s", w, seen.text)
					}
				}
				for _, body := range []string{seen.text, seen.html} {
					if strings.Contains(body, "we do not know whether this was done") != (reason == "unknown") {
						t.Errorf("the doubt is missing, or should be:\n%s", body)
					}
				}
				subject := seen.one(t, "Subject")
				if reason == "" && strings.Contains(subject+seen.text+seen.html, "may have been") {
					t.Errorf("%s: there is no doubt:\n%s", subject, seen.text)
				}
				if reason == "unknown" && strings.Contains(subject, "may have been") {
					changes++
					if !strings.Contains(seen.text, "may have been") || !strings.Contains(seen.html, "may have been") {
						t.Errorf("the text or the HTML has no doubt:\n%s", seen.text)
					}
				}
			})
		}
	}
	if changes != 17 { // all but a login and a wrong code, which change nothing
		t.Errorf("%d subjects say that something may have been done", changes)
	}
}

func TestANoticeCountsWhatIsLeft(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	for _, tc := range []struct {
		typ               auth.EventType
		left, live, ended int
		want, not         string
	}{
		{auth.EventPasswordReset, 0, 0, 0, "All sessions were ended", "API key"},
		{auth.EventPasswordReset, 0, 1, 0, "1 API key still works", "nobody had confirmed"},
		{auth.EventPasswordReset, 0, 3, 0, "3 API keys still work", "nobody had confirmed"},
		{auth.EventPasswordReset, 0, 0, 1, "1 API key was ended, since nobody had confirmed this address", "still work"},
		{auth.EventPasswordReset, 0, 0, 2, "2 API keys were ended", "still work"},
		{auth.EventBackupCodeUsed, 9, 0, 0, "9 backup codes are left.", "No backup"},
		{auth.EventBackupCodeUsed, 1, 0, 0, "1 backup code is left.", "No backup"},
		{auth.EventBackupCodeUsed, 0, 0, 0, "No backup code is left.", "0"},
	} {
		n := aNotice(tc.typ)
		n.Left, n.APIKeys, n.EndedAPIKeys, n.Client, n.Time = tc.left, tc.live, tc.ended, auth.Client{}, now.Truncate(24*time.Hour).Add(11*time.Minute)
		if err := m.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		seen := parse(t, relay.one(t).raw)
		text, _, _ := strings.Cut(seen.text, "If it was not you")
		_, text, _ = strings.Cut(text, "UTC")
		what, _, _ := strings.Cut(seen.text, "Time:")
		if !strings.Contains(what+text, tc.want) || strings.Contains(text, tc.not) || !strings.Contains(seen.html, tc.want) {
			t.Errorf("%+v:\n%s", tc, seen.text)
		}
		if strings.Contains(seen.text, "Network") || strings.Contains(seen.text, "Device") {
			t.Errorf("an unknown client is shown:\n%s", seen.text)
		}
	}
}

// Nobody is told to change a password that nobody gave.
func TestAWrongCodeAfterAnotherProofSaysNothingOfThePassword(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	for method, known := range map[string]bool{"pwd": true, "": true, "oauth": false} {
		n := aNotice(auth.EventSecondFactorFailed)
		n.Method = method
		if err := m.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		seen := parse(t, relay.one(t).raw)
		for _, body := range []string{seen.text, seen.html} {
			if strings.Contains(body, "the right password") != known || strings.Contains(body, "Change your password") != known || !strings.Contains(body, "a wrong code") {
				t.Errorf("%q:\n%s", method, body)
			}
		}
		if subject := seen.one(t, "Subject"); strings.Contains(subject, "password") {
			t.Errorf("the subject is %q", subject)
		}
	}
	// An account without a password can be deleted, too.
	if err := m.Notify(t.Context(), aNotice(auth.EventUserDeleted)); err != nil {
		t.Fatal(err)
	}
	if seen := parse(t, relay.one(t).raw); strings.Contains(seen.text, "knew your password") {
		t.Errorf("%s", seen.text)
	}
}

func TestATypeWithoutATemplateIsNotSent(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	for _, typ := range []auth.EventType{"", "later", auth.EventLoggedOut, "reset_password", "layout", "../layout"} {
		if err := m.Notify(t.Context(), aNotice(typ)); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
		if err := m.Send(t.Context(), aMail(auth.MailPurpose(typ))); err == nil && typ != "reset_password" {
			t.Errorf("a mail of purpose %q was sent", typ)
		}
	}
	if got := relay.take(); len(got) != 1 { // reset_password as a mail
		t.Errorf("%d messages were sent", len(got))
	}
	only := relay.mailer(t, func(c *smtpmail.Config) { c.Links = nil })
	most := relay.mailer(t, func(c *smtpmail.Config) { delete(c.Links, auth.MailInvitation) })
	if only.Send(t.Context(), aMail(auth.MailResetPassword)) == nil || most.Send(t.Context(), aMail(auth.MailInvitation)) == nil {
		t.Error("a mail was sent without a link")
	}
	if err := only.Notify(t.Context(), aNotice(auth.EventPasswordChanged)); err != nil {
		t.Error(err)
	}
}

// What a client chooses: a name, an address, a user agent.
func TestTextOfAClientIsNeitherAHeaderNorALink(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	for name, greeted := range map[string]bool{
		"Alice": true, "Dr. Zoë O'Neill-Ünal Jr.": true, "愛麗絲": true, "Ann <b>": true, "A & B": true, "O'<script>\"": true, "Rock ’n’ Roll \"X\"": true,
		"evil.com": false, "Click https://evil.example/x": false, "evil。com": false, "a@evil.example": false, "//evil": false,
		"Alice\r\nBcc: eve@evil.example": false, "Alice\nX: y": false, "\u202eecilA": false, "=?utf-8?q?x?=": true,
		"Call +49 170 1234567": false, strings.Repeat("You won a prize ", 5): false, "": false, "\xff": false, "{{Link}}": true,
	} {
		n := aNotice(auth.EventPasswordChanged)
		n.Name = name
		n.Client.UserAgent = "Call 1-800 https://evil.example <script>\r\nX: y Firefox/1.0"
		if err := m.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		got := relay.one(t)
		seen := parse(t, got.raw)
		want := "Hello,"
		if greeted {
			want = "Hello " + name + ","
		}
		if line, _, _ := strings.Cut(seen.text, "\n"); line != want {
			t.Errorf("%q: %q", name, line)
		}
		if !strings.Contains(seen.html, "<p>"+html.EscapeString(want)+"</p>") && !strings.Contains(html.UnescapeString(seen.html), "<p>"+want+"</p>") {
			t.Errorf("%q: %s", name, seen.html)
		}
		if len(seen.header) != 9 || strings.Contains(string(got.raw), "evil") || strings.Contains(string(got.raw), "1-800") || strings.Contains(seen.html, "<b>") || strings.Contains(seen.html, "<script") {
			t.Errorf("%q: %s", name, got.raw)
		}
		if href.MatchString(seen.html) || anything.MatchString(seen.text) {
			t.Errorf("%q: a link", name)
		}
	}
}

func TestAnAddressIsSentToExactlyOrNotAtAll(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	long := strings.Repeat("a", 63) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + "example"
	for address, want := range map[string]string{
		"o'neill+tag&x/y=z@example.com": "", "UPPER@Example.COM": "", "a..b@example.com": `"a..b"@example.com`, "a.@example.com": `"a."@example.com`,
		"{b}~^*@xn--bcher-kva.example": "", long: "",
	} {
		n := aNotice(auth.EventPasswordChanged)
		n.To = address
		if err := m.Notify(t.Context(), n); err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		got := relay.one(t)
		seen := parse(t, got.raw)
		if want == "" {
			want = address
		}
		if to := seen.header["To"]; len(to) != 1 || to[0] != "<"+want+">" || strings.ReplaceAll(got.to, `"`, "") != address {
			t.Errorf("%s: To: %s, RCPT TO:<%s>", address, to, got.to)
		}
		if list, err := seen.header.AddressList("To"); err != nil || len(list) != 1 || list[0].Address != address {
			t.Errorf("%s: %v, %v", address, list, err)
		}
		if !strings.Contains(seen.text, address) {
			t.Errorf("%s is not shown:\n%s", address, seen.text)
		}
	}
	for _, address := range []string{
		"", "alice", "alice@", "@example.com", "alice@example.com\r\nBcc: eve@evil.example", "alice@example.com\n", "alice@example.com>\r\nRCPT TO:<eve@evil.example",
		"alice@example.com, eve@evil.example", "Alice <alice@example.com>", `"al ice"@example.com`, "alice@bücher.example", "älice@example.com",
		"=?utf-8?q?alice?=@example.com", "eve%evil.example@example.com", "evil.example!eve@example.com", "-oQ/tmp@example.com", "/tmp/x@example.com", "${run{id}}@example.com",
		"alice@[127.0.0.1]", "alice@example.com ", "alice@example.com\x00", "alice@127.0.0.1", "a@" + strings.Repeat("b.", 200) + "example",
	} {
		n, mail := aNotice(auth.EventPasswordChanged), aMail(auth.MailResetPassword)
		n.To, mail.To = address, address
		for _, err := range []error{m.Notify(t.Context(), n), m.Send(t.Context(), mail)} {
			if err == nil || len(address) > 6 && strings.Contains(err.Error(), strings.TrimSpace(address)) {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
	for _, odd := range []auth.Secret{"", "_", "rst_x y", "rst_x\r\nX: y", "rst_x&a=b", "rst_<b>", "rst_é", "rst_x#", "{token}"} {
		mail := aMail(auth.MailResetPassword)
		mail.Token = odd
		if err := m.Send(t.Context(), mail); err == nil {
			t.Errorf("the token %q was sent", string(odd))
		}
	}
	if got := relay.take(); len(got) != 0 {
		t.Errorf("%d messages were sent", len(got))
	}
}

func TestTheTimeThatIsLeftIsInWords(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	m := relay.mailer(t, nil)
	for left, want := range map[time.Duration]string{
		time.Hour - 400*time.Millisecond: "once, for 1 hour, until", 24*time.Hour - time.Second: "once, for 24 hours, until", 7*24*time.Hour - time.Second: "once, for 7 days, until",
		90 * time.Minute: "once, for 90 minutes, until", time.Minute: "once, for 1 minute, until", 47*time.Hour + 59*time.Minute: "once, for 47 hours, until", -time.Hour: "once, until 29",
	} {
		mail := aMail(auth.MailVerifyEmail)
		mail.ExpiresAt, mail.Client.Addr = now.Add(left).In(time.FixedZone("", 7200)), netip.MustParseAddr("2001:db8:1:2:3::4")
		if err := m.Send(t.Context(), mail); err != nil {
			t.Fatal(err)
		}
		text := parse(t, relay.one(t).raw).text
		if !strings.Contains(text, want) || !strings.Contains(text, "2001:db8:1::/48") || !strings.Contains(text, " UTC.") {
			t.Errorf("%v:\n%s", left, text)
		}
	}
}

func TestAHostReplacesTemplates(t *testing.T) {
	relay := newRelay(t, "STARTTLS", "PLAIN")
	long := strings.Repeat("lang ", 1000) + "\n.\n..\n. dot\nFrom here\n\ttab  \n=3D é\x80"
	own := fstest.MapFS{
		"password_changed.tmpl": {Data: []byte(`{{define "subject"}}{{.Service}}: Ihr Kennwort wurde soeben geändert – bitte prüfen Sie, ob Sie das selbst waren{{end}}` +
			`{{define "text"}}` + strings.ToValidUTF8(long, "") + `{{end}}{{define "html"}}<p>Zeit: {{.Time}} {{.Name}}</p>{{end}}`)},
		"reset_password.tmpl": {Data: []byte(`{{define "subject"}}Kennwort{{end}}{{define "text"}}{{.Link}}{{end}}{{define "html"}}<a href='{{.Link}}'>{{.Link}}</a>{{end}}{{define "where"}}{{end}}`)},
		"invitation.tmpl":     {Data: []byte(`{{define "subject"}}Einladung{{end}}{{define "text"}}{{.Link}} [{{.Name}}{{.Device}}{{.Network}}{{.Time}}]{{end}}{{define "html"}}{{.Link}}{{end}}`)},
		"README.md":           {Data: []byte("no template")},
	}
	m := relay.mailer(t, func(c *smtpmail.Config) {
		c.Templates, c.FromName = own, "Bücher & Söhne, \"Kaffee\" (Köln) – die freundliche Buchhandlung"
	})
	n := aNotice(auth.EventPasswordChanged)
	n.Name = "Ann \"A\""
	if err := m.Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	seen := parse(t, relay.one(t).raw)
	if subject := seen.one(t, "Subject"); !strings.HasPrefix(subject, "Bücher & Söhne, \"Kaffee\" (Köln) – die freundliche Buchhandlung: Ihr Kennwort wurde soeben geändert – bitte") {
		t.Errorf("Subject: %s", subject)
	}
	if from, err := seen.header.AddressList("From"); err != nil || from[0].Name != "Bücher & Söhne, \"Kaffee\" (Köln) – die freundliche Buchhandlung" || from[0].Address != "no-reply@app.example" {
		t.Errorf("From: %v, %v", from, err)
	}
	if !strings.Contains(seen.text, strings.Repeat("lang ", 999)+"lang \n.\n..\n. dot\nFrom here\n\ttab  \n=3D é") {
		t.Errorf("the text is\n%s", seen.text)
	}
	if !strings.Contains(seen.html, "<p>Zeit: 29 November 2026, 19:47 UTC Ann &#34;A&#34;</p>") {
		t.Errorf("the HTML is\n%s", seen.html)
	}
	if err := m.Send(t.Context(), aMail(auth.MailResetPassword)); err != nil {
		t.Fatal(err)
	}
	if s := parse(t, relay.one(t).raw).one(t, "Subject"); s != "Kennwort" {
		t.Errorf("Subject: %s", s)
	}
	if err := m.Send(t.Context(), aMail(auth.MailInvitation)); err != nil {
		t.Fatal(err)
	}
	if text := parse(t, relay.one(t).raw).text; !strings.Contains(text, " []\n") { // nothing of the inviter
		t.Error(text)
	}
	if err := m.Send(t.Context(), aMail(auth.MailVerifyEmail)); err != nil {
		t.Fatal(err)
	}
	if s := parse(t, relay.one(t).raw).one(t, "Subject"); s != "Confirm your email address" {
		t.Errorf("a template that is not replaced: %s", s)
	}
}

func TestAManagerSendsItsMailsAndNotices(t *testing.T) {
	relay := newRelay(t, "implicit", "PLAIN")
	m := relay.mailer(t, func(c *smtpmail.Config) { c.ImplicitTLS = true })
	manager, err := auth.New(memstore.New(), auth.Config{
		Secrets: []auth.Secret{"32 random bytes or more, for a test"}, Mailer: m, Notifier: m, Now: func() time.Time { return now },
		PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"}); err != nil {
		t.Fatal(err)
	}
	if err := manager.ForgotPassword(ctx, "ALICE@example.com"); err != nil {
		t.Fatal(err)
	}
	mails := map[string]message{} // by subject
	await := func(want ...string) {
		t.Helper()
		for mails[want[0]].text == "" || mails[want[len(want)-1]].text == "" {
			select {
			case <-relay.news:
			case <-time.After(10 * time.Second):
				t.Fatalf("%q did not arrive", want)
			}
			for _, got := range relay.take() {
				seen := parse(t, got.raw)
				mails[seen.one(t, "Subject")] = seen
			}
		}
	}
	await("Confirm your email address", "Reset your password")
	reset := mails["Reset your password"]
	link := anything.FindString(reset.text)
	_, secret, _ := strings.Cut(link, "#token=")
	if !strings.Contains(reset.text, "once, for 1 hour, until 29 November 2026, 20:47 UTC") || strings.Contains(reset.text, "Alice") { // nobody has proven the address
		t.Error(reset.text)
	}
	if err := manager.ResetPassword(ctx, auth.Secret(secret), "Another-Pass-456!"); err != nil {
		t.Fatalf("the token of %s: %v", link, err)
	}
	await("Your password was reset")
	if err := manager.Close(); err != nil {
		t.Fatal(err)
	}
}
