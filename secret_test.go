package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// LO-2, F-O8. Whatever is printed, in whichever way, tells no secret.
func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := auth.Config{
		Secrets: []auth.Secret{goodSecret, authtest.Secret}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true, UsageInterval: rarely,
	}
	m, err := auth.New(memstore.New(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	if _, err := signUp(m, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	r, err := m.Login(ctx, "ada@example.com", authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.VerifyAccessToken(ctx, r.AccessToken.Token)
	if err != nil {
		t.Fatal(err)
	}
	enrolment, err := m.EnableTwoFactor(ctx, id, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{
		string(goodSecret), string(authtest.Secret), authtest.Password, string(r.AccessToken.Token), string(key),
		string(enrolment.Secret), string(enrolment.URI), string(enrolment.BackupCodes[0]), string(enrolment.BackupCodes[9]),
	}
	auth.AwaitBackground(m)          // printing reads what it writes
	type holder struct{ hidden any } // fmt cannot call methods of what is in an unexported field
	wrong := auth.Secret(authtest.Password)
	values := map[string]any{
		"Manager": m, "Manager in a struct": holder{m}, "Manager in a slice": []*auth.Manager{m},
		"Config": cfg, "*Config": &cfg,
		"Secret": goodSecret, "[]Secret": cfg.Secrets, "*Secret": &wrong, "map of Secret": map[string]auth.Secret{"a": goodSecret},
		"Registration": auth.Registration{Password: authtest.Password}, "NewUser": auth.NewUser{Password: authtest.Password},
		"ProfileChange": auth.ProfileChange{CurrentPassword: authtest.Password, Code: authtest.Password},
		"Mail":          auth.Mail{Purpose: auth.MailResetPassword, Token: wrong}, "*Mail": &auth.Mail{Token: wrong},
		"LoginResult": r, "AccessToken": r.AccessToken, "Identity": id, "enrolment": enrolment, "key": key,
		"*LoginResult": &r,
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%T"} {
			out := fmt.Sprintf(verb, v)
			if name == "Manager in a struct" {
				out += fmt.Sprintf(verb, &holder{m})
			}
			checkPrinted(t, name+" as "+verb, []byte(out), secrets)
		}
		out, _ := json.Marshal(v)
		checkPrinted(t, name+" as JSON", out, secrets)
		for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			slog.New(handler(&b)).Info("x", "v", v, slog.Group("g", "v", v))
			checkPrinted(t, name+" in "+kind, b.Bytes(), secrets)
		}
	}
	_ = m.Close()
	checkPrinted(t, "the log", log.Bytes(), secrets)
}

// keyBytes is how fmt prints a key of 16 bytes or more as numbers.
var keyBytes = regexp.MustCompile(`\[\d{1,3}( \d{1,3}){15,}\]`)

// checkPrinted fails the test if out has one of the secrets, as it is or as hex.
func checkPrinted(t *testing.T, where string, out []byte, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		tail := s[len(s)-8:]
		if holds(out, tail, fmt.Sprintf("%x", tail)) != "" {
			t.Errorf("%s: tells a secret: %.120q", where, out)
			return
		}
	}
	if keyBytes.Match(out) {
		t.Errorf("%s: tells the bytes of a key: %.120q", where, out)
	}
}

// LO-2. The picture of a secret is one.
func TestNothingPrintsAPictureOfASecret(t *testing.T) {
	raw := []byte("a picture of what nobody may see, 0123456789")
	picture := auth.SecretBytes(raw)
	var numbers []string
	for _, b := range raw {
		numbers = append(numbers, fmt.Sprint(b))
	}
	told := []string{
		string(raw), fmt.Sprintf("%x", raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		strings.Join(numbers[:8], " "), strings.Join(numbers[:8], ","), fmt.Sprintf("%#v", raw[:8])[8:40], string(raw[:8]),
	}
	check := func(where, out string) {
		t.Helper()
		if w := holds([]byte(out), told...); w != "" {
			t.Errorf("%s: tells %q: %q", where, w, out)
		}
	}
	e := auth.TwoFactorEnrollment{Secret: "s", URI: "u", QRCode: picture, BackupCodes: []auth.Secret{"c"}}
	for name, v := range map[string]any{
		"SecretBytes": picture, "*SecretBytes": &picture, "[]SecretBytes": []auth.SecretBytes{picture}, "map": map[string]auth.SecretBytes{"a": picture},
		"enrollment": e, "*enrollment": &e, "[]enrollment": []auth.TwoFactorEnrollment{e}, "in a struct": struct{ Enrollment auth.TwoFactorEnrollment }{e},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%#x", "%q", "%d", "%c", "%U", "%o", "%b", "%5.3s", "%-9v", "%!"} {
			out := fmt.Sprintf(verb, v)
			check(name+" as "+verb, out)
			if name == "SecretBytes" && verb != "%!" && out != "[secret]" {
				t.Errorf("as %s: %q", verb, out)
			}
		}
		out, err := json.Marshal(v)
		if err != nil || !strings.Contains(string(out), `"[secret]"`) {
			t.Errorf("%s as JSON: %s, %v", name, out, err)
		}
		check(name+" as JSON", string(out))
		var text, object bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&object, nil)} {
			slog.New(handler).Info("x", "v", v, slog.Group("g", "v", v))
		}
		check(name+" in slog text", text.String())
		check(name+" in slog JSON", object.String())
	}
	if picture.String() != "[secret]" || !bytes.Equal([]byte(picture), raw) {
		t.Errorf("%s, %q", picture.String(), []byte(picture))
	}
}
