// Do the packages and their tests build on another system?
//
//	go run .ci/elsewhere.go windows/amd64 PACKAGE...
//
// checks their types there, which is where the compiler finds what is missing on a system. Of what
// they import it reads the declarations alone. go vet would compile and vet all that for the other
// system, and take thirty times as long.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A listed package is what go list says of it.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string // with those of its tests, if it is the variant for them
	ImportMap  map[string]string
	Module     *struct {
		Main      bool
		GoVersion string
	}
}

// own packages are those of this module. Of others the bodies of functions are not checked.
func (p *listed) own() bool { return p.Module != nil && p.Module.Main }

func main() {
	system, arch, _ := strings.Cut(os.Args[1], "/")
	list := exec.Command("go", append([]string{"list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module"}, os.Args[2:]...)...)
	list.Env, list.Stderr = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0"), os.Stderr
	out, err := list.StdoutPipe()
	must(err)
	must(list.Start())
	c := checker{fset: token.NewFileSet(), sizes: types.SizesFor("gc", arch), done: map[string]*types.Package{"unsafe": types.Unsafe}}
	for d := json.NewDecoder(out); ; { // what a package imports is before it
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else {
			must(err)
		}
		if p.ImportPath != "unsafe" && !strings.HasSuffix(p.ImportPath, ".test") {
			c.check(&p)
		}
	}
	must(list.Wait())
	if c.own == 0 {
		must(errors.New("elsewhere.go: no packages found"))
	}
	if c.failed {
		os.Exit(1)
	}
}

type checker struct {
	fset   *token.FileSet
	sizes  types.Sizes
	done   map[string]*types.Package
	own    int
	failed bool
}

func (c *checker) check(p *listed) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		must(err)
		files = append(files, f)
	}
	conf := types.Config{
		IgnoreFuncBodies: !p.own(),
		Sizes:            c.sizes,
		Importer: importer(func(path string) (*types.Package, error) {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			if found := c.done[path]; found != nil {
				return found, nil
			}
			return nil, fmt.Errorf("%s is not there", path)
		}),
		Error: func(err error) {
			if p.own() {
				c.failed = true
				fmt.Fprintln(os.Stderr, err)
			}
		},
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	if p.own() {
		c.own++
	}
	path, _, _ := strings.Cut(p.ImportPath, " ") // a variant for tests is "path [path.test]"
	c.done[p.ImportPath], _ = conf.Check(path, c.fset, files, nil)
}

type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
