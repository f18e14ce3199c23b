package auth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/datixlab/auth"
)

// eventTable is the table in the comment of auth.Event: the values of each type and field, as one
// text.
var eventTable = sync.OnceValue(func() map[auth.EventType]map[string]string {
	source, err := os.ReadFile("events.go")
	if err != nil {
		panic(err)
	}
	types := map[string]auth.EventType{}
	for _, m := range regexp.MustCompile(`(?m)^\t(Event\w+) +EventType = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		types[m[1]] = auth.EventType(m[2])
	}
	table := map[auth.EventType]map[string]string{}
	var row, field string
	for _, m := range regexp.MustCompile(`(?m)^//\t(Event\w+)? +(Action|Reason|Count)? *(.*)$`).FindAllStringSubmatch(string(source), -1) {
		if m[1] != "" {
			row = m[1]
		}
		if m[2] != "" {
			field = m[2]
		}
		if types[row] == "" {
			continue
		}
		if table[types[row]] == nil {
			table[types[row]] = map[string]string{}
		}
		table[types[row]][field] += " " + m[3]
	}
	return table
})

// undocumented returns the fields of e that the table of auth.Event does not have, or not with
// this value.
func undocumented(e auth.Event) (fields []string) {
	row := eventTable()[e.Type]
	has := func(field, word string) bool {
		return slices.Contains(regexp.MustCompile(`\w+`).FindAllString(row[field], -1), word)
	}
	if e.Action != "" && !has("Action", e.Action) && !has("Action", "purpose") {
		fields = append(fields, "Action "+e.Action)
	}
	free := e.Type == auth.EventAccessDenied || e.Type == auth.EventOmitted // the program's own words, and those of other types
	if e.Reason != "" && e.Reason != "unknown" && !free && !has("Reason", e.Reason) {
		fields = append(fields, "Reason "+e.Reason)
	}
	if e.Count != 0 && row["Count"] == "" {
		fields = append(fields, "Count")
	}
	return fields
}

func TestTheTableOfEventsHasEveryBudget(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	// A refusal by one of the first two has the name account. The last one refuses nothing.
	never := []string{"account_daily", "account_region", "forgiven"}
	names := regexp.MustCompile(`budget\{name: "(\w+)"|\{name: "(\w+)", key: "e\."|networkBudgets\(.*"(\w+)"\)`)
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range names.FindAllStringSubmatch(string(source), -1) {
			name := strings.Join(m[1:], "")
			seen++
			if !slices.Contains(never, name) && undocumented(auth.Event{Type: auth.EventRateLimited, Reason: name}) != nil {
				t.Errorf("%s: the table of Event has no budget %q", file, name)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d budgets were found", seen)
	}
}
