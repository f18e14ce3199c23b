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
