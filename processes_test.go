//go:build !race

package auth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// An otherProcess is this test program, run once more at the same place.
type otherProcess struct {
	t       *testing.T
	ask     io.Writer
	answers *bufio.Scanner
}

// sharedPlace is where the environment of an otherProcess says which place that is.
const sharedPlace = "AUTH_TEST_PLACE"

func startOther(t *testing.T, p place) *otherProcess {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	c.Env = append(os.Environ(), sharedPlace+"="+p.String())
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
	return p.goesOn()
}

// goesOn returns what the other process says next.
func (p *otherProcess) goesOn() string {
	p.t.Helper()
	if !p.answers.Scan() {
		p.t.Fatalf("the other process ended: %v", p.answers.Err())
	}
	return p.answers.Text()
}

// beOther is what the other process does.
func beOther(t *testing.T, p place) {
	h := authtest.With(t, p.open(t, 0), auth.Config{})
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
	if testing.Short() {
		t.Skip("not with -short: it starts a process")
	}
	if p := os.Getenv(sharedPlace); p != "" {
		beOther(t, placeOf(t, p))
		return
	}
	eachPlace(t, endBeforeAnother)
}

func endBeforeAnother(t *testing.T, p place) {
	t.Parallel()
	h := authtest.With(t, p.open(t, 0), auth.Config{})
	other := startOther(t, p)
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

// watchCredentials is what the other process does with MaxLag: it checks each credential
// that it is given without a pause, for raceTime at the most, and says when the last check
// began that was answered as the first was.
func watchCredentials(t *testing.T, p place, lag time.Duration) {
	h := authtest.With(t, p.open(t, lag), auth.Config{Now: time.Now})
	awaitStamps(t, h.Store) // else it would read each time
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		_, credential, _ := strings.Cut(lines.Text(), " ")
		first, err := h.Authenticate(t.Context(), auth.Secret(credential))
		if err != nil {
			fmt.Println(err)
			continue
		}
		var last time.Time
		for n, until := 0, time.Now().Add(raceTime); last.Before(until); n++ {
			began := time.Now()
			id, err := h.Authenticate(t.Context(), auth.Secret(credential))
			if errors.Is(err, auth.ErrInvalidToken) || err == nil && id.User.Role != first.User.Role {
				break
			}
			if err != nil {
				fmt.Println(err)
			} else if last = began; n == 10 {
				fmt.Println("watching")
			}
		}
		fmt.Println(last.UnixNano())
	}
}

// SE-7, AK-5, where checks of what is remembered ask no server: no check that begins MaxLag
// after a change was acknowledged is answered as before it, by any process.
func TestWhatOneProcessEndsAnotherRefusesWithinMaxLag(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts a process")
	}
	const lag = 20 * time.Millisecond
	if p := os.Getenv(sharedPlace); p != "" {
		watchCredentials(t, placeOf(t, p), lag)
		return
	}
	eachPlace(t, func(t *testing.T, p place) { endWithinLag(t, p, lag) })
}

func endWithinLag(t *testing.T, p place, lag time.Duration) {
	const rounds = 30
	h := authtest.With(t, p.open(t, 0), auth.Config{Limits: unlimited(), Now: time.Now})
	other := startOther(t, p)
	ctx := t.Context()
	acts := []struct {
		name string
		key  bool // the credential is an API key, else a token
		do   func(u *authtest.User, id auth.Identity) error
	}{
		{"logout", false, func(_ *authtest.User, id auth.Identity) error { return h.Logout(ctx, id) }},
		{"all sessions revoked", false, func(u *authtest.User, _ auth.Identity) error { return h.RevokeSessions(ctx, u.ID) }},
		{"another role", false, func(u *authtest.User, _ auth.Identity) error { return h.SetRole(ctx, u.ID, "member") }},
		{"the user disabled", false, func(u *authtest.User, _ auth.Identity) error { return h.DisableUser(ctx, u.ID) }},
		{"the key revoked", true, func(u *authtest.User, id auth.Identity) error { return h.RevokeUserAPIKey(ctx, u.ID, id.APIKeyID) }},
		{"the owner of another role", true, func(u *authtest.User, _ auth.Identity) error { return h.SetRole(ctx, u.ID, "member") }},
		{"the owner disabled", true, func(u *authtest.User, _ auth.Identity) error { return h.DisableUser(ctx, u.ID) }},
	}
	var late []time.Duration
	for range rounds {
		for _, act := range acts {
			u := h.Register()
			credential := u.Token()
			if act.key {
				credential = u.APIKey()
			}
			id, err := h.Authenticate(ctx, auth.Secret(credential))
			if err != nil {
				t.Fatal(err)
			}
			if got := other.says("watch", credential); got != "watching" {
				t.Fatalf("%s: the other process says %q before it", act.name, got)
			}
			if err := act.do(u, id); err != nil {
				t.Fatalf("%s: %v", act.name, err)
			}
			ended := time.Now()
			last, err := strconv.ParseInt(other.goesOn(), 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", act.name, err)
			}
			if since := time.Unix(0, last).Sub(ended); since > lag {
				t.Errorf("%s: the other process answered as before %v after it", act.name, since)
			} else {
				late = append(late, since)
			}
		}
	}
	slices.Sort(late)
	if n := len(late); n > 0 {
		t.Logf("answered as before until %v after the change in the median, %v at 99 %%, %v at most", late[n/2], late[n*99/100], late[n-1])
	}
}
