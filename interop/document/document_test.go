// Package document holds the OpenAPI document that httpauth serves against live
// requests and answers. The validators that judge them are not ours: kin-openapi and, with the
// tag libopenapi, libopenapi-validator. It has tests only.
package document

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// A description is the served document, as the validators have read it.
type description struct {
	spec  *openapi3.T
	other otherValidator // or nil
	calls map[string]*routers.Route
}

// An otherValidator judges what kin-openapi judges.
type otherValidator interface {
	documentFault() error
	requestFault(r *http.Request) error
	answerFault(r *http.Request, a *http.Response, strict bool) error // strict: a member that is not in the document is one
}

// newOther makes the other validator. It is nil without the tag libopenapi: that library takes as
// long to compile as a third of all the rest.
var newOther func(served []byte) (otherValidator, error)

// described has the descriptions that have been made, by their text: reading one takes
// longer than a hundred calls.
var described = struct {
	sync.Mutex
	of map[string]*description
}{of: map[string]*description{}}

func describe(t *testing.T, served []byte) *description {
	t.Helper()
	described.Lock()
	defer described.Unlock()
	if d := described.of[string(served)]; d != nil {
		return d
	}
	spec, err := openapi3.NewLoader().LoadFromData(served)
	if err != nil {
		t.Fatalf("kin-openapi does not read the document: %v", err)
	}
	d := &description{spec: spec, calls: map[string]*routers.Route{}}
	if newOther != nil {
		if d.other, err = newOther(served); err != nil {
			t.Fatalf("libopenapi does not read the document: %v", err)
		}
	}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			d.calls[op.OperationID] = &routers.Route{
				Spec: spec, Server: spec.Servers[0], Path: path, PathItem: item, Method: method, Operation: op,
			}
		}
	}
	described.of[string(served)] = d
	return d
}

// operations returns the operationIds of the document, in order.
func (d *description) operations() []string { return slices.Sorted(maps.Keys(d.calls)) }

// refusals returns the codes that an operation is documented to answer with, by status.
func (d *description) refusals(id string) map[int][]string {
	all := map[int][]string{}
	for status, response := range d.calls[id].Operation.Responses.Map() {
		n, _ := strconv.Atoi(status)
		media := response.Value.Content.Get("application/problem+json")
		if n < 400 || media == nil {
			continue
		}
		for _, example := range media.Examples {
			problem, _ := example.Value.Value.(map[string]any)
			all[n] = append(all[n], fmt.Sprint(problem["code"]))
		}
		slices.Sort(all[n])
	}
	return all
}

// requestFault is why the document does not allow a request, or nil. The validators must
// agree.
func (d *description) requestFault(r *exchange) error {
	fault := openapi3filter.ValidateRequest(context.Background(), d.input(r))
	if d.other != nil {
		if other := d.other.requestFault(r.request()); (fault == nil) != (other == nil) {
			return fmt.Errorf("the validators do not agree: kin-openapi says %v, libopenapi-validator says %v", fault, other)
		}
	}
	return fault
}

// answerFault is what in an answer is not as the document says, or nil.
func (d *description) answerFault(r *exchange) error {
	strict := r.id != "getOpenAPI" // an object whose members this document leaves to OpenAPI's own
	input := d.input(r)
	faults := []error{openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 r.status,
		Header:                 r.header,
		Body:                   io.NopCloser(bytes.NewReader(r.answer)),
		Options:                input.Options,
	})}
	if strict {
		faults = append(faults, d.unknownMembers(r))
	}
	if d.other != nil {
		faults = append(faults, d.other.answerFault(r.request(), r.response(), strict))
	}
	return errors.Join(faults...)
}

// unknownMembers returns an error for each member of an answer that the document does not have.
func (d *description) unknownMembers(r *exchange) error {
	response := d.calls[r.id].Operation.Responses.Status(r.status)
	if response == nil {
		response = d.calls[r.id].Operation.Responses.Default()
	}
	mediaType, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	var body any
	if response == nil || !strings.HasSuffix(mediaType, "json") || json.Unmarshal(r.answer, &body) != nil {
		return nil //nolint:nilerr // kin-openapi says what is wrong
	}
	media := response.Value.Content.Get(mediaType)
	if media == nil {
		return nil
	}
	return errors.Join(unknown(body, "", media.Schema)...)
}

// unknown returns an error for each member of a value that none of the schemas has, which describe
// it together.
func unknown(value any, at string, schemas ...*openapi3.SchemaRef) (faults []error) {
	var all []*openapi3.Schema // with those that they are made of
	for rest := schemas; len(rest) > 0; rest = rest[1:] {
		if rest[0] != nil {
			s := rest[0].Value
			all = append(all, s)
			rest = slices.Concat(rest, s.AllOf, s.OneOf, s.AnyOf)
		}
	}
	switch value := value.(type) {
	case []any:
		var items []*openapi3.SchemaRef
		for _, s := range all {
			items = append(items, s.Items)
		}
		for i, item := range value {
			faults = append(faults, unknown(item, fmt.Sprintf("%s/%d", at, i), items...)...)
		}
	case map[string]any:
		for name, member := range value {
			var of []*openapi3.SchemaRef
			known := false
			for _, s := range all {
				if p := s.Properties[name]; p != nil {
					of, known = append(of, p), true
				}
				if p := s.AdditionalProperties.Schema; p != nil {
					of, known = append(of, p), true
				}
			}
			if !known {
				faults = append(faults, fmt.Errorf("%s/%s is not in the document", at, name))
				continue
			}
			faults = append(faults, unknown(member, at+"/"+name, of...)...)
		}
	}
	return faults
}

func (d *description) input(r *exchange) *openapi3filter.RequestValidationInput {
	return &openapi3filter.RequestValidationInput{
		Request:    r.request(),
		PathParams: r.params,
		Route:      d.calls[r.id],
		Options: &openapi3filter.Options{
			IncludeResponseStatus:             true,
			RejectWhenRequestBodyNotSpecified: true,
			AuthenticationFunc:                openapi3filter.NoopAuthenticationFunc,
			MultiError:                        true,
		},
	}
}

func TestTheDocumentIsValid(t *testing.T) {
	s := newService(t)
	if err := s.document.spec.Validate(t.Context(), openapi3.IsOpenAPI31OrLater(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("kin-openapi: %v", err)
	}
	if s.document.other != nil {
		if err := s.document.other.documentFault(); err != nil {
			t.Errorf("libopenapi-validator: %v", err)
		}
	}
}

func TestAMemberThatIsNotInTheDocumentIsAFault(t *testing.T) {
	d := newService(t).document
	media := d.calls["listSessions"].Operation.Responses.Status(http.StatusOK).Value.Content.Get("application/json")
	var list map[string]any
	if err := json.Unmarshal([]byte(`{"sessions": [{"id": "x", "stray": 1}, {"id": "x"}], "stray": {}}`), &list); err != nil {
		t.Fatal(err)
	}
	faults := errors.Join(unknown(list, "", media.Schema)...)
	for _, at := range []string{"/stray ", "/sessions/0/stray "} {
		if !strings.Contains(fmt.Sprint(faults), at) {
			t.Errorf("%s was not found: %v", at, faults)
		}
	}
}

// A client that has nothing but the document gets from it to where the handler is
// mounted.
func TestTheServerOfTheDocumentIsWhereTheHandlerIsMounted(t *testing.T) {
	s := newService(t)
	for _, prefix := range []string{"", "/v1/auth", "/an/other/place"} {
		site := s.mounted(prefix)
		status, served := get(t, site+prefix+"/openapi.json")
		if status != http.StatusOK {
			t.Fatalf("%q: the document is answered with %d", prefix, status)
		}
		document, err := openapi3.NewLoader().LoadFromData(served)
		if err != nil {
			t.Fatal(err)
		}
		if len(document.Servers) != 1 {
			t.Fatalf("%q: %d servers", prefix, len(document.Servers))
		}
		server := document.Servers[0].URL
		if path, _, _ := strings.Cut(server, "?"); !strings.HasPrefix(path, "/") && !strings.Contains(path, "://") {
			t.Errorf("%q: the server is %q, which many tools resolve against a page of their own", prefix, server)
		}
		base, err := url.Parse(site + prefix + "/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		where, err := base.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		call := strings.TrimSuffix(where.String(), "/") + "/me"
		if status, body := get(t, call); status != http.StatusUnauthorized {
			t.Errorf("%q: GET %s is answered with %d %s", prefix, call, status, body)
		}
	}
}

func get(t *testing.T, address string) (status int, body []byte) {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}
