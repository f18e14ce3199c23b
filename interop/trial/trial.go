// Package trial is what the programs of this module share that try other people's
// programs on the API: a user, calls, and the word that a program is not installed.
package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Password is the password of every user that Register makes.
const Password = "a passphrase nobody else has"

// NotInstalled begins the line that tells of a program that is not tried, because this
// machine does not have it.
const NotInstalled = "not installed: "

// patience is how long one run of a program that answers at once may take.
const patience = time.Minute

// Main runs a program's trials and exits with 1 if one fails.
func Main(run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Missing reports that a program cannot be had, and says so with the Debian package that has it.
// The probe is a command that fails where the program is missing.
func Missing(ctx context.Context, program, debian string, probe ...string) bool {
	if _, err := Run(ctx, "", probe...); err == nil {
		return false
	}
	fmt.Printf("%s%s (Debian: %s)\n", NotInstalled, program, debian)
	return true
}

// Run runs a command with an input, and returns its output. The error has what the
// command said.
func Run(ctx context.Context, input string, command ...string) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) // #nosec G204 -- the programs that are tried
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s", command[0], err, stderr.String())
	}
	return stdout.String(), nil
}

// An Object is a JSON object.
type Object map[string]any

// Text returns a member that is a string, or "".
func (o Object) Text(name string) string {
	s, _ := o[name].(string)
	return s
}

// A Client calls the API that is mounted at Base.
type Client struct {
	Base string
	HTTP *http.Client
}

// Call makes one call, with a credential if there is one, and fails unless the answer has
// the status that is wanted.
func (c Client) Call(ctx context.Context, want int, method, path, credential string, body any) (Object, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer Object
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, want, text)
	}
	return answer, nil
}

var users atomic.Int64

// Register makes a user and returns its email address, which no other user of this
// process has, and no process that gives itself another name.
func (c Client) Register(ctx context.Context, name string) (email string, err error) {
	email = fmt.Sprintf("%s.%d@example.com", name, users.Add(1))
	_, err = c.Call(ctx, http.StatusCreated, "POST", "/register", "", Object{"email": email, "password": Password, "full_name": "Ada Lovelace"})
	return email, err
}

// Login returns the access token of a user without a second factor.
func (c Client) Login(ctx context.Context, email string) (token string, err error) {
	answer, err := c.Call(ctx, http.StatusOK, "POST", "/login", "", Object{"email": email, "password": Password})
	return answer.Text("access_token"), err
}
