package httpauth

import (
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/datixlab/auth"
)

// A page has the parameters by which a request chooses a part of a list.
type page struct {
	After string `query:"after" doc:"Where the page begins: the next of the page before it. Without it the list begins."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items the page has at most."`
}

// withQuery returns the endpoint of a function that takes parameters of the query. They are the
// fields of Query, which are strings, ints and bools. None is required.
func withQuery[Query any](f func(*call, Query) (any, error)) endpoint {
	return endpoint{query: reflect.TypeFor[Query](), run: func(c *call) (any, error) {
		var q Query
		values, err := parseQuery(c.query)
		if err != nil {
			return nil, err
		}
		if err := decodeQuery(values, &q); err != nil {
			return nil, err
		}
		return f(c, q)
	}}
}

// maxQuery is how many bytes a query has at most where parameters are read.
const maxQuery = 4 << 10

// parseQuery returns the parameters of a query. Only routes that have parameters call it, so
// nothing that others are sent in a query is refused or costs anything.
func parseQuery(raw string) (url.Values, error) {
	if len(raw) > maxQuery {
		return nil, &refusal{code: CodeInvalidRequest, detail: "The query is too long."}
	}
	values, err := url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B")) // a character like any other (RFC 3986, 3.4)
	if err != nil {
		return nil, &refusal{code: CodeInvalidRequest, detail: "The query is not well-formed."}
	}
	return values, nil
}

// decodeQuery reads values into the struct that v points to. A field whose parameter is not
// given gets the default of its tag. The error is an [*auth.InputError] that names all
// parameters that are given twice, no text, no integer, neither true nor false, or out of range.
// Parameters that v does not have are ignored, as unknown members of a body are.
func decodeQuery(values url.Values, v any) error {
	var wrong []auth.FieldError
	target := reflect.ValueOf(v).Elem()
	for i := range target.NumField() {
		field := target.Type().Field(i)
		name := field.Tag.Get("query")
		if problem := setParameter(target.Field(i), field.Tag, values[name]); problem != nil {
			problem.Field = name
			wrong = append(wrong, *problem)
		}
	}
	if wrong != nil {
		return &auth.InputError{Err: auth.ErrInvalidInput, Fields: wrong}
	}
	return nil
}

func setParameter(field reflect.Value, tag reflect.StructTag, given []string) *auth.FieldError {
	text := tag.Get("default")
	switch {
	case len(given) > 1:
		return &auth.FieldError{Code: "duplicate", Detail: "This parameter is given more than once."}
	case len(given) == 1:
		text = given[0]
	}
	switch {
	case field.Kind() == reflect.Bool:
		if given != nil && text != "true" && text != "false" { // "" too: it does not say what was meant
			return &auth.FieldError{Code: "wrong_type", Detail: "This parameter must be true or false."}
		}
		field.SetBool(text == "true")
		return nil
	case field.Kind() == reflect.Int:
		return setInteger(field, tag, "parameter", text)
	case !utf8.ValidString(text):
		return &auth.FieldError{Code: "wrong_type", Detail: "This parameter must be text in UTF-8."}
	}
	field.SetString(text)
	return nil
}
