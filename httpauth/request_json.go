package httpauth

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/strictjson"
)

func malformed(detail string) error { return &refusal{code: CodeInvalidJSON, detail: detail} }

// decode reads data, one strict JSON object, into the struct that v points to.
// Its fields are required if they are strings and ints. They are optional if they are pointers
// to strings, ints, bools or lists of strings. For an optional member null means absent. If members
// are wrong, the error is an [*auth.InputError] that names all of them; the others are read all
// the same. If the text is wrong, it is a refusal.
//
// encoding/json alone would accept "EMAIL" as "email", use the last of two passwords and
// replace invalid Unicode by U+FFFD. Then a proxy, a log and this program could each read
// another request. Members that v does not have are ignored, unless they differ from one of
// v's in case only.
func decode(data []byte, v any) error {
	if err := strictjson.Check(data); err != nil {
		return malformed("The body " + err.Error() + ".")
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

// A checked body has texts of which the Manager says what is wrong, before it does anything.
type checked interface {
	// check returns the [*auth.InputError] with which the Manager would refuse the body of c.
	check(c *call) error
}

// withFaultsOf adds to err, of decode, what the Manager finds wrong with the members that could
// be read. So a form is told everything at once.
func withFaultsOf(in any, c *call, err error) error {
	var unread, refused *auth.InputError
	body, ok := in.(checked)
	if !ok || !errors.As(err, &unread) || !errors.As(body.check(c), &refused) {
		return err
	}
	merged := &auth.InputError{Err: auth.ErrInvalidInput, Fields: unread.Fields}
	for i, f := range refused.Fields {
		if slices.ContainsFunc(unread.Fields, func(u auth.FieldError) bool { return u.Field == f.Field }) {
			continue // it was not read
		}
		merged.Fields = append(merged.Fields, f)
		if i == 0 { // where the Manager names a refused password
			merged.Err = refused.Err
		}
	}
	return merged
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
		return setInteger(field, tag, "member", string(raw))
	}
	if field.Kind() == reflect.Slice {
		return setList(field, raw)
	}
	if field.Kind() == reflect.Bool {
		if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
			return &auth.FieldError{Code: "wrong_type", Detail: "This member must be true or false."}
		}
		return nil
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
// is "member" or "parameter", for the text of the error. As in JSON Schema, 30.0 and 3e1 are
// integers (draft 2020-12, section 4.2.3 of the core).
func setInteger(field reflect.Value, tag reflect.StructTag, what, raw string) *auth.FieldError {
	digits, ok := integer(raw)
	if !ok {
		return &auth.FieldError{Code: "wrong_type", Detail: "This " + what + " must be an integer."}
	}
	low, high := tag.Get("minimum"), tag.Get("maximum")
	least, _ := strconv.Atoi(low)
	most, _ := strconv.Atoi(high)
	n, err := strconv.Atoi(digits)
	if err != nil || n < least || n > most {
		return &auth.FieldError{Code: "out_of_range", Detail: "This " + what + " must be from " + low + " to " + high + "."}
	}
	field.SetInt(int64(n))
	return nil
}

// maxDigits is more than any integer in range has.
const maxDigits = 20

// integer returns the digits of raw, a number of JSON (RFC 8259 section 6), and false if it is
// no integer. It reads the decimal text, since a float would round. Beyond maxDigits only the
// size of the result is right.
func integer(raw string) (digits string, ok bool) {
	if !json.Valid([]byte(raw)) || raw[0] != '-' && !isDigit(raw[0]) || !isDigit(raw[len(raw)-1]) { // another value, or white space
		return "", false
	}
	unsigned := strings.TrimPrefix(raw, "-")
	sign := raw[:len(raw)-len(unsigned)]
	mantissa, exponent, _ := strings.Cut(strings.ToLower(unsigned), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := strings.TrimRight(whole+fraction, "0")
	significant := strings.TrimLeft(all, "0")
	if significant == "" {
		return "0", true
	}
	shift := len(whole) - len(all) // significant times ten to the shift is the number
	if exponent != "" {
		e, _ := strconv.Atoi(exponent) // the nearest int, if it is out of range
		far := maxDigits + len(raw)
		shift += max(-far, min(e, far))
	}
	if shift < 0 {
		return "", false
	}
	return sign + significant + strings.Repeat("0", min(shift, maxDigits)), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
