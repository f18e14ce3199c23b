//go:build !race

package auth_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// sourceFiles returns the files of the tree with one of these extensions, with slashes:
// those of the project, and none of what tools and tests leave behind.
func sourceFiles(t *testing.T, extensions ...string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
			return filepath.SkipDir
		}
		for _, extension := range extensions {
			if !d.IsDir() && filepath.Ext(base) == extension {
				files = append(files, filepath.ToSlash(name))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// proseLines returns the lines of a Markdown text, those of fenced code empty.
func proseLines(text string) []string {
	lines, fenced := strings.Split(text, "\n"), false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced {
			lines[i] = ""
		}
	}
	return lines
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	link       = regexp.MustCompile(`\]\(([^()\s]+)\)`)
)

// anchors returns what the headings of a Markdown text can be linked to by, as GitHub
// makes it: lower case, without punctuation, with a hyphen for each space, and with a
// number where a text comes again.
func anchors(text string) map[string]bool {
	found, times := map[string]bool{}, map[string]int{}
	for _, line := range proseLines(text) {
		level := len(line) - len(strings.TrimLeft(line, "#"))
		if level == 0 || level > 6 || !strings.HasPrefix(line[level:], " ") {
			continue
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(line[level:]))
		if n := times[slug]; n > 0 {
			found[fmt.Sprintf("%s-%d", slug, n)] = true
		} else {
			found[slug] = true
		}
		times[slug]++
	}
	return found
}

func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	checked := 0
	for _, page := range sourceFiles(t, ".md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range proseLines(string(text)) {
			for _, match := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
				target, err := url.Parse(match[1])
				if err != nil {
					t.Errorf("%s:%d: %v", page, i+1, err)
					continue
				}
				if target.IsAbs() {
					continue
				}
				checked++
				file := page
				if target.Path != "" {
					file = path.Join(path.Dir(page), target.Path)
				}
				linked, err := os.ReadFile(file)
				if info, _ := os.Stat(file); info != nil && info.IsDir() && target.Fragment == "" {
					continue
				}
				if err != nil {
					t.Errorf("%s:%d: %v", page, i+1, err)
				} else if target.Fragment != "" && !anchors(string(linked))[target.Fragment] {
					t.Errorf("%s:%d: %s has no heading #%s", page, i+1, file, target.Fragment)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d links: the test no longer finds them", checked)
	}
}

// The README is a front door: what is longer is a page of docs/.
func TestTheREADMEHasAtMost220Lines(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 220 {
		t.Errorf("README.md has %d lines", n)
	}
}
