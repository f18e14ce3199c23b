// Recipes runs the recipes of docs/clients.md: each function that checks an access token,
// as the page has it, in its own language. Only the address, the algorithm and, in the
// second trial, the leeway are replaced. It fails if a recipe takes a token that it must
// refuse, or if the table of the page says anything else than what happened:
//
//	go run ./recipes [-write]
//
// With -write it writes the table. It needs SCRATCH, an empty directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/datixlab/auth/interop/trial"
)

const page = "../docs/clients.md"

// A recipe is one heading of the page, with its code.
type recipe struct {
	title    string // "Python: PyJWT", which the table repeats
	language string // "py", as the page marks the code
	code     string
}

// A row is what the table says of a recipe.
type row struct {
	title, version string
	takes          map[string]string // by algorithm: "yes", or "no" and why
	behind         string            // with a clock that is 2 s behind, and without leeway
}

func main() {
	write := flag.Bool("write", false, "write the table of the page")
	flag.Parse()
	trial.Main(func(ctx context.Context) error { return run(ctx, *write) })
}

func run(ctx context.Context, write bool) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	recipes, table, err := parse(string(text))
	if err != nil {
		return err
	}
	services, err := startServices(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range services {
			s.close()
		}
	}()
	workshop, err := newWorkshop(ctx, os.Getenv("SCRATCH"), recipes, services)
	if err != nil {
		return err
	}
	var failed error
	for i, r := range recipes {
		if workshop.missing[r.language] {
			continue
		}
		got, err := try(ctx, workshop, r, services)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", r.title, err))
			continue
		}
		fmt.Print(got)
		switch said := table[i]; {
		case write:
			got.keepReasons(said)
			table[i] = got
		case got.differsFrom(said):
			failed = errors.Join(failed, fmt.Errorf("%s: the page says\n%vand this happened:\n%v", r.title, said, got))
		case got.version != said.version:
			fmt.Printf("note: the page has %s %s\n", r.title, said.version)
		}
	}
	if failed != nil || !write {
		return failed
	}
	var lines strings.Builder
	for _, r := range table {
		fmt.Fprint(&lines, r)
	}
	return os.WriteFile(page, []byte(tableOf.ReplaceAllString(string(text), "${1}"+strings.ReplaceAll(lines.String(), "$", "$$"))), 0o644) // #nosec G306 -- a page for everybody
}

// try runs a recipe with every algorithm.
func try(ctx context.Context, w *workshop, r recipe, services []*service) (row, error) {
	result := row{title: r.title, version: w.version(ctx, r), takes: map[string]string{}}
	for i, s := range services {
		verify, err := w.start(ctx, r, i, true)
		if err != nil {
			return row{}, err
		}
		word, err := s.judge(ctx, verify)
		verify.stop()
		if err != nil {
			return row{}, fmt.Errorf("%s: %w", s.algorithm, err)
		}
		result.takes[s.algorithm] = word
		if !strings.HasPrefix(word, "yes") {
			continue
		}
		if verify, err = w.start(ctx, r, i, false); err != nil {
			return row{}, err
		}
		word, err = s.judgeBehind(ctx, verify)
		verify.stop()
		if err != nil {
			return row{}, fmt.Errorf("%s, without leeway: %w", s.algorithm, err)
		}
		if result.behind != "" && verdict(result.behind) != verdict(word) {
			return row{}, fmt.Errorf("without leeway one algorithm has %q and another %q", result.behind, word)
		}
		result.behind = word
	}
	return result, nil
}

var (
	tableOf = regexp.MustCompile(`(?s)(\n\| recipe \|[^\n]*\n\|[-|]+\|\n)((?:\|[^\n]*\n)+)`)
	block   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
)

// parse returns the recipes of the page, and the rows of its table in the same order.
func parse(page string) (recipes []recipe, table []row, err error) {
	found := tableOf.FindStringSubmatch(page)
	if found == nil {
		return nil, nil, errors.New("the page has no table of recipes")
	}
	rows := map[string]row{}
	for line := range strings.Lines(found[2]) {
		cells := strings.Split(strings.Trim(line, "|\n "), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 3+len(algorithms) {
			return nil, nil, fmt.Errorf("a row of the table of recipes has %d cells: %s", len(cells), line)
		}
		r := row{title: cells[0], version: cells[1], takes: map[string]string{}, behind: cells[len(cells)-1]}
		for i, algorithm := range algorithms {
			r.takes[algorithm] = cells[2+i]
		}
		rows[r.title] = r
	}
	_, after, _ := strings.Cut(page, "\n## Recipes\n")
	for section := range strings.SplitSeq("\n"+after, "\n### ") {
		title, text, _ := strings.Cut(section, "\n")
		code := block.FindStringSubmatch(text)
		if code == nil {
			continue
		}
		r := recipe{title: title, language: code[1], code: code[2]}
		said, ok := rows[r.title]
		if !ok {
			return nil, nil, fmt.Errorf("the table has no row %q", r.title)
		}
		delete(rows, r.title)
		recipes, table = append(recipes, r), append(table, said)
	}
	for title := range rows {
		return nil, nil, fmt.Errorf("the table has %q, and there is no such recipe", title)
	}
	return recipes, table, nil
}

func verdict(cell string) string {
	word, _, _ := strings.Cut(cell, ":")
	return word
}

func (r row) differsFrom(said row) bool {
	return verdict(r.behind) != verdict(said.behind) || slices.ContainsFunc(algorithms, func(a string) bool {
		return verdict(r.takes[a]) != verdict(said.takes[a])
	})
}

// keepReasons takes the words of the page where they say the same.
func (r *row) keepReasons(said row) {
	for _, a := range algorithms {
		if verdict(r.takes[a]) == verdict(said.takes[a]) {
			r.takes[a] = said.takes[a]
		}
	}
	if verdict(r.behind) == verdict(said.behind) {
		r.behind = said.behind
	}
}

// String returns the row as the page has it.
func (r row) String() string {
	line := "| " + r.title + " | " + r.version + " | "
	for _, a := range algorithms {
		line += r.takes[a] + " | "
	}
	return line + r.behind + " |\n"
}
