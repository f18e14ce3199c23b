package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/datixlab/auth/internal/checkdigits"
	"github.com/datixlab/auth/internal/ident"
)

// A key that nobody has.
func exampleKey(prefix string) string { return checkdigits.Add(prefix + ident.Digits(keyDigits)) }

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheScannerKnowsTheKeysOfPackageAuth(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	id := must(s.m.VerifyAccessToken(t.Context(), s.login(u).AccessToken.Token))
	made, key := s.key(id)
	file := write(t, filepath.Join(t.TempDir(), "config.yaml"), "name: export\nkey: \""+string(key)+"\"\n")
	r := runWith(t, 1, environment{}, "keys", "scan", file)
	if want := file + ":2: " + made.Prefix + " " + u.ID + " " + made.ID + "\n"; r.stdout != want {
		t.Errorf("it prints %q, want %q", r.stdout, want)
	}
	if strings.Contains(r.stdout+r.stderr, string(key)) {
		t.Error("it tells the key")
	}
	s.authctl(0, "users", "revoke", u.ID, "-key", made.ID, "-yes") // as it says
}

func TestAKeyIsFoundWhereverItIsInAFile(t *testing.T) {
	key := exampleKey(defaultKeyPrefix)
	utf16 := "\xff\xfe" + strings.Join(strings.Split("x\n"+key, ""), "\x00") + "\x00"
	for name, c := range map[string]struct {
		text  string
		lines []int
	}{
		"alone":              {key, []int{1}},
		"among letters":      {"a" + key + "b", []int{1}},
		"twice on a line":    {key + key, []int{1, 1}},
		"on two lines":       {"\n" + key + "\r\n\n" + key + "\n", []int{2, 4}},
		"behind a false one": {defaultKeyPrefix + defaultKeyPrefix + key[:30] + key, []int{1}},
		"in JSON":            {`{"key": "` + key + `\n"}`, []int{1}},
		"in UTF-16":          {utf16, []int{2}},
		"nothing":            {"", nil},
		"a prefix":           {defaultKeyPrefix, nil},
		"a cut key":          {key[:len(key)-1], nil},
		"a mistyped key":     {strings.ToLower(key[:len(key)-1]) + "!", nil},
		"many prefixes":      {strings.Repeat(defaultKeyPrefix, 100) + key, []int{1}},
		"another prefix":     {exampleKey("pk_live_"), nil},
	} {
		for _, padding := range []int{0, 128<<10 - 40, 256<<10 - 1} {
			var lines []int
			text := strings.Repeat(" ", padding) + c.text
			env := environment{stdin: iotest.HalfReader(strings.NewReader(text))}
			exit := 0
			if c.lines != nil {
				exit = 1
			}
			r := runWith(t, exit, env, "keys", "scan", "-json", "-prefix", "sk_", "-prefix", defaultKeyPrefix, "-")
			for line := range strings.Lines(r.stdout) {
				var l leak
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				lines = append(lines, l.Line)
			}
			if strings.Contains(r.stdout+r.stderr, key) || len(lines) != len(c.lines) {
				t.Fatalf("%s, behind %d spaces: %v, want %v", name, padding, lines, c.lines)
			}
			for i := range lines {
				if lines[i] != c.lines[i] {
					t.Errorf("%s, behind %d spaces: %v, want %v", name, padding, lines, c.lines)
				}
			}
		}
	}
}

func TestAFolderIsSearchedAndWhatCannotBeReadIsSaid(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "deep", "er", "\x1b[2J.txt"), exampleKey("acme_"))
	clean := write(t, filepath.Join(dir, "clean.txt"), "nothing")
	if err := os.Symlink(dir, filepath.Join(dir, "deep", "loop")); err != nil {
		t.Fatal(err)
	}
	r := runWith(t, 1, environment{}, "keys", "scan", "-prefix", "sk_live_", "-prefix", "acme_", dir)
	if strings.Count(r.stdout, "acme_") != 1 || !strings.Contains(r.stdout, `\x1b[2J.txt:1: `) {
		t.Errorf("it prints %q", r.stdout)
	}
	runWith(t, 0, environment{}, "keys", "scan", clean)
	linked := filepath.Join(t.TempDir(), "linked")
	if err := os.Symlink(dir, linked); err != nil {
		t.Fatal(err)
	}
	if r := runWith(t, 1, environment{}, "keys", "scan", "-prefix", "acme_", linked); strings.Count(r.stdout, "acme_") != 1 {
		t.Errorf("by a symbolic link it prints %q", r.stdout)
	}
	if r := runWith(t, 2, environment{}, "keys", "scan", filepath.Join(dir, "none"), dir, "-prefix", "acme_"); !strings.Contains(r.stderr, "no such file") || r.stdout == "" {
		t.Errorf("it prints %q, %q", r.stdout, r.stderr)
	}
	runWith(t, 2, environment{}, "keys", "scan", "-prefix", "a b", dir)
}

func TestThePatternFindsKeysAndNoOtherText(t *testing.T) {
	key, other := exampleKey("a_b_"), exampleKey(defaultKeyPrefix)
	pattern := func(form string) string {
		return runWith(t, 0, environment{}, "keys", "pattern", "-format", form, "-prefix", "a_b_", "-prefix", defaultKeyPrefix).stdout
	}
	plain := strings.TrimSpace(pattern("regexp"))
	re := regexp.MustCompile(plain)
	for _, text := range []string{key, other, `"` + key + `"`} {
		if !re.MatchString(text) {
			t.Errorf("%s does not find %q", plain, text)
		}
	}
	for _, text := range []string{"", "a_b_", key[1:], key[:len(key)-1], exampleKey("pk_live_")} {
		if re.MatchString(text) {
			t.Errorf("%s finds %q", plain, text)
		}
	}
	for form, has := range map[string][]string{
		"gitleaks":   {"[[rules]]\n", "\nregex = '''" + plain + "'''\n", "\nkeywords = [\"a_b_\", \"sk_live_\"]\n"},
		"trufflehog": {"detectors:\n", "\n    keywords: [\"a_b_\", \"sk_live_\"]\n", "\n      key: '(" + plain + ")'\n"},
	} {
		text := pattern(form)
		for _, part := range has {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is not in\n%s", form, part, text)
			}
		}
	}
	runWith(t, 2, environment{}, "keys", "pattern", "-format", "grep")
}

// Where gitleaks is installed, its own reading of the rule is what counts.
func TestGitleaksTakesItsRule(t *testing.T) {
	gitleaks, err := exec.LookPath("gitleaks")
	if err != nil {
		return // TestThePatternFindsKeysAndNoOtherText has the documented form
	}
	dir := t.TempDir()
	rule := write(t, filepath.Join(t.TempDir(), "rule.toml"), runWith(t, 0, environment{}, "keys", "pattern").stdout)
	for text, found := range map[string]bool{"key = " + exampleKey(defaultKeyPrefix): true, "key = sk_live_none": false} {
		write(t, filepath.Join(dir, "config.txt"), text)
		out, err := exec.Command(gitleaks, "dir", dir, "--config", rule, "--no-banner", "--redact").CombinedOutput()
		if (err != nil) != found {
			t.Errorf("%v, want a finding: %v\n%s", err, found, out)
		}
	}
}
