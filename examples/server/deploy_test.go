package main

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/openstore"
)

// deployPage returns docs/deploy.md and its blocks of code by their language.
func deployPage(t *testing.T) (page string, blocks map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks = map[string][]string{}
	for _, m := range regexp.MustCompile("(?s)\n```(\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	for _, language := range []string{"yaml", "ini", "dockerfile"} {
		if len(blocks[language]) != 1 {
			t.Fatalf("docs/deploy.md has %d blocks of %s", len(blocks[language]), language)
		}
	}
	return string(text), blocks
}

// commandLines returns the arguments of the server in every file of the page.
func commandLines(t *testing.T) map[string][]string {
	t.Helper()
	_, blocks := deployPage(t)
	lines := map[string][]string{}
	_, args, _ := strings.Cut(blocks["yaml"][0], "\n          args:\n")
	for line := range strings.Lines(args) {
		arg, ok := strings.CutPrefix(line, "            - ")
		if !ok {
			break
		}
		lines["Kubernetes"] = append(lines["Kubernetes"], strings.TrimSpace(arg))
	}
	_, exec, _ := strings.Cut(blocks["ini"][0], "\nExecStart=")
	exec, _, _ = strings.Cut(exec, "\n")
	lines["systemd"] = strings.Fields(exec)[1:]
	_, cmd, _ := strings.Cut(blocks["dockerfile"][0], "\nCMD [")
	cmd, _, _ = strings.Cut(cmd, "]")
	for arg := range strings.SplitSeq(cmd, ", ") {
		lines["the image"] = append(lines["the image"], strings.Trim(arg, `"`))
	}
	for _, block := range blocks["sh"] {
		if _, run, ok := strings.Cut(block, "\n  auth-server "); ok {
			lines["docker run"] = strings.Fields(run)
		}
	}
	return lines
}

func TestThePageOnDeploymentStartsTheServer(t *testing.T) {
	lines := commandLines(t)
	if len(lines) != 4 {
		t.Fatalf("the page has the command lines %q", lines)
	}
	for where, args := range lines {
		var o options
		flags := o.flags()
		flags.SetOutput(io.Discard)
		if err := flags.Parse(args); err != nil || flags.NArg() != 0 || flags.NFlag() != len(args) || len(args) < 2 {
			t.Errorf("%s: %q: %v", where, args, err)
		}
		if _, err := parseProxies(o.proxies); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		p, err := openstore.Parse(*o.store.Spec)
		if err != nil || p.Path == "" {
			t.Errorf("%s: %q is the store %+v, %v", where, *o.store.Spec, p, err)
		}
	}
}

// What the page says of a flag must be a flag, and a flag must be where its file is.
func TestThePageOnDeploymentFitsTogether(t *testing.T) {
	page, blocks := deployPage(t)
	var o options
	known := o.flags()
	for _, m := range regexp.MustCompile("`-([a-z][a-z-]+)[=` ]").FindAllStringSubmatch(page, -1) {
		if known.Lookup(m[1]) == nil && m[1] != "final" {
			t.Errorf("the page names -%s, which is no flag of the server", m[1])
		}
	}
	known.VisitAll(func(f *flag.Flag) {
		if about := []string{"store", "store-file", "secret-file", "lock-wait", "insecure-file-mode", "trusted-proxies"}; slices.Contains(about, f.Name) && !strings.Contains(page, "-"+f.Name) {
			t.Errorf("the page does not say what -%s is for", f.Name)
		}
	})

	yaml, unit, image := blocks["yaml"][0], blocks["ini"][0], blocks["dockerfile"][0]
	for what, words := range map[string][]string{
		yaml: {
			"-store=bolt:/data/", "mountPath: /data}", "-secret-file=/run/secrets/auth/secret", "mountPath: /run/secrets/auth,",
			"defaultMode: 0440", "fsGroup: 65532", "runAsUser: 65532", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "kind: StatefulSet",
			"-addr=:8080", "containerPort: 8080", "targetPort: 8080", "terminationGracePeriodSeconds: 30",
		},
		unit: {
			"${STATE_DIRECTORY}", "StateDirectory=auth\n", "${CREDENTIALS_DIRECTORY}/secret", "LoadCredential=secret:", "DynamicUser=yes",
			"ProtectSystem=strict", "NoNewPrivileges=yes", "TimeoutStopSec=30", "AF_UNIX",
		},
		image: {"./examples/server", "FROM scratch", "USER 65532:65532", "--chown=65532:65532 /out/data /data", "VOLUME /data", "bolt:/data/"},
	} {
		for _, word := range words {
			if !strings.Contains(what, word) {
				t.Errorf("%q is missing in\n%s", word, what)
			}
		}
	}
	if grace := 30.0; drainTime.Seconds()+10 > grace || lockWait < drainTime {
		t.Errorf("the page gives the server %v seconds to stop; it takes up to %v and those of Close", grace, drainTime)
	}
}

func TestTheProbesOfThePageAreAnswered(t *testing.T) {
	_, blocks := deployPage(t)
	m := authtest.New(t).Manager
	h, err := httpauth.New(m, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	probes := regexp.MustCompile(`httpGet: \{path: (\S+), port: 8080\}`).FindAllStringSubmatch(blocks["yaml"][0], -1)
	if len(probes) != 2 {
		t.Fatalf("the manifest has the probes %q", probes)
	}
	for _, probe := range probes {
		w := httptest.NewRecorder()
		routesOf(h, m.Ready).ServeHTTP(w, httptest.NewRequest(http.MethodGet, probe[1], nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s is answered %d", probe[1], w.Code)
		}
	}
}
