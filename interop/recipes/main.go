// Recipes runs the recipes of docs/clients.md by which other services check access tokens. It
// serves the JWKS of a Manager for each algorithm, and gives each recipe tokens that it must
// accept and tokens that it must refuse:
//
//	go run ./recipes [title ...]
//
// It names each recipe and algorithm, and exits with 1 if a recipe does something else than
// the page says.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store/memstore"
)

const (
	page     = "../docs/clients.md"
	where    = "https://api.example.com" // as the recipes have it
	issuer   = "my-issuer"
	audience = "my-api"
	patience = time.Minute // for one recipe
)

// unknown names the algorithms that a recipe's library does not know, as the page says.
var unknown = map[string]string{
	"JavaScript: jsonwebtoken and jwks-rsa": "EdDSA",
	"JavaScript: fast-jwt and get-jwks":     "EdDSA",
	"Python: python-jose":                   "EdDSA",
	"Ruby: ruby-jwt":                        "EdDSA",
}

// commands run a recipe in a file of a language, which is the last argument. They read a list
// of tokens as JSON and write whether each was accepted.
var commands = map[string]struct {
	ending string
	words  []string
}{
	"js":     {".mjs", []string{"node", "node/recipe.mjs"}},
	"python": {".py", []string{"/usr/bin/python3", "recipes/recipe.py"}}, // where Debian's packages are
	"ruby":   {".rb", []string{"ruby", "recipes/recipe.rb"}},
	"perl":   {".pl", []string{"perl", "recipes/recipe.pl"}},
}

func main() {
	failed, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "recipes:", err)
	}
	if err != nil || failed {
		os.Exit(1)
	}
}

// A recipe is a block of code under a heading of its own.
type recipe struct{ title, language, code string }

// recipes returns those of the page that this program can run.
func recipes() (all []recipe, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	block := regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")
	for _, part := range strings.Split(string(text), "\n### ")[1:] {
		title, rest, _ := strings.Cut(part, "\n")
		m := block.FindStringSubmatch(rest)
		if m == nil || commands[m[1]].words == nil {
			continue
		}
		all = append(all, recipe{title, m[1], m[2]})
	}
	if len(all) < 12 {
		return nil, fmt.Errorf("%s has %d recipes", page, len(all))
	}
	return all, nil
}

func run(titles []string) (failed bool, err error) {
	all, err := recipes()
	if err != nil {
		return false, err
	}
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		s, err := newService(alg)
		if err != nil {
			return false, err
		}
		for _, r := range all {
			if len(titles) > 0 && !slices.Contains(titles, r.title) {
				continue
			}
			word := "ok"
			if err := s.try(r); err != nil {
				word, failed = "FAIL: "+err.Error(), true
			}
			fmt.Printf("%-45s %s %s\n", r.title, alg, word)
		}
		s.Close()
	}
	return failed, nil
}

// A service serves the JWKS of one key over TLS, and signs tokens with the key.
type service struct {
	*httptest.Server
	alg string
	key crypto.Signer
}

func newService(alg string) (*service, error) {
	key, err := newKey(alg)
	if err != nil {
		return nil, err
	}
	m, err := manager(key, issuer, audience, 0)
	if err != nil {
		return nil, err
	}
	h, err := httpauth.New(m, httpauth.Config{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", h))
	return &service{httptest.NewTLSServer(mux), alg, key}, nil
}

// A token is one that a recipe must accept, or must not.
type token struct {
	what string
	text string
	good bool
}

// tokens returns new tokens of every kind.
func (s *service) tokens() ([]token, error) {
	all := []token{
		{what: "a token", good: true},
		{what: "one of a clock that is 2 seconds ahead", good: true},
		{what: "one that expired within the leeway", good: true},
		{what: "one that expired"},
		{what: "one of another issuer"},
		{what: "one of another audience"},
		{what: "one with another's payload"},
	}
	for i, of := range []struct {
		issuer, audience string
		after            time.Duration // when it is made, from now
	}{
		{issuer, audience, 0}, {issuer, audience, 2 * time.Second}, {issuer, audience, -time.Hour - 15*time.Second}, {issuer, audience, -2 * time.Hour},
		{"other", audience, 0}, {issuer, "other", 0},
	} {
		text, err := signed(s.key, of.issuer, of.audience, of.after)
		if err != nil {
			return nil, err
		}
		all[i].text = text
	}
	parts, other := strings.Split(all[0].text, "."), strings.Split(all[1].text, ".")
	all[len(all)-1].text = parts[0] + "." + other[1] + "." + parts[2]
	return all, nil
}

func newKey(alg string) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// manager returns a Manager whose clock differs from ours.
func manager(key crypto.Signer, issuer, audience string, after time.Duration) (*auth.Manager, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	return auth.New(memstore.New(), auth.Config{
		Secrets: []auth.Secret{auth.Secret(secret)}, Issuer: issuer, Audience: audience, SigningKey: auth.SigningKey{Signer: key},
		Now:          func() time.Time { return time.Now().Add(after) },
		PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
	})
}

// signed returns an access token that was made in that time from now.
func signed(key crypto.Signer, issuer, audience string, after time.Duration) (string, error) {
	m, err := manager(key, issuer, audience, after)
	if err != nil {
		return "", err
	}
	defer m.Close() //nolint:errcheck // nothing is left to write
	ctx := context.Background()
	if _, err := m.Register(ctx, auth.Registration{Email: "ada@example.com", Password: "SecurePass123!", FullName: "Ada"}); err != nil {
		return "", err
	}
	r, err := m.Login(ctx, "ada@example.com", "SecurePass123!")
	return string(r.AccessToken.Token), err
}

// try returns an error unless the recipe accepts what it must and nothing else.
func (s *service) try(r recipe) error {
	const generated = "node/generated" // node finds its packages from there
	if err := os.MkdirAll(generated, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(generated, "recipe")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory of temporary files
	command := commands[r.language]
	file, ca := filepath.Join(dir, "recipe"+command.ending), filepath.Join(dir, "ca.pem")
	code := strings.NewReplacer(where, s.URL, "ES256", s.alg).Replace(r.code)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := errors.Join(os.WriteFile(file, []byte(code), 0o600), os.WriteFile(ca, certificate, 0o600)); err != nil {
		return err
	}
	tokens, err := s.tokens()
	if err != nil {
		return err
	}
	var texts []string
	for _, t := range tokens {
		texts = append(texts, t.text)
	}
	in, err := json.Marshal(texts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command.words[0], append(command.words[1:], file)...) // #nosec G204 -- one of commands
	var out, log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &log
	cmd.Env = os.Environ()
	for _, name := range []string{"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PERL_LWP_SSL_CA_FILE"} {
		cmd.Env = append(cmd.Env, name+"="+ca)
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, log.Bytes())
	}
	var accepted []bool
	if err := json.Unmarshal(out.Bytes(), &accepted); err != nil || len(accepted) != len(tokens) {
		return fmt.Errorf("it answers %q, %w", out.Bytes(), err)
	}
	var errs []error
	for i, t := range tokens {
		if want := t.good && unknown[r.title] != s.alg; accepted[i] != want {
			errs = append(errs, fmt.Errorf("%s is accepted: %v", t.what, accepted[i]))
		}
	}
	if len(errs) > 0 {
		return errors.Join(append(errs, errors.New(log.String()))...)
	}
	return nil
}
