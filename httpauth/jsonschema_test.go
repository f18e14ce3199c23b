package httpauth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A validator holds values against the part of JSON Schema that the document uses.
// A keyword it does not know is an error, and so is a member of a value that an
// object's schema does not name: answers have an exact set of members. Of an allOf the
// first schema names them.
type validator struct{ document map[string]any }

func (v validator) check(schema map[string]any, value any) error {
	return v.checkAt(schema, value, "$")
}

func (v validator) checkAt(schema map[string]any, value any, at string) error {
	for keyword, arg := range schema {
		if err := v.keyword(schema, keyword, arg, value, at); err != nil {
			return err
		}
	}
	return nil
}

func (v validator) keyword(schema map[string]any, keyword string, arg, value any, at string) error {
	switch keyword {
	case "description", "default":
	case "properties":
		return v.members(schema, value, at)
	case "$ref":
		if len(schema) != 1 {
			return fmt.Errorf("%s: a $ref has siblings: %v", at, schema)
		}
		found := v.resolve(schema)
		if found == nil {
			return fmt.Errorf("%s: no schema at %v", at, arg)
		}
		return v.checkAt(found, value, at)
	case "allOf":
		for i, part := range arg.([]any) {
			part := part.(map[string]any)
			if i > 0 {
				part = maps.Clone(part)
				delete(part, "type")
			}
			if err := v.checkAt(part, value, at); err != nil {
				return err
			}
		}
	case "not":
		not := maps.Clone(arg.(map[string]any))
		if v.checkAt(not, value, at) == nil {
			return fmt.Errorf("%s: is %v", at, arg)
		}
	case "minProperties":
		if object, ok := value.(map[string]any); ok && float64(len(object)) < arg.(float64) {
			return fmt.Errorf("%s: has %d members", at, len(object))
		}
	case "minLength", "maxLength":
		if s, ok := value.(string); ok {
			return within(at, keyword, utf8.RuneCountInString(s), arg)
		}
	case "minItems", "maxItems":
		if list, ok := value.([]any); ok {
			return within(at, keyword, len(list), arg)
		}
	case "uniqueItems":
		list, _ := value.([]any)
		for i, item := range list {
			if slices.ContainsFunc(list[:i], func(other any) bool { return reflect.DeepEqual(item, other) }) {
				return fmt.Errorf("%s: %v is there twice", at, item)
			}
		}
	case "type":
		if !isType(arg, value) {
			return fmt.Errorf("%s: %T is not %v", at, value, arg)
		}
	case "required":
		for _, name := range arg.([]any) {
			if object, ok := value.(map[string]any); ok && !has(object, name.(string)) {
				return fmt.Errorf("%s: no member %v", at, name)
			}
		}
	case "items":
		if list, ok := value.([]any); ok {
			for i, item := range list {
				if err := v.checkAt(arg.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
					return err
				}
			}
		}
	case "enum":
		if !slices.ContainsFunc(arg.([]any), func(x any) bool { return reflect.DeepEqual(x, value) }) {
			return fmt.Errorf("%s: %v is not one of %v", at, value, arg)
		}
	case "oneOf":
		var errs []error
		for _, choice := range arg.([]any) {
			if err := v.checkAt(choice.(map[string]any), value, at); err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) != len(arg.([]any))-1 {
			return fmt.Errorf("%s: not exactly one choice fits: %v", at, errs)
		}
	case "pattern":
		if s, ok := value.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(s) {
			return fmt.Errorf("%s: does not match %v", at, arg)
		}
	case "minimum", "maximum":
		if n, ok := value.(float64); ok && (keyword == "minimum" && n < arg.(float64) || keyword == "maximum" && n > arg.(float64)) {
			return fmt.Errorf("%s: %v breaks %s %v", at, n, keyword, arg)
		}
	case "format":
		return checkFormat(arg.(string), value, at)
	default:
		return fmt.Errorf("%s: keyword %q is not known", at, keyword)
	}
	return nil
}

// within holds a length against minSomething or maxSomething.
func within(at, keyword string, n int, limit any) error {
	if low := strings.HasPrefix(keyword, "min"); low && float64(n) < limit.(float64) || !low && float64(n) > limit.(float64) {
		return fmt.Errorf("%s: %d breaks %s %v", at, n, keyword, limit)
	}
	return nil
}

// resolve follows the $ref that a schema or a response is, if it is one.
func (v validator) resolve(object map[string]any) map[string]any {
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	return dig(v.document, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

func (v validator) members(schema map[string]any, value any, at string) error {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	known := schema["properties"].(map[string]any)
	for name, member := range object {
		inner, ok := known[name].(map[string]any)
		if !ok && schema["type"] == "object" {
			return fmt.Errorf("%s: member %q is not documented", at, name)
		}
		if err := v.checkAt(inner, member, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func isType(want, value any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return isType(one, value) })
	}
	switch x := value.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && x == math.Trunc(x)
	case []any:
		return want == "array"
	default:
		return want == "object"
	}
}

func checkFormat(format string, value any, at string) error {
	s, ok := value.(string)
	switch {
	case !ok:
		return nil
	case format == "date-time":
		if _, err := time.Parse(time.RFC3339, s); err != nil || !strings.HasSuffix(s, "Z") {
			return fmt.Errorf("%s: %q is not a time in UTC", at, s)
		}
	case format == "uri":
		if !strings.HasPrefix(s, "https://") {
			return fmt.Errorf("%s: %q is not an absolute address", at, s)
		}
	case format == "email":
		if !strings.Contains(s, "@") {
			return fmt.Errorf("%s: not an address", at)
		}
	case format == "password":
	default:
		return fmt.Errorf("%s: format %q is not known", at, format)
	}
	return nil
}

func has(object map[string]any, name string) bool { _, ok := object[name]; return ok }

// dig follows names into nested objects; nil where there is nothing.
func dig(value any, names ...string) map[string]any {
	for _, name := range names {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	object, _ := value.(map[string]any)
	return object
}

func parseObject(data []byte) (object map[string]any, err error) {
	err = json.Unmarshal(data, &object)
	return object, err
}
