package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/datixlab/auth/interop/trial"
)

// A workshop has a program for each recipe, algorithm and leeway.
type workshop struct {
	dir      string
	recipes  []recipe
	missing  map[string]bool
	services []*service
}

func newWorkshop(ctx context.Context, dir string, recipes []recipe, services []*service) (*workshop, error) {
	w := &workshop{dir: dir, recipes: recipes, missing: map[string]bool{}, services: services}
	for _, r := range recipes {
		l, ok := languages[r.language]
		if _, asked := w.missing[r.language]; !ok || libraries[r.title] == nil {
			return nil, fmt.Errorf("%s: nothing is known of this recipe, in the language %q", r.title, r.language)
		} else if !asked {
			w.missing[r.language] = trial.Missing(ctx, "the recipes in "+r.language, l.debian, l.needs...)
		}
	}
	if dir == "" {
		return nil, errors.New("SCRATCH is not set")
	}
	if err := os.WriteFile(w.certificate(), services[0].certificate, 0o600); err != nil { // httptest has one for all
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(filepath.Join(here, "node", "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		return nil, err
	}
	for i, r := range recipes {
		for j := range services {
			for _, lenient := range []bool{true, false} {
				if err := w.write(i, r, j, lenient); err != nil {
					return nil, err
				}
			}
		}
	}
	if w.missing["go"] {
		return w, nil
	}
	return w, w.buildGo(ctx)
}

// trust are the variables that name a file of certificates: for Go and OpenSSL, for LWP,
// node, and for requests.
var trust = []string{"SSL_CERT_FILE", "PERL_LWP_SSL_CA_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"}

func (w *workshop) certificate() string { return filepath.Join(w.dir, "certificate.pem") }

// place returns the directory of a program. Its name is a package of Go, too.
func (w *workshop) place(title string, service int, lenient bool) string {
	for i, r := range w.recipes {
		if r.title == title {
			return filepath.Join(w.dir, fmt.Sprintf("r%d_%s_%t", i, strings.ToLower(algorithms[service]), lenient))
		}
	}
	panic("no such recipe: " + title)
}

func (w *workshop) write(i int, r recipe, service int, lenient bool) error {
	code := strings.ReplaceAll(r.code, "https://api.example.com", w.services[service].url)
	code = strings.ReplaceAll(code, "ES256", algorithms[service])
	if !lenient {
		strict := code
		for _, replace := range replacements {
			strict = strings.ReplaceAll(strict, replace[0], replace[1])
		}
		strict = leeway.ReplaceAllString(strict, "")
		if _, none := withoutLeeway[r.title]; strict == code && !none {
			return fmt.Errorf("%s: no leeway is found", r.title)
		}
		code = strict
	}
	dir := w.place(r.title, service, lenient)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	file := languages[r.language].file
	if err := os.WriteFile(filepath.Join(dir, file), []byte(code), 0o600); err != nil {
		return err
	}
	name := "driver" + filepath.Ext(file)
	if r.language == "go" {
		adapter := "package recipe\n\nimport \"context\"\n" + imports(goCalls[r.title]) +
			"\nfunc New(ctx context.Context) (func(string) (string, error), error) {\n\t" + goCalls[r.title] + "\n}\n"
		return os.WriteFile(filepath.Join(dir, "adapter.go"), []byte(adapter), 0o600)
	}
	driver, err := drivers.ReadFile("drivers/" + name)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), driver, 0o600)
}

// imports returns what a call of goCalls needs.
func imports(call string) (lines string) {
	for name, path := range map[string]string{"http.": "net/http", "validator.": "github.com/auth0/go-jwt-middleware/v2/validator"} {
		if strings.Contains(call, name) {
			lines += fmt.Sprintf("import %q\n", path)
		}
	}
	return lines
}

// buildGo makes one program of all recipes in Go, with the versions that the module
// clients pins. It is told by an argument which recipe to run.
func (w *workshop) buildGo(ctx context.Context) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("clients", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(w.dir, name), text, 0o600); err != nil {
			return err
		}
	}
	var imported, chosen strings.Builder
	for _, r := range w.recipes {
		if r.language != "go" {
			continue
		}
		for service := range algorithms {
			for _, lenient := range []bool{true, false} {
				name := filepath.Base(w.place(r.title, service, lenient))
				fmt.Fprintf(&imported, "import %s \"github.com/datixlab/auth/interop/clients/%s\"\n", name, name)
				fmt.Fprintf(&chosen, "\t%q: %s.New,\n", name, name)
			}
		}
	}
	driver, err := drivers.ReadFile("drivers/driver.go.txt")
	if err != nil {
		return err
	}
	text := strings.NewReplacer("// IMPORTS\n", imported.String(), "\t// RECIPES\n", chosen.String()).Replace(string(driver))
	if err := os.WriteFile(filepath.Join(w.dir, "main.go"), []byte(text), 0o600); err != nil {
		return err
	}
	_, err = trial.Run(ctx, "", "go", "-C", w.dir, "build", "-o", "driver", ".")
	return err
}

// version returns the versions of a recipe's libraries, or "?" where they do not tell.
func (w *workshop) version(ctx context.Context, r recipe) string {
	var versions []string
	for _, library := range libraries[r.title] {
		version, err := trial.Run(ctx, "", languages[r.language].versions(library)...)
		if version = strings.TrimSpace(version); err != nil || version == "" {
			version = "?"
		}
		versions = append(versions, version)
	}
	return strings.Join(versions, " + ")
}

// A verifier is a recipe, running.
type verifier struct {
	expiresAtOnce bool
	stop          func()
	in            io.Writer
	answers       chan string // closed when there are no more
	said          *strings.Builder
}

func (w *workshop) start(ctx context.Context, r recipe, service int, lenient bool) (*verifier, error) {
	ctx, cancel := context.WithCancel(ctx)
	command := languages[r.language].command(w.place(r.title, service, lenient))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) // #nosec G204 -- a recipe of the page
	v := &verifier{expiresAtOnce: withoutLeeway[r.title].expiresAtOnce, answers: make(chan string), said: &strings.Builder{}}
	cmd.Stderr = v.said
	cmd.Env = os.Environ()
	for _, name := range trust {
		cmd.Env = append(cmd.Env, name+"="+w.certificate())
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	v.in = in
	go func() {
		defer close(v.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			v.answers <- lines.Text()
		}
		_ = cmd.Wait() // it is killed when it is no longer needed
	}()
	v.stop = func() {
		cancel()
		for range v.answers { //nolint:revive // until it has ended
		}
	}
	return v, nil
}

// verify returns why a token is refused, or "" if it is taken. It is an error if the
// recipe does not work.
func (v *verifier) verify(token string) (refusal string, err error) {
	if _, err := fmt.Fprintln(v.in, token); err != nil {
		v.stop()
		return "", fmt.Errorf("the recipe has ended: %w\n%s", err, v.said)
	}
	select {
	case line, ok := <-v.answers:
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "ok" && strings.HasPrefix(rest, "user_"):
			return "", nil
		case word == "no":
			return cmp.Or(strings.TrimSpace(rest), "it does not say why"), nil
		case !ok:
			return "", fmt.Errorf("the recipe has ended:\n%s", v.said)
		}
		return "", fmt.Errorf("the recipe answers %q", line)
	case <-time.After(time.Minute):
		return "", errors.New("the recipe does not answer")
	}
}
