//go:build !race

package main

import (
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// The night drill of docs/administration.md, with the programs that users run: the server on a
// bbolt file, the command of operators, and the script.
func TestTheNightDrill(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts processes")
	}
	bin, dir := t.TempDir(), t.TempDir()
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(bin, "authctl"), "../../cmd/authctl").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(buildServer(t), "-addr", "127.0.0.1:0", "-mail", "none")
	cmd.Dir = dir
	server := startProcess(t, cmd)

	const v1, email = "/v1/auth", walkEmail
	server.must(t, 201, http.MethodPost, v1+"/register", "", object{"email": email, "password": walkPassword, "full_name": "Ada Lovelace"})
	login := object{"email": email, "password": walkPassword}
	token := server.must(t, 200, http.MethodPost, v1+"/login", "", login).text("access_token")
	secret := server.must(t, 200, http.MethodPost, v1+"/enable-2fa", token, object{"password": walkPassword}).text("secret")
	server.must(t, 200, http.MethodPost, v1+"/confirm-2fa", token, object{"code": codeAt(t, secret, 0)})

	wrong := "000000"
	for n := -2; n <= 2; n++ { // the code of now, and of the time before and after
		if codeAt(t, secret, n) == wrong {
			wrong = "999999"
		}
	}
	locked := false
	for tries := 0; !locked; tries++ {
		temp := server.must(t, 200, http.MethodPost, v1+"/login", "", login).text("temp_token")
		for range 5 {
			status, _, err := server.send(http.MethodPost, v1+"/verify-2fa", "", object{"temp_token": temp, "code": wrong})
			if err != nil {
				t.Fatal(err)
			}
			if locked = status == http.StatusTooManyRequests; locked {
				break
			}
		}
		if tries > 40 {
			t.Fatal("the user is not locked out")
		}
	}

	script := exec.Command("sh", "testdata/night-drill.sh", email)
	script.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "AUTH_ADMIN=unix:"+filepath.Join(dir, "auth.sock"))
	said, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("the script: %v\n%s", err, said)
	}
	for _, done := range []string{email, "User unlocked", "Two-factor authentication reset", "Sessions revoked"} {
		if !strings.Contains(string(said), done) {
			t.Errorf("the script does not say %q:\n%s", done, said)
		}
	}
	if server.must(t, 200, http.MethodPost, v1+"/login", "", login).text("access_token") == "" {
		t.Error("the user does not get in")
	}
	server.stop(t)
	operator, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"user_unlocked", "two_factor_reset", "session_revoked"} {
		if !regexp.MustCompile(`event\.type=` + event + `\b.*actor="?unix:` + regexp.QuoteMeta(operator.Username)).MatchString(server.output.String()) {
			t.Errorf("no event %s of %s in the log:\n%s", event, operator.Username, server.output)
		}
	}
}

// codeAt returns the code of a TOTP secret, so many periods from now.
func codeAt(t *testing.T, secret string, periods int) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(time.Duration(periods)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return code
}
