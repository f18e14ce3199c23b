package document

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// A variant is a body that differs from one that the service grants in one place.
type variant struct {
	what string
	body any
}

// What the document allows is not refused for its form, and what it forbids is. The
// bodies are made from the schemas: every member at, below and above each of its limits,
// of other types, null and left out. Whether the document allows one is for the validators
// to say.
func TestTheDocumentAllowsABodyIfAndOnlyIfItsFormIsRight(t *testing.T) {
	t.Parallel()
	s := newService(t)
	allowed, forbidden := 0, 0
	for _, id := range s.document.operations() {
		if !s.document.takesBody(id) {
			continue
		}
		schema := s.document.calls[id].Operation.RequestBody.Value.Content.Get("application/json").Schema.Value
		var right []byte
		var r *exchange // prepared; as good as new after a refusal for the form
		for i := range variants(schema, s.prepare(id).body) {
			if r == nil {
				r = s.prepare(id)
				right = r.body
			}
			v := variants(schema, right)[i]
			r.set(v.body)
			fault := s.document.requestFault(r)
			if fault != nil && strings.HasPrefix(fault.Error(), "the validators do not agree") {
				t.Errorf("%s, %s: %s: %v", id, v.what, short(r.body), fault)
				continue
			}
			s.send(s.url, r)
			switch {
			case fault != nil:
				forbidden++
				if r.status < 400 || r.status >= 500 {
					t.Errorf("%s, %s: the document forbids it: %v", id, v.what, r)
				}
			case refusedForItsForm(r):
				t.Errorf("%s, %s: the document allows it: %v", id, v.what, r)
			default:
				allowed++
			}
			if !refusedForItsForm(r) {
				r = nil
			}
		}
		r = s.prepare(id)
		r.body = nil
		r.head.Del("Content-Type")
		s.send(s.url, r)
		if needs := s.document.needsBody(id); needs != refusedForItsForm(r) {
			t.Errorf("%s without a body, which is required: %v: %v", id, needs, r)
		}
	}
	t.Logf("%d bodies that the document allows, %d that it forbids", allowed, forbidden)
	if allowed < 50 || forbidden < 100 {
		t.Errorf("only %d bodies that the document allows and %d that it forbids were sent", allowed, forbidden)
	}
}

// refusedForItsForm reports whether an answer says that the body could not be used,
// whatever the state of the account. A password that is refused as common has the right
// form.
func refusedForItsForm(r *exchange) bool {
	switch r.code() {
	case "invalid_json", "invalid_input", "invalid_request", "unsupported_media_type", "body_too_large":
		return true
	case "weak_password":
		var problem struct{ Errors []struct{ Code string } }
		_ = json.Unmarshal(r.answer, &problem) // which is as the document says
		return !slices.ContainsFunc(problem.Errors, func(e struct{ Code string }) bool { return e.Code == "blocked" })
	}
	return false
}

// variants returns the bodies that are one step away from granted, in a fixed order.
func variants(schema *openapi3.Schema, granted []byte) (list []variant) {
	body := map[string]any{}
	if err := json.Unmarshal(granted, &body); err != nil {
		panic(err)
	}
	add := func(what string, body any) { list = append(list, variant{what, body}) }
	add("as granted", body)
	add("nothing in it", map[string]any{})
	add("a member that nobody knows", with(body, "unknown_member", true))
	for _, other := range []any{nil, true, 1, "text", []any{body}} {
		add(fmt.Sprintf("%T instead of an object", other), other)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		add(name+" left out", without(body, name))
		add(name+" alone", map[string]any{name: body[name]})
		for _, v := range values(schema.Properties[name].Value, body[name]) {
			add(name+" "+v.what, with(body, name, v.body))
		}
	}
	return list
}

func with(body map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(body)
	changed[name] = value
	return changed
}

func without(body map[string]any, name string) map[string]any {
	changed := maps.Clone(body)
	delete(changed, name)
	return changed
}

// values are what a member may and may not be, by its schema, from a value that is right.
func values(schema *openapi3.Schema, right any) (list []variant) {
	add := func(what string, value any) { list = append(list, variant{what, value}) }
	add("null", nil)
	add("true", true)
	add("an object", map[string]any{})
	switch {
	case schema.Type.Includes("string"):
		text, ok := right.(string)
		if !ok {
			panic("what granted has leaves out a member that is a text: " + fmt.Sprint(schema.Pattern, schema.Description))
		}
		add("a number", 1)
		add("a list", []any{right})
		for _, n := range lengths(schema.MinLength, schema.MaxLength) {
			if schema.Format != "email" || n >= len(text) { // a shorter one is none, which is left to the format
				add(fmt.Sprintf("of %d characters", n), stretched(schema, text, n))
			}
		}
		if schema.Pattern != "" {
			for _, n := range []int{1, 5, 6, 7, 8, 9, 20, 31, 32, 33, 63, 64, 65} {
				add(fmt.Sprintf("of %d characters", n), stretched(schema, text, n))
			}
			for _, wrong := range []string{" " + text, text + " ", text + "\n", "\x00" + text, "é" + text, text + "-", "\u00a0"} {
				add(fmt.Sprintf("%q", wrong), wrong)
			}
		}
	case schema.Type.Includes("integer"):
		add("a text", "1")
		add("a fraction", 1.5)
		if schema.Min != nil {
			add("the least", *schema.Min)
			add("the least with a fraction", json.RawMessage(fmt.Sprintf("%v.0", *schema.Min)))
			add("the least with an exponent", json.RawMessage(fmt.Sprintf("%ve0", *schema.Min)))
			add("less than the least", *schema.Min-1)
		}
		if schema.Max != nil {
			add("the most", *schema.Max)
			add("more than the most", *schema.Max+1)
		}
	case schema.Type.Includes("boolean"):
		add("false", false)
		add("a text", "true")
		add("a number", 1)
		add("a list", []any{right})
	case schema.Type.Includes("array"):
		add("a text", "text")
		add("no list of texts", []any{1})
		add("a list with null", []any{nil})
		for _, n := range lengths(schema.MinItems, schema.MaxItems) {
			add(fmt.Sprintf("a list of %d", n), numbered(n))
		}
		add("a list of two that are the same", []any{"same", "same"})
		if schema.Items != nil {
			for _, item := range values(schema.Items.Value, "reports:read") {
				add("a list with "+item.what, []any{item.body})
			}
		}
	default:
		panic(fmt.Sprintf("there is no value to be made of type %v", schema.Type))
	}
	return list
}

// lengths are those at limits and just outside. None and very many are among them: where
// a limit is not documented, they are allowed.
func lengths(least uint64, most *uint64) (list []int) {
	list = []int{0, max(int(least)-1, 0), int(least), int(least) + 1}
	if most == nil {
		list = append(list, 20_000)
	} else {
		list = append(list, int(*most), int(*most)+1)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// stretched returns text at a length of n, of the same form as far as there is room.
func stretched(schema *openapi3.Schema, text string, n int) string {
	if schema.Format == "email" && n > len(text) {
		// Another label, in front of the others, of 63 at most.
		name, domain, _ := strings.Cut(text, "@")
		for missing := n - len(text); missing > 0; missing = n - len(name) - 1 - len(domain) {
			if missing == 1 {
				name += "x"
				continue
			}
			label := min(missing-1, 63)
			domain = strings.Repeat("x", label) + "." + domain
		}
		return name + "@" + domain
	}
	if n <= len(text) {
		return text[:n]
	}
	return text + strings.Repeat(cmp.Or(text[max(0, len(text)-1):], "x"), n-len(text))
}

func numbered(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = fmt.Sprintf("item:%d", i)
	}
	return list
}
