// Which tests have something left to say after their short form under the race detector?
//
//	go run .ci/full.go DIR...
//
// prints the argument of go test that runs these alone, of the packages in the directories. A test says
// more if its file is not built under the race detector. It also does if it asks testing.Short, or if
// anything that it mentions does, in its package or in another one of this module. Methods are told
// apart by their names alone, which errs on the side of running a test. Where -short leaves out all
// stores but memory and changes nothing else, the test need not be run on memory again. Another line has
// the names of these for servertest.SaidOnMemory. As -skip they would cost more than they save: go test
// would compile both of two long patterns anew for each test.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A decl is what all declarations of one name have in common.
type decl struct {
	test     bool            // go test runs it
	longer   bool            // it says more
	beside   bool            // it says more on other stores than memory, and on memory the same
	mentions map[string]bool // names
}

// A graph has the declarations of a package's tests by name.
type graph map[string]*decl

func main() {
	source := map[string]string{} // of packages, without tests
	must(filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, ".") {
			return err
		}
		src, err := os.ReadFile(path)
		source[filepath.Dir(path)] += string(src)
		return err
	}))
	asking := map[string]bool{} // packages that ask for their callers, or use one that does
	for found := []string{"testing.Short()"}; len(found) > 0; {
		text := found[0]
		found = found[1:]
		for dir, src := range source {
			if !asking[dir] && strings.Contains(src, text) {
				asking[dir], found = true, append(found, "/"+dir+`"`)
			}
		}
	}
	run, again := map[string]bool{}, map[string]bool{} // again: on memory too
	for _, dir := range os.Args[1:] {
		g := graph{}
		g.read(filepath.Join(dir, "*_test.go"), "")
		for other := range asking {
			g.read(filepath.Join(other, "*.go"), filepath.Base(other)+".")
		}
		for name := range g.reach(func(d *decl) bool { return d.longer || d.beside }) {
			run[name] = run[name] || g[name].test
		}
		for name := range g.reach(func(d *decl) bool { return d.longer }) {
			again[name] = again[name] || g[name].test
		}
	}
	maps.DeleteFunc(run, func(_ string, test bool) bool { return !test })
	if len(run) == 0 {
		must(errors.New("full.go: no tests found"))
	}
	fmt.Println("-run=" + oneOf(run))
	maps.DeleteFunc(run, func(name string, _ bool) bool { return again[name] })
	fmt.Println(strings.Join(slices.Sorted(maps.Keys(run)), ","))
}

func oneOf(names map[string]bool) string {
	return "^(" + strings.Join(slices.Sorted(maps.Keys(names)), "|") + ")$"
}

var isTest = regexp.MustCompile(`^(Test|Example|Fuzz)([^a-z]|$)`)

// read adds what the files declare: a function as f, a method as .f, and both after the name of its
// package if that is another.
func (g graph) read(pattern, from string) {
	paths, err := filepath.Glob(pattern)
	must(err)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		must(err)
		longer := from == "" && !builtWithRace(file)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					g.add(file, from, "."+d.Name.Name, d.Body, false) // of a type that tests under the race detector cannot name
				} else {
					g.add(file, from, d.Name.Name, d, longer)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.ValueSpec); ok {
						for _, name := range s.Names {
							g.add(file, from, name.Name, s, longer)
						}
					}
				}
			}
		}
	}
}

// builtWithRace reports whether the file is one of a build with the race detector, and would be one
// whatever else is set.
func builtWithRace(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if x, err := constraint.Parse(c.Text); err == nil && c.Pos() < file.Package {
				return !strings.Contains(x.String(), "race")
			}
		}
	}
	return true
}

func (g graph) add(file *ast.File, from, name string, node ast.Node, longer bool) {
	d := g[from+name]
	if d == nil {
		d = &decl{mentions: map[string]bool{}}
		g[from+name] = d
	}
	d.test = from == "" && isTest.MatchString(name) && name != "TestMain"
	short, memory, selected := false, false, map[*ast.Ident]bool{}
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			selected[n.Sel] = true
			d.mentions[from+"."+n.Sel.Name] = true
			if x, ok := n.X.(*ast.Ident); ok {
				d.mentions[x.Name+"."+n.Sel.Name] = true
				short = short || x.Name == "testing" && n.Sel.Name == "Short"
			}
		case *ast.Ident:
			if local := n.Obj != nil && n.Obj != file.Scope.Lookup(n.Name); !local && !selected[n] {
				d.mentions[from+n.Name] = true
			}
		case *ast.BasicLit:
			memory = memory || n.Value == `"memory"`
		}
		return true
	})
	beside := short && memory && !d.test // it gives memory its turn, asks, and gives the others theirs
	d.longer = d.longer || longer || short && !beside
	d.beside = d.beside || beside
}

// reach returns the names that are so, or mention one that is.
func (g graph) reach(is func(*decl) bool) map[string]bool {
	found := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for name, d := range g {
			if found[name] {
				continue
			}
			if is(d) || slices.ContainsFunc(slices.Collect(maps.Keys(d.mentions)), func(m string) bool { return m != name && found[m] }) {
				found[name], grown = true, true
			}
		}
	}
	return found
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
