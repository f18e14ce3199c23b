package httpauth

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/strictjson"
)

// strictJSON returns nil if data is one object that all JSON parsers read in the same way
// ([strictjson.Check]).
func strictJSON(data []byte) error {
	if err := strictjson.Check(data); err != nil {
		return malformed("The body " + err.Error() + ".")
	}
	return nil
}

func malformed(detail string) error { return &refusal{code: CodeInvalidJSON, detail: detail} }

// decode reads data, one strict JSON object, into the struct that v points to.
// Its fields are required if they are strings and ints. They are optional if they are pointers
// to strings, ints or lists of strings. For an optional member null means absent; for a list
// it means the empty list. If members are wrong, the error is an [*auth.InputError] that names
// all of them. If the text is wrong, it is a refusal.
//
// encoding/json alone would accept "EMAIL" as "email", use the last of two passwords and
// replace invalid Unicode by U+FFFD. Then a proxy, a log and this program could each read
// another request. Members that v does not have are ignored, unless they differ from one of
// v's in case only.
func decode(data []byte, v any) error {
	if err := strictJSON(data); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return malformed("The body is not one JSON object.")
	}
	var wrong []auth.FieldError
	target := reflect.ValueOf(v).Elem()
	for i := range target.NumField() {
		field := target.Type().Field(i)
		name := field.Tag.Get("json")
		if miscased(members, name) {
			wrong = append(wrong, auth.FieldError{Field: name, Code: "wrong_case", Detail: "The name of this member is written in another case."})
			continue
		}
		if problem := setField(target.Field(i), field.Tag, members[name]); problem != nil {
			problem.Field = name
			wrong = append(wrong, *problem)
		}
	}
	if wrong != nil {
		return &auth.InputError{Err: auth.ErrInvalidInput, Fields: wrong}
	}
	return nil
}

func miscased(members map[string]json.RawMessage, name string) bool {
	for key := range members {
		if key != name && strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

func setField(field reflect.Value, tag reflect.StructTag, raw json.RawMessage) *auth.FieldError {
	optional := field.Kind() == reflect.Pointer
	if raw == nil || string(raw) == "null" && !optionalList(field.Type()) {
		if optional {
			return nil
		}
		return &auth.FieldError{Code: "required", Detail: "This member is required."}
	}
	if optional {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	if field.Kind() == reflect.Int {
		return setInteger(field, tag, "member", string(raw))
	}
	if field.Kind() == reflect.Slice {
		return setList(field, raw)
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return &auth.FieldError{Code: "wrong_type", Detail: "This member must be a string."}
	}
	field.SetString(text)
	return nil
}

func setList(field reflect.Value, raw json.RawMessage) *auth.FieldError {
	var texts []*string
	if err := json.Unmarshal(raw, &texts); err != nil || slices.Contains(texts, nil) {
		return &auth.FieldError{Code: "wrong_type", Detail: "This member must be a list of strings."}
	}
	for _, text := range texts {
		field.Set(reflect.Append(field, reflect.ValueOf(*text)))
	}
	return nil
}

// setInteger sets field to the integer in raw, which must be within the range of the tag. What
// is "member" or "parameter", for the text of the error.
func setInteger(field reflect.Value, tag reflect.StructTag, what, raw string) *auth.FieldError {
	if digits := strings.TrimPrefix(raw, "-"); digits == "" || strings.Trim(digits, "0123456789") != "" {
		return &auth.FieldError{Code: "wrong_type", Detail: "This " + what + " must be an integer, written without fraction or exponent."}
	}
	low, high := tag.Get("minimum"), tag.Get("maximum")
	least, _ := strconv.Atoi(low)
	most, _ := strconv.Atoi(high)
	n, err := strconv.Atoi(raw)
	if err != nil || n < least || n > most {
		return &auth.FieldError{Code: "out_of_range", Detail: "This " + what + " must be from " + low + " to " + high + "."}
	}
	field.SetInt(int64(n))
	return nil
}

// optionalList reports whether t is a list that a body may leave out.
func optionalList(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Slice
}
