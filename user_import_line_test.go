package auth_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/fuzztest"
)

// fullLine has every member of a line.
const fullLine = `{"email": "ada@example.com", "email_verified": true, "full_name": "Ada", "password_hash": "$2a$05$x", "totp_secret": "GEZD",
	"role": "admin", "disabled": true, "created_at": "2026-01-31T15:04:05+01:00", "organization_id": "org_x", "organization_name": null}`

func TestALineIsReadAsItIsDocumented(t *testing.T) {
	u, err := auth.ParseImportedUser([]byte(fullLine))
	want := auth.ImportedUser{
		Email: "ada@example.com", EmailVerified: true, FullName: "Ada", PasswordHash: "$2a$05$x", TOTPSecret: "GEZD",
		Role: "admin", Disabled: true, CreatedAt: u.CreatedAt, OrganizationID: "org_x",
	}
	if err != nil || !reflect.DeepEqual(u, want) || !u.CreatedAt.Equal(time.Date(2026, 1, 31, 14, 4, 5, 0, time.UTC)) {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := auth.ParseImportedUser([]byte(`{"email":"ada@example.com"}`)); err != nil || !reflect.DeepEqual(u, auth.ImportedUser{Email: "ada@example.com"}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// badLines are lines that are refused, with what is wrong.
var badLines = map[string][]string{
	"": {"line: invalid_json"}, "[]": {"line: invalid_json"}, "null": {"line: invalid_json"}, `{"email":"a"} {}`: {"line: invalid_json"},
	`{"email":"a","email":"b"}`: {"line: invalid_json"}, "{\"email\":\"\xff\"}": {"line: invalid_json"}, `{"email":"\ud800"}`: {"line: invalid_json"},
	`{"email":1,"full_name":[],"password_hash":{},"totp_secret":false,"role":1.5,"disabled":"true","email_verified":1,"created_at":"2026-01-31","organization_id":0,"organization_name":true}`: {
		"email: wrong_type", "email_verified: wrong_type", "full_name: wrong_type", "password_hash: wrong_type", "totp_secret: wrong_type", "role: wrong_type",
		"organization_id: wrong_type", "organization_name: wrong_type", "disabled: wrong_type", "created_at: wrong_type"},
	`{"email":"a","totp":"GEZD"}`:                                 {"totp: unknown_member"},
	`{"Email":"a","PASSWORD_HASH":"x"}`:                           {"Email: unknown_member", "PASSWORD_HASH: unknown_member"},
	`{"email":"a","backup_codes":[]}`:                             {"backup_codes: unknown_member"},
	`{"email":"` + strings.Repeat("a", auth.MaxImportLine) + `"}`: {"line: too_long"},
}

func TestALineThatIsNotStrictlyOneIsRefused(t *testing.T) {
	for line, want := range badLines {
		u, err := auth.ParseImportedUser([]byte(line))
		if !errors.Is(err, auth.ErrInvalidInput) || !slices.Equal(fieldCodes(err), want) || !reflect.DeepEqual(u, auth.ImportedUser{}) {
			t.Errorf("%.80s: %+v, %v, want %v", line, u, fieldCodes(err), want)
		}
	}
}

func FuzzParseImportedUser(f *testing.F) {
	f.Add([]byte(fullLine))
	for line := range badLines {
		if len(line) < 1024 {
			f.Add([]byte(line))
		}
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, line []byte) {
		u, err := auth.ParseImportedUser(line)
		if saw(err == nil); err != nil {
			var input *auth.InputError
			if !errors.As(err, &input) || len(input.Fields) == 0 || !reflect.DeepEqual(u, auth.ImportedUser{}) {
				t.Fatalf("%+v, %v", u, err)
			}
		}
	})
}
