package auth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/redistest"
)

// An otherProcess is this test program, run once more on the same Redis.
type otherProcess struct {
	t       *testing.T
	ask     io.Writer
	answers *bufio.Scanner
}

// sharedRedis is where the environment of an otherProcess says which Redis that is.
const sharedRedis = "AUTH_TEST_REDIS"

func startOther(t *testing.T, addr string) *otherProcess {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), sharedRedis+"="+addr)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // it ends with its input
		_ = in.Close()
		_ = c.Wait()
	})
	return &otherProcess{t, in, bufio.NewScanner(out)}
}

// says returns what the other process makes of a credential: the text of an error of
// package auth, or "open".
func (p *otherProcess) says(kind string, credential ...string) string {
	p.t.Helper()
	_, _ = fmt.Fprintln(p.ask, kind, strings.Join(credential, " "))
	if !p.answers.Scan() {
		p.t.Fatalf("the other process ended: %v", p.answers.Err())
	}
	return p.answers.Text()
}

// beOther is what the other process does.
func beOther(t *testing.T, addr string) {
	h := authtest.With(t, onRedis(t, addr, "auth:"), auth.Config{})
	ctx := context.Background()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		var err error
		switch words[0] {
		case "token":
			_, err = h.VerifyAccessToken(ctx, auth.Secret(words[1]))
		case "key":
			_, err = h.VerifyAPIKey(ctx, auth.Secret(words[1]))
		case "password":
			_, err = h.Login(ctx, words[1], authtest.Password)
		case "code":
			_, err = h.VerifyTwoFactor(ctx, auth.Secret(words[1]), auth.Secret(words[2]))
		}
		answer := "open"
		for _, e := range []error{auth.ErrInvalidToken, auth.ErrInvalidCredentials, auth.ErrInvalidCode, auth.ErrRateLimited, auth.ErrUnavailable} {
			if errors.Is(err, e) {
				answer = e.Error()
			}
		}
		fmt.Println(answer)
	}
}

// SE-7.
// What one process ends, another refuses with the next question.
func TestWhatOneProcessEndsAnotherRefusesAtOnce(t *testing.T) {
	if addr := os.Getenv(sharedRedis); addr != "" {
		beOther(t, addr)
		return
	}
	if !redistest.Available(t) {
		return
	}
	addr := redistest.Start(t).Addr()
	h := authtest.With(t, onRedis(t, addr, "auth:"), auth.Config{})
	other := startOther(t, addr)
	ctx := context.Background()
	want := func(answer any, kind string, credential ...string) {
		t.Helper()
		if err, ok := answer.(error); ok {
			answer = err.Error()
		}
		if got := other.says(kind, credential...); got != answer {
			t.Errorf("%s: the other process says %q, want %q", kind, got, answer)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		alice := h.Register()
		key, secret := newKey(t, h.Manager, alice.Identity(), auth.NewAPIKey{Name: "k"})
		want("open", "token", alice.Token())
		must(h.Logout(ctx, alice.Identity()))
		want(auth.ErrInvalidToken, "token", alice.Token())

		alice.Login()
		want("open", "token", alice.Token())
		must(h.RevokeSession(ctx, alice.ID, alice.Identity().SessionID))
		want(auth.ErrInvalidToken, "token", alice.Token())

		alice.Login()
		want("open", "key", secret)
		must(h.RevokeAPIKey(ctx, alice.Identity(), key.ID))
		want(auth.ErrInvalidToken, "key", secret)

		secret = alice.APIKey()
		want("open", "key", secret)
		want("open", "token", alice.Token())
		must(h.DisableUser(ctx, alice.ID))
		want(auth.ErrInvalidToken, "token", alice.Token())
		want(auth.ErrInvalidToken, "key", secret)
		want(auth.ErrInvalidCredentials, "password", alice.Email)
	}

	// A code that was used here is used there.
	bob := h.Register()
	bob.EnableTwoFactor()
	bob.Login()
	r, err := h.Login(ctx, bob.Email, authtest.Password)
	must(err)
	want(auth.ErrInvalidCode, "code", string(r.TempToken), bob.Code())

	// Attempts are counted together.
	carol := h.Register()
	for range 5 {
		if err := login(ctx, h.Manager, carol.Email, "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	want(auth.ErrRateLimited, "password", carol.Email)
}
