// Package document holds the OpenAPI document that httpauth serves against live
// requests and answers. Two validators judge them, and neither is ours: kin-openapi and
// libopenapi-validator. It has tests only.
package document

import (
	"bytes"
	"context"
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
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	verrors "github.com/pb33f/libopenapi-validator/errors"
)

// A description is the served document, read by both validators.
type description struct {
	spec   *openapi3.T
	model  libopenapi.Document
	plain  validator.Validator
	strict validator.Validator // which takes a member that is not in the document for an error
	calls  map[string]*routers.Route
}

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
	model, err := libopenapi.NewDocument(served)
	if err != nil {
		t.Fatalf("libopenapi does not read the document: %v", err)
	}
	plain, errs := validator.NewValidator(model)
	if errs != nil {
		t.Fatalf("libopenapi-validator does not read the document: %v", errs)
	}
	strict, errs := validator.NewValidator(model, config.WithStrictMode(), config.WithStrictIgnorePaths("$.headers.*"))
	if errs != nil {
		t.Fatalf("libopenapi-validator does not read the document: %v", errs)
	}
	d := &description{spec: spec, model: model, plain: plain, strict: strict, calls: map[string]*routers.Route{}}
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
	input := d.input(r)
	kin := openapi3filter.ValidateRequest(context.Background(), input)
	_, faults := d.plain.ValidateHttpRequestSync(r.request())
	pb33f := joined(faults)
	if (kin == nil) != (pb33f == nil) {
		return fmt.Errorf("the validators do not agree: kin-openapi says %v, libopenapi-validator says %v", kin, pb33f)
	}
	return pb33f
}

// answerFault is what in an answer is not as the document says, or nil.
func (d *description) answerFault(r *exchange) error {
	judge := d.strict
	if r.id == "getOpenAPI" { // an object whose members this document leaves to OpenAPI's own
		judge = d.plain
	}
	_, faults := judge.ValidateHttpResponse(r.request(), r.response())
	input := d.input(r)
	return errors.Join(joined(faults), openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 r.status,
		Header:                 r.header,
		Body:                   io.NopCloser(bytes.NewReader(r.answer)),
		Options:                input.Options,
	}))
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

func joined(faults []*verrors.ValidationError) error {
	var all []error
	for _, fault := range faults {
		all = append(all, fault)
		for _, schema := range fault.SchemaValidationErrors {
			all = append(all, fmt.Errorf("%s: %s", schema.KeywordLocation, schema.Reason))
		}
	}
	return errors.Join(all...)
}

func TestTheDocumentIsValid(t *testing.T) {
	s := newService(t)
	if err := s.document.spec.Validate(t.Context(), openapi3.IsOpenAPI31OrLater(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("kin-openapi: %v", err)
	}
	if _, faults := s.document.plain.ValidateDocument(); len(faults) > 0 {
		t.Errorf("libopenapi-validator: %v", joined(faults))
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
