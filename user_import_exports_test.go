package auth_test

import (
	"bytes"
	"encoding/base32"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// exported is what becomes of the accounts of testdata/exports, by the name of the system in
// docs/import.md. The hashes are of authtest.Password, made by Django 3.2, Werkzeug 2.2, passlib 1.7,
// bcrypt 3.2 and argon2-cffi 21.1. That of Firebase is made as its own test vector is.
var exported = map[string]map[string]string{
	"Django": {
		"pbkdf2": "Ada Lovelace logs in", "argon2": "Grace logs in", "bcrypt": "bcrypt logs in", "dropped": "unknown_scheme", "none": "unknown_scheme",
		"disabled": "disabled",
	},
	"Flask": {
		"sha256": "Ada Lovelace logs in", "sha512": "sha512 logs in", "sha1": "sha1 logs in", "scrypt": "scrypt logs in", "passlib": "passlib logs in",
		"dropped": "unknown_scheme",
	},
	"Firebase": {"ada": "Ada Lovelace logs in", "none": "no password", "disabled": "disabled"},
	"Auth0":    {"ada": "Ada Lovelace logs in", "bob": "Bob logs in", "disabled": "disabled", "custom": "Euclid logs in"},
	"Supabase": {"ada": "Ada Lovelace logs in", "totp": "a code is due", "none": "no password"},
	"Keycloak": {
		"sha256": "Ada Lovelace logs in", "sha512": "Grace logs in", "sha1": "sha1 logs in", "argon2": "argon2 logs in", "totp": "a code is due",
		"hotp": "hotp logs in", "none": "no password", "disabled": "disabled", "bare": "no password",
	},
}

// otherPrograms stand in for those that make the exports.
const otherPrograms = `set -euo pipefail
python() { cat django.json; }
firebase() { :; }
kc.sh() { :; }
`

// systemOrCode finds the name of a system, or a program for the one that was named last.
var systemOrCode = regexp.MustCompile("(?s)\n\\*\\*([^*\n]+)\\*\\*|```(sh|python)\n(.*?)```")

// A line of each system's export is read as its account, by the programs of the page as they are.
func TestTheExportsOfOtherSystemsAreImportedAsThePageSays(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "jq", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed: run make deps", program)
			}
			t.Logf("%s is not installed: what it reads is left out; make deps installs it", program)
			return
		}
	}
	page, err := os.ReadFile("docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	_, exports, _ := strings.Cut(string(page), "\n## Exports\n")
	tried := map[string]bool{}
	system := ""
	for _, found := range systemOrCode.FindAllStringSubmatch(exports, -1) {
		switch name, language, program := found[1], found[2], found[3]; {
		case name != "":
			system = name
		case strings.HasPrefix(program, "psql"): // there is no server of it
		default:
			tried[system] = true
			t.Run(system, func(t *testing.T) { importExports(t, language, program, exported[system]) })
		}
	}
	if want := slices.Sorted(maps.Keys(exported)); !slices.Equal(slices.Sorted(maps.Keys(tried)), want) {
		t.Errorf("the page has programs for %v, want %v", slices.Sorted(maps.Keys(tried)), want)
	}
}

// importExports runs a program of the page on testdata/exports, and imports what it makes.
func importExports(t *testing.T, language, program string, want map[string]string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "exports"))); err != nil {
		t.Fatal(err)
	}
	if language == "python" {
		if err := os.WriteFile(filepath.Join(dir, "convert.py"), []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		program = "python3 convert.py < users.csv > users.ndjson"
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", otherPrograms+program)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines, err := os.ReadFile(filepath.Join(dir, "users.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited(), FirebaseHashes: auth.FirebaseHashes{
		SignerKey:     "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
		SaltSeparator: "Bw==", Rounds: 8, MemoryCost: 14,
	}})
	got := map[string]string{}
	for line := range bytes.Lines(lines) {
		u, err := auth.ParseImportedUser(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		name, _, _ := strings.Cut(u.Email, "@")
		got[name] = becameOf(t, h, u)
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// becameOf imports an account, logs it in, and says what became of it.
func becameOf(t *testing.T, h *authtest.Harness, u auth.ImportedUser) string {
	t.Helper()
	result, err := h.ImportUser(t.Context(), u)
	if err != nil {
		return err.Error()
	}
	r, err := h.Login(t.Context(), u.Email, authtest.Password)
	switch refused := errors.Is(err, auth.ErrInvalidCredentials); {
	case refused && result.User.Disabled:
		return "disabled"
	case refused && result.DroppedHash != "":
		return result.DroppedHash
	case refused && u.PasswordHash == "":
		return "no password"
	case err != nil:
		return err.Error()
	case !r.TwoFactorRequired():
		return r.User.FullName + " logs in"
	}
	secret := u.TOTPSecret
	if raw := "abcdefghij0123456789"; base32.StdEncoding.EncodeToString([]byte(raw)) != string(secret) && !strings.HasPrefix(string(secret), "GEZDG") {
		t.Errorf("the secret is %s", string(secret))
	}
	if err := secondStep(t.Context(), h.Manager, r.TempToken, auth.Secret(authtest.TOTPCode(secret, h.Now()))); err != nil {
		return err.Error()
	}
	return "a code is due"
}
