package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/datixlab/auth"
)

// typed is a terminal on which these passwords are typed.
func typed(passwords ...string) terminal {
	return terminal{in: true, password: func() ([]byte, error) {
		first := passwords[0]
		passwords = passwords[1:]
		return []byte(first), nil
	}}
}

func TestTheFirstAdminHasAPasswordThatNobodySaw(t *testing.T) {
	s := newService(t)
	for name, c := range map[string]struct {
		env  environment
		exit int
		says string
	}{
		"a line":           {environment{stdin: strings.NewReader(string(password) + "\n")}, 0, ""},
		"a terminal":       {environment{terminal: typed(string(password), string(password))}, 0, "Again: "},
		"nothing":          {environment{stdin: strings.NewReader("\n")}, 1, "must have the password"},
		"two lines":        {environment{stdin: strings.NewReader(string(password) + "\nhunter2")}, 1, "on one line"},
		"two that differ":  {environment{terminal: typed(string(password), "hunter2-hunter2")}, 1, "differ"},
		"one that is weak": {environment{stdin: strings.NewReader("hunter2")}, 1, "weak_password"},
	} {
		t.Run(name, func(t *testing.T) {
			email := strings.ReplaceAll(name, " ", ".") + "@example.com"
			r := runWith(t, c.exit, c.env, "-admin", "unix:"+s.socket, "create-admin", email, "-role", "operator", "-organization-name", "Night watch")
			if !strings.Contains(r.stderr, c.says) || strings.Contains(r.stdout+r.stderr, "hunter2") {
				t.Errorf("it says %q", r.stderr)
			}
			u, err := s.m.UserByEmail(t.Context(), email)
			if c.exit != 0 {
				if !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("there is an account: %v", err)
				}
				return
			}
			org := must(s.m.Organization(t.Context(), u.OrganizationID))
			if err != nil || u.Role != "operator" || org.Name != "Night watch" {
				t.Errorf("%+v in %+v, %v", u, org, err)
			}
			if _, err := s.m.Login(t.Context(), email, password); err != nil {
				t.Errorf("the login: %v", err)
			}
		})
	}
	if orgs := s.authctl(0, "orgs").stdout; strings.Count(orgs, "Night watch") != 2 {
		t.Errorf("a refused account has left an organization:\n%s", orgs)
	}
}

// Whoever is asked can go away, and the terminal shows again what is typed.
func TestAPromptThatIsInterruptedDoesNothing(t *testing.T) {
	s := newService(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked, restored := make(chan struct{}), false
	release := make(chan struct{})
	defer close(release)
	go func() { <-asked; cancel() }()
	var said bytes.Buffer
	env := environment{stdin: strings.NewReader(""), stdout: &said, stderr: &said, terminal: terminal{
		in:       true,
		password: func() ([]byte, error) { close(asked); <-release; return nil, nil },
		restore:  func() { restored = true },
	}}
	exit := run(ctx, []string{"-admin", "unix:" + s.socket, "create-admin", "ada@example.com"}, env)
	if exit != 1 || !restored || !strings.Contains(said.String(), "interrupted; nothing was done") {
		t.Errorf("exit status %d, restored %v: %s", exit, restored, &said)
	}
}
