package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
)

func TestAMailIsOneLineOfJSON(t *testing.T) {
	var out bytes.Buffer
	m, notifier, err := mailer(nil, true, "http://127.0.0.1:8080", "", &out)
	if err != nil || notifier != nil {
		t.Fatal(notifier, err)
	}
	for _, purpose := range []auth.MailPurpose{auth.MailResetPassword, auth.MailVerifyEmail} {
		mail := auth.Mail{Purpose: purpose, To: "a&b@example.com", Name: "A\nB", Token: "rst_1", ExpiresAt: time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)}
		if err := m.Send(t.Context(), mail); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"mail":"reset_password","to":"a\u0026b@example.com","token":"rst_1","expires_at":"2030-01-02T03:04:05Z"}` + "\n" +
		`{"mail":"verify_email","to":"a\u0026b@example.com","token":"rst_1","expires_at":"2030-01-02T03:04:05Z"}` + "\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

func TestWhoSendsMails(t *testing.T) {
	const public, smtp = "https://auth.example.com", "smtp://app@smtp.example.com:587?from=no-reply@example.com"
	for _, tc := range []struct {
		flag     string // "-" is not given
		loopback bool
		public   string
		mailer   bool
		refused  bool
	}{
		{"-", true, public, true, false},
		{"-", false, public, false, false},
		{"log", false, public, true, false},
		{"none", true, public, false, false},
		{smtp, false, public, true, false},
		{smtp + "&name=Example", false, public, true, false},
		{"smtps://app@smtp.example.com?from=no-reply@example.com", false, public, true, false},
		{"smtp://localhost:1025?from=a@example.com&tls=none", false, public, true, true}, // a password without a user
		{smtp, false, "", false, true},
		{smtp, false, "http://auth.example.com", false, true},
		{"smtp://smtp.example.com?from=a@example.com&tls=none", false, public, false, true},
		{"smtp://app:hunter2@smtp.example.com?from=a@example.com", false, public, false, true},
		{"smtp://app@smtp.example.com", false, public, false, true},
		{"smtp://app@smtp.example.com?from=hunter2", false, public, false, true},
		{"smtp://app@smtp.example.com?from=a@example.com&hunter2=1", false, public, false, true},
		{"smtp://app@smtp.example.com:99999?from=a@example.com", false, public, false, true},
		{"smtp://app@smtp.example.com/path?from=a@example.com", false, public, false, true},
		{"", true, public, false, true}, {"Log", true, public, false, true}, {"smtp:", true, public, false, true}, {"://", true, public, false, true},
	} {
		flag := &tc.flag
		if tc.flag == "-" {
			flag = nil
		}
		m, notifier, err := mailer(flag, tc.loopback, tc.public, "hunter2", &bytes.Buffer{})
		if refused := err != nil; refused != tc.refused || !refused && (m != nil) != tc.mailer || !refused && (notifier != nil) != strings.HasPrefix(tc.flag, "smtp") {
			t.Errorf("-mail %q: %v, %v, %v", tc.flag, m, notifier, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("-mail %q: %v", tc.flag, err)
		}
	}
}
