package httpauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// A thing is what the calls of the test's own rows answer with.
type thing struct {
	Call  string `json:"call"`
	Path  string `json:"path"`
	After string `json:"after"`
	Limit int    `json:"limit"`
}

// withTestRoutes returns a Handler with more rows in its table: paths with two variables,
// spelled out next to a variable, behind one; a query; a part that is not configured.
func withTestRoutes(t *testing.T, cfg Config, configured bool) *Handler {
	t.Helper()
	variableDocs["thing_id"] = variableDocs["key_id"]
	variableDocs["part_id"] = variableDocs["key_id"]
	t.Cleanup(func() { delete(variableDocs, "thing_id"); delete(variableDocs, "part_id") })
	row := func(method, path string, f func(*call) (any, error)) route {
		return route{
			method: method, path: path, tag: TagAPIKeys, id: method + path, summary: "A thing", access: anyone,
			call: endpoint{run: f}, status: http.StatusOK, success: "A thing.", answers: []any{thing{}},
		}
	}
	reply := func(name string, variables ...string) func(*call) (any, error) {
		return func(c *call) (any, error) {
			a := thing{Call: name}
			for _, v := range variables {
				a.Path += "/" + v + "=" + c.variable(v)
			}
			return a, nil
		}
	}
	list := row("GET", "/things", nil)
	list.call = withQuery(func(_ *call, p page) (any, error) { return thing{"list", "", p.After, p.Limit}, nil })
	audit := row("GET", "/things/{thing_id}/audit", reply("audit", "thing_id"))
	audit.part = func(*auth.Manager) bool { return configured }
	h, err := newHandler(authtest.New(t).Manager, cfg,
		list, audit,
		row("GET", "/things/{thing_id}", reply("read", "thing_id")),
		row("GET", "/things/export", reply("export")),
		row("POST", "/things/import", reply("import")),
		row("POST", "/things/{thing_id}/disable", reply("disable", "thing_id")),
		row("DELETE", "/things/{thing_id}/parts/{part_id}", reply("remove", "thing_id", "part_id")),
		row("GET", "/me/export", reply("me")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	return rec
}

func TestAPathMayHaveSeveralVariables(t *testing.T) {
	h := withTestRoutes(t, Config{}, true)
	for _, tc := range []struct {
		method, path string
		status       int
		want         string // the call and its variables, or Allow
	}{
		{"GET", "/things/thing_1", 200, "read/thing_id=thing_1"},
		{"GET", "/things/export", 200, "export"},
		{"GET", "/things/exports", 200, "read/thing_id=exports"},
		{"POST", "/things/import", 200, "import"},
		{"GET", "/things/import", 405, "OPTIONS, POST"}, // what is spelled out goes before a variable
		{"POST", "/things/thing_1/disable", 200, "disable/thing_id=thing_1"},
		{"POST", "/things/import/disable", 200, "disable/thing_id=import"},
		{"DELETE", "/things/thing_1/parts/part_2", 200, "remove/thing_id=thing_1/part_id=part_2"},
		{"DELETE", "/things/export/parts/parts", 200, "remove/thing_id=export/part_id=parts"},
		{"GET", "/things/thing_1/parts/part_2", 405, "DELETE, OPTIONS"},
		{"GET", "/things/thing_1/audit", 200, "audit/thing_id=thing_1"},
		{"GET", "/me/export", 200, "me"},
		{"HEAD", "/things/thing_1", 200, ""},
		{"OPTIONS", "/things/thing_1", 204, "GET, HEAD, OPTIONS"},
		{"GET", "/things/thing_1/", 404, ""},
		{"GET", "/things//audit", 404, ""},
		{"GET", "/things/a.b", 404, ""},
		{"GET", "/things/" + strings.Repeat("a", 65), 404, ""},
		{"GET", "/things/thing_1/parts", 404, ""},
		{"DELETE", "/things/thing_1/parts/", 404, ""},
		{"DELETE", "/things/thing_1/parts/part_2/x", 404, ""},
		{"DELETE", "/things//parts/part_2", 404, ""},
		{"GET", "/me/thing_1", 404, ""},
	} {
		rec := ask(h, tc.method, tc.path)
		var got thing
		_ = json.Unmarshal(rec.Body.Bytes(), &got)
		if text := got.Call + got.Path; rec.Code != tc.status || tc.status == 200 && text != tc.want || tc.status != 200 && rec.Header().Get("Allow") != tc.want {
			t.Errorf("%s %s: %d, %q, Allow %q; want %d %s", tc.method, tc.path, rec.Code, text, rec.Header().Get("Allow"), tc.status, tc.want)
		}
	}
}

func TestAQueryIsReadStrictly(t *testing.T) {
	h := withTestRoutes(t, Config{}, true)
	for query, want := range map[string]string{ // after and limit, or what is at fault
		"":                                 " 50",
		"?":                                " 50",
		"?limit=1":                         " 1",
		"?limit=200&after=c_1":             "c_1 200",
		"?after=a%20b%2Bc+d":               "a b+c d 50",
		"?after=":                          " 50",
		"?x=1&x=2&Limit=7&AFTER=c":         " 50", // nothing of it is declared
		"?limit=0":                         "limit:out_of_range",
		"?limit=201":                       "limit:out_of_range",
		"?limit=-1":                        "limit:out_of_range",
		"?limit=99999999999999999999":      "limit:out_of_range",
		"?limit=":                          "limit:wrong_type",
		"?limit":                           "limit:wrong_type",
		"?limit=-":                         "limit:wrong_type",
		"?limit=2%20":                      "limit:wrong_type",
		"?limit=2e1%20":                    "limit:wrong_type", // it was read as 2
		"?limit=%202":                      "limit:wrong_type",
		"?limit=ten":                       "limit:wrong_type",
		"?limit=1.0":                       " 1", // an integer of JSON Schema, as in a body
		"?limit=1e1":                       " 10",
		"?limit=1.5":                       "limit:wrong_type",
		"?limit=01":                        "limit:wrong_type",
		"?limit=%201":                      "limit:wrong_type",
		"?limit=+1":                        "limit:wrong_type", // which says " 1"
		"?limit=%2B1":                      "limit:wrong_type",
		"?limit=1&limit=1":                 "limit:duplicate",
		"?after=a&after=b&limit=x":         "after:duplicate limit:wrong_type",
		"?after=%ff":                       "after:wrong_type",
		"?after=%":                         "invalid_request",
		"?x=%zz":                           "invalid_request",
		"?x=%a":                            "invalid_request",
		"?x=%%41":                          "invalid_request",
		"?x=" + strings.Repeat("x", 1<<12): "invalid_request",
		"?limit=1;after=b":                 "limit:wrong_type",
		"?after=a;b&utm=x;y":               "a;b 50",
	} {
		rec := ask(h, "GET", "/things"+query)
		var got struct {
			thing
			Code   string
			Errors []problemField
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %d", got.After, got.Limit)
		if rec.Code != 200 {
			text = got.Code
		}
		if got.Errors != nil {
			var all []string
			for _, e := range got.Errors {
				all = append(all, e.Field+":"+e.Code)
			}
			text = strings.Join(all, " ")
		}
		if text != want || rec.Code != 200 && rec.Code != 400 {
			t.Errorf("%q: %d, %q, want %q", query, rec.Code, text, want)
		}
	}
	// Where no parameter is declared, a query is ignored, whatever it is.
	for _, target := range []string{"/openapi.json?a;b", "/openapi.json?utm=50%off", "/.well-known/jwks.json?a=%f", "/openapi.json?" + strings.Repeat("x", 1<<13)} {
		if rec := ask(h, "GET", target); rec.Code != 200 {
			t.Errorf("%.40s: %d %s", target, rec.Code, rec.Body)
		}
	}
}

func TestTheDocumentHasTheParametersOfARoute(t *testing.T) {
	h := withTestRoutes(t, Config{}, true)
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name, In    string
				Required    bool
				Description string
				Schema      map[string]any
			}
			Responses map[string]any
		}
	}
	if err := json.Unmarshal(ask(h, "GET", "/openapi.json").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	for operation, want := range map[string]string{
		"get /things": "after query false string map[type:string], limit query false integer map[default:50 maximum:200 minimum:1 type:integer]",
		"delete /things/{thing_id}/parts/{part_id}": "thing_id path true string map[pattern:^[0-9A-Za-z_-]{1,64}$ type:string], part_id path true string map[pattern:^[0-9A-Za-z_-]{1,64}$ type:string]",
	} {
		method, path, _ := strings.Cut(operation, " ")
		var got []string
		for _, p := range document.Paths[path][method].Parameters {
			if p.Description == "" {
				t.Errorf("%s: %s has no description", operation, p.Name)
			}
			got = append(got, fmt.Sprint(p.Name, " ", p.In, " ", p.Required, " ", p.Schema["type"], " ", p.Schema))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: %s\nwant %s", operation, text, want)
		}
	}
	if r := document.Paths["/things"]["get"].Responses["400"]; r == nil {
		t.Error("a query that is refused is not documented")
	}
}

// A route of a part that is not configured is no route, in the document neither, and so
// is one of a group that is left out.
func TestARouteOfAPartThatIsNotConfiguredIsNotThere(t *testing.T) {
	for _, tc := range []struct {
		cfg        Config
		configured bool
		there      bool
	}{
		{Config{}, true, true},
		{Config{}, false, false},
		{Config{Without: []Tag{TagAPIKeys}}, true, false},
		{Config{Without: []Tag{TagLogin, TagRegistration}}, true, true},
	} {
		h := withTestRoutes(t, tc.cfg, tc.configured)
		want := map[bool]int{true: 200, false: 404}[tc.there]
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT"} {
			want := want
			if tc.there {
				want = map[string]int{"OPTIONS": 204, "PUT": 405}[method]
				if want == 0 {
					want = 200
				}
			}
			if rec := ask(h, method, "/things/thing_1/audit"); rec.Code != want {
				t.Errorf("%+v: %s is %d, want %d", tc, method, rec.Code, want)
			}
		}
		if document := ask(h, "GET", "/openapi.json").Body.String(); strings.Contains(document, "/audit") != tc.there {
			t.Errorf("%+v: in the document: %v", tc, !tc.there)
		}
	}
}

// Every row says all that the document and the routing need.
func TestEveryRowOfTheTableIsComplete(t *testing.T) {
	seen, table := map[string]bool{}, (&Handler{manager: authtest.New(t).Manager}).table()
	for _, rt := range table {
		name := rt.method + " " + rt.path
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if words := len(strings.Fields(rt.summary)); words == 0 || words > 4 || strings.HasSuffix(rt.summary, ".") {
			t.Errorf("%s: the summary is %q", name, rt.summary)
		}
		if rt.description == "" || rt.success == "" || rt.status == 0 || rt.call.run == nil || !strings.HasPrefix(rt.path, "/") {
			t.Errorf("%s: %+v", name, rt)
		}
		if rt.public && rt.access != anyone {
			t.Errorf("%s may be cached, and is not for everybody", name)
		}
		if !slices.ContainsFunc(tags, func(one tagInfo) bool { return one.tag == rt.tag }) {
			t.Errorf("%s: tag %q", name, rt.tag)
		}
	}
	for _, one := range tags {
		if !slices.ContainsFunc(table, func(rt route) bool { return rt.tag == one.tag }) {
			t.Errorf("no route has the tag %s", one.tag)
		}
	}
}

// The limits in the tags of bodies are those that the Manager enforces.
func TestTheLimitOfDaysIsTheManagers(t *testing.T) {
	field, _ := reflect.TypeFor[createKeyBody]().FieldByName("ExpiresInDays")
	if tag, days := field.Tag.Get("maximum"), authtest.New(t).Manager.InputLimits().MaxAPIKeyDays; tag != strconv.Itoa(days) {
		t.Errorf("the document says %s days, the Manager %d", tag, days)
	}
}
