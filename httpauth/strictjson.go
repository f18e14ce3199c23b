package httpauth

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/datixlab/auth"
)

const maxDepth = 32

// What is wrong with a text, as clients are told.
var (
	errNotUTF8   = malformed("The body is not valid UTF-8.")
	errSyntax    = malformed("The body is not valid JSON.")
	errNotObject = malformed("The body is not a JSON object.")
	errSurrogate = malformed("A string has half of a surrogate pair.")
	errDepth     = malformed("The body is nested too deeply.")
	errDuplicate = malformed("An object has a member twice.")
)

func malformed(detail string) error { return &refusal{code: CodeInvalidJSON, detail: detail} }

// decode reads data, one strict JSON object, into the struct that v points to.
// Its fields are strings and ints, required, or pointers to such, optional; for
// these null means absent. What is wrong with members is an [*auth.InputError]
// that names all of them; what is wrong with the text is a refusal.
//
// encoding/json alone would take "EMAIL" for "email", the last of two passwords,
// and U+FFFD for what is not Unicode: a proxy, a log and this program could each
// see another request. Members that v does not have are ignored, unless they
// differ from one of v's in case only.
func decode(data []byte, v any) error {
	if err := strictJSON(data); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return errSyntax
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
	if raw == nil || string(raw) == "null" {
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
		return setInteger(field, tag, string(raw))
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return &auth.FieldError{Code: "wrong_type", Detail: "This member must be a string."}
	}
	field.SetString(text)
	return nil
}

func setInteger(field reflect.Value, tag reflect.StructTag, raw string) *auth.FieldError {
	if digits := strings.TrimPrefix(raw, "-"); strings.Trim(digits, "0123456789") != "" {
		return &auth.FieldError{Code: "wrong_type", Detail: "This member must be an integer, written without fraction or exponent."}
	}
	low, high := tag.Get("minimum"), tag.Get("maximum")
	least, _ := strconv.Atoi(low)
	most, _ := strconv.Atoi(high)
	n, err := strconv.Atoi(raw)
	if err != nil || n < least || n > most {
		return &auth.FieldError{Code: "out_of_range", Detail: "This member must be from " + low + " to " + high + "."}
	}
	field.SetInt(int64(n))
	return nil
}

// strictJSON returns nil if data is one JSON object with nothing behind it, all of
// it in UTF-8 (RFC 8259) and within I-JSON (RFC 7493 sections 2.1 and 2.3): every
// string is Unicode, no object names a member twice. Objects and arrays nest at
// most maxDepth deep.
func strictJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	if !json.Valid(data) {
		return errSyntax
	}
	if loneSurrogate(data) {
		return errSurrogate
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a number too big for a float is no error of the text
	first, err := d.Token()
	if err != nil {
		return errSyntax
	}
	if first != json.Delim('{') {
		return errNotObject
	}
	return walk(d, json.Delim('{'), 1)
}

// walk reads d to the end of the object or array that it has just entered.
func walk(d *json.Decoder, kind json.Delim, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	var seen []string
	for d.More() {
		if kind == '{' {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				return errSyntax
			}
			seen = append(seen, name)
		}
		t, err := d.Token()
		if err != nil {
			return errSyntax
		}
		if inner, ok := t.(json.Delim); ok {
			if err := walk(d, inner, depth+1); err != nil {
				return err
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return errSyntax
	}
	slices.Sort(seen)
	if len(slices.Compact(seen)) != len(seen) {
		return errDuplicate
	}
	return nil
}

// loneSurrogate reports whether data, which is valid JSON, has a \u escape of one
// half of a surrogate pair without the other.
func loneSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++ // at the escaped character
		if data[i] != 'u' {
			continue
		}
		unit := hex4(data[i+1:])
		i += 4
		switch {
		case unit < 0xd800 || unit > 0xdfff:
		case unit > 0xdbff || len(data) < i+7 || data[i+1] != '\\' || data[i+2] != 'u':
			return true
		default:
			if low := hex4(data[i+3:]); low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 6
		}
	}
	return false
}

func hex4(digits []byte) uint64 {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return n
}
