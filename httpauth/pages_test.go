package httpauth_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// section returns what stands in a file between two texts.
func section(t *testing.T, path, from, to string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), from)
	part, _, ends := strings.Cut(rest, to)
	if !found || !ends {
		t.Fatalf("%s: nothing stands between %q and %q", path, from, to)
	}
	return part
}

// A reader of the package comment finds every route.
func TestThePackageCommentListsEveryRoute(t *testing.T) {
	var listed []string
	comment := section(t, "doc.go", "// # Routes", "// The document at /openapi.json")
	for _, m := range regexp.MustCompile(`(GET|POST|PATCH|DELETE) +(/\S+)`).FindAllStringSubmatch(comment, -1) {
		listed = append(listed, m[1]+" "+m[2])
	}
	mounted := newFixture(t, setup{}).handler.Routes()
	slices.Sort(listed)
	slices.Sort(mounted)
	if !slices.Equal(listed, mounted) {
		t.Errorf("doc.go lists\n%s\nand there are\n%s", strings.Join(listed, "\n"), strings.Join(mounted, "\n"))
	}
}

// A program whose answer got lost finds what to do, for every call that may have changed something.
func TestThePageOfClientsSaysWhatALostAnswerAsksFor(t *testing.T) {
	var named []string
	for line := range strings.Lines(section(t, "../docs/clients.md", "## When an answer is lost", "\n## ")) {
		if calls, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | "); isRow {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(calls, -1) {
				if !strings.Contains(m[1], " ") {
					m[1] = "POST /" + m[1]
				}
				named = append(named, m[1])
			}
		}
	}
	mounted := newFixture(t, setup{}).handler.Routes()
	for _, rt := range mounted {
		if !strings.HasPrefix(rt, "GET ") && !slices.Contains(named, rt) {
			t.Errorf("the table of lost answers lacks %s", rt)
		}
	}
	for _, name := range named {
		if !slices.Contains(mounted, name) {
			t.Errorf("the table of lost answers has %s, which is no route", name)
		}
	}
}
