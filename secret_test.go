package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// LO-2. Whatever is printed, in whichever way, tells no secret.
func TestNothingPrintsASecret(t *testing.T) {
	var log bytes.Buffer
	cfg := auth.Config{
		Secrets: []auth.Secret{goodSecret, authtest.Secret}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
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
	enrolment.QRCode = nil // an image is to be shown
	_, key, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{
		string(goodSecret), string(authtest.Secret), authtest.Password, string(r.AccessToken.Token), string(key),
		string(enrolment.Secret), string(enrolment.URI), string(enrolment.BackupCodes[0]), string(enrolment.BackupCodes[9]),
	}
	type holder struct{ hidden any } // fmt cannot call methods of what is in an unexported field
	wrong := auth.Secret(authtest.Password)
	values := map[string]any{
		"Manager": m, "Manager in a struct": holder{m}, "Manager in a slice": []*auth.Manager{m},
		"Config": cfg, "*Config": &cfg,
		"Secret": goodSecret, "[]Secret": cfg.Secrets, "*Secret": &wrong, "map of Secret": map[string]auth.Secret{"a": goodSecret},
		"Registration": auth.Registration{Password: authtest.Password}, "NewUser": auth.NewUser{Password: authtest.Password},
		"ProfileChange": auth.ProfileChange{CurrentPassword: authtest.Password},
		"LoginResult":   r, "AccessToken": r.AccessToken, "Identity": id, "enrolment": enrolment, "key": key,
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
