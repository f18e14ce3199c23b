//go:build !race

package auth_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:generate go test -run ^TestSecurityNamesATestForEveryGuarantee$ . -update

var update = flag.Bool("update", false, "write the table of SECURITY.md")

// A guarantee is a row of the table in SECURITY.md.
type guarantee struct {
	name    string   // as it is shown; empty for one without an id
	text    string   // what holds
	remark  string   // what of it does not, and why
	tests   []string // that prove it
	heading string   // of the section, where it is not a row
}

// ids are the names by which a test says what it proves.
var ids = regexp.MustCompile(`\b(?:(?:PW|LG|OT|TF|BC|TT|TD|JW|SE|AK|PR|HT|ST|LO|DO|RC|OR|AD|BR)-\d+|F-[A-Z]\d+|Advisory \d+|CVE-\d{4}-\d+|GHSA(?:-[0-9a-z]{4}){3})\b`)

// SECURITY.md says what holds, from testdata/guarantees.txt, and which test holds it,
// from the ids in the tests' comments. Nothing is promised without a test or a reason,
// and no test claims what is not promised.
func TestSecurityNamesATestForEveryGuarantee(t *testing.T) {
	rows, byID := guarantees(t)
	exists := map[string]bool{}
	eachTest(t, func(path, name string, claims []string) {
		exists[name] = true
		for _, id := range claims {
			row, ok := byID[id]
			if !ok {
				t.Errorf("%s: %q names %s, which is not in guarantees.txt", path, name, id)
			} else if !slices.Contains(row.tests, name) {
				row.tests = append(row.tests, name)
			}
		}
	})
	if len(exists) < 500 {
		t.Fatalf("%d tests: their sources are no longer understood", len(exists))
	}
	var table bytes.Buffer
	for _, row := range rows {
		if row.heading != "" {
			fmt.Fprintf(&table, "\n### %s\n\n| | guarantee | tests |\n|---|---|---|\n", row.heading)
			continue
		}
		if len(row.tests) == 0 && row.remark == "" {
			t.Errorf("%s %s: neither a test nor a reason", row.name, row.text)
		}
		for _, name := range row.tests {
			if !exists[name] {
				t.Errorf("%s: there is no %s", row.text, name)
			}
		}
		text := row.text
		if row.remark != "" {
			text += " *" + row.remark + "*"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", row.name, text, listed(row.tests))
	}
	table.WriteString("\n")

	const begin, end = "<!-- begin of what `go generate` writes -->\n", "<!-- end of what `go generate` writes -->\n"
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("SECURITY.md has no place for the table")
	}
	want := head + begin + table.String() + end + tail
	if *update {
		if err := os.WriteFile("SECURITY.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(page) != want {
		t.Error("the table of SECURITY.md is not what the tests say: run go generate")
	}
}

// listed writes the names of tests.
func listed(tests []string) string {
	quoted := slices.Clone(tests)
	slices.Sort(quoted)
	for i, name := range quoted {
		quoted[i] = "`" + name + "`"
	}
	return strings.Join(quoted, " ")
}

// guarantees reads testdata/guarantees.txt: sections, and rows of a name, what holds,
// and, where it has one, a remark; a row without a name has its tests there instead.
func guarantees(t *testing.T) (rows []*guarantee, byID map[string]*guarantee) {
	t.Helper()
	text, err := os.ReadFile("testdata/guarantees.txt")
	if err != nil {
		t.Fatal(err)
	}
	byID = map[string]*guarantee{}
	for n, line := range strings.Split(string(text), "\n") {
		if heading, ok := strings.CutPrefix(line, "# "); ok {
			rows = append(rows, &guarantee{heading: heading})
			continue
		}
		if line == "" {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) == 2 {
			f = append(f, "")
		}
		if len(f) != 3 || f[1] == "" {
			t.Fatalf("guarantees.txt:%d: not a row: %q", n+1, line)
		}
		row := &guarantee{name: f[0], text: f[1], remark: f[2]}
		if row.name == "-" {
			row.name, row.tests, row.remark = "", strings.Fields(f[2]), ""
		} else if !ids.MatchString(row.name) {
			t.Errorf("guarantees.txt:%d: %q is no id", n+1, row.name)
		}
		for _, id := range ids.FindAllString(row.name, -1) {
			if byID[id] != nil {
				t.Errorf("guarantees.txt:%d: a second row of %s", n+1, id)
			}
			byID[id] = row
		}
		rows = append(rows, row)
	}
	return rows, byID
}

// eachTest calls f for every test and fuzz test of the module with the ids that the
// comments on it and in it name. An id elsewhere proves nothing, and fails the test.
func eachTest(t *testing.T, f func(path, name string, claims []string)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		of := map[*ast.CommentGroup]bool{}
		for _, decl := range source.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") && !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			from, to := fn.Pos(), files.Position(fn.End()).Line
			if fn.Doc != nil {
				from = fn.Doc.Pos()
			}
			var claims []string
			for _, c := range source.Comments {
				if c.Pos() >= from && files.Position(c.Pos()).Line <= to {
					of[c] = true
					claims = append(claims, ids.FindAllString(strings.Join(strings.Fields(c.Text()), " "), -1)...)
				}
			}
			f(path, fn.Name.Name, claims)
		}
		for _, c := range source.Comments {
			if named := ids.FindString(c.Text()); named != "" && !of[c] {
				t.Errorf("%s: %s is named in no test", files.Position(c.Pos()), named)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
