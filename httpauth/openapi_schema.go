package httpauth

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/datixlab/auth"
)

// An object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// appendJSON appends what json.Marshal returns for the value. That would ask the objects within
// an object for their JSON one after the other, and copy and check the innermost once for each of
// those around it.
func appendJSON(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendJSON(b, m.name); err != nil {
				return nil, err
			}
			if b, err = appendJSON(append(b, ':'), m.value); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case []object:
		return appendList(b, v)
	case []any:
		return appendList(b, v)
	}
	text, err := json.Marshal(value)
	return append(b, text...), err
}

func appendList[T any](b []byte, list []T) ([]byte, error) {
	if list == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (o object) index(name string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.name == name })
}

// get returns a member's value, nil if there is none.
func (o object) get(name string) any {
	if i := o.index(name); i >= 0 {
		return o[i].value
	}
	return nil
}

// set gives a member a value, behind all others if it is new.
func (o *object) set(name string, value any) {
	if i := o.index(name); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{name, value})
}

// values returns the values of the members.
func (o object) values() (list []any) {
	for _, m := range o {
		list = append(list, m.value)
	}
	return list
}

// keywords returns the limits of what users send, in JSON Schema, by name. The input tag of a
// body's field names the limits of a text, and the list tag those of a list.
func keywords(l auth.InputLimits) map[string]object {
	const (
		line   = `[\s\x85\xa0]*[^\s\x00-\x1f\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\xa0])?[\s\x85\xa0]*` // no control characters; space at the ends is dropped
		apart  = `[\t-\r ._-]*`                                                                                      // separators, which are no part of a code
		digit  = `[0-9]` + apart
		backup = `[0-9OoIiLl]` + apart // some letters are read as digits
	)
	return map[string]object{
		"email":    {{"format", "email"}, {"maxLength", l.MaxEmail}},
		"password": {{"minLength", l.MinPassword}, {"maxLength", l.MaxPassword}},
		"name":     {{"minLength", 1}, {"maxLength", l.MaxName}, {"pattern", "^" + line + "$"}},
		"noname":   {{"maxLength", l.MaxName}, {"pattern", "^(" + line + `|[\s\x85\xa0]*)$`}},
		"text":     {{"maxLength", l.MaxDescription}, {"pattern", "^(" + line + `|[\s\x85\xa0]*)$`}},
		"totp":     {{"pattern", fmt.Sprintf("^%s(%s){%d}$", apart, digit, l.TOTPDigits)}},
		"code":     {{"pattern", fmt.Sprintf("^%s((%s){%d}|(%s){%d,%d})$", apart, digit, l.TOTPDigits, backup, l.MinBackupDigits, l.MaxBackupDigits)}},
		"backup":   {{"pattern", fmt.Sprintf("^[0-9]{%d,%d}$", l.MinBackupDigits, l.MaxBackupDigits)}},
		"temp":     {{"pattern", "^temp_[0-9A-Za-z_-]+$"}},
		"reset":    {{"pattern", oneTimeToken("rst")}},
		"verify":   {{"pattern", oneTimeToken("vrf")}},
		"change":   {{"pattern", oneTimeToken("chg")}},
		"invite":   {{"pattern", oneTimeToken("inv")}},
		"noinvite": {{"pattern", "^(" + strings.Trim(oneTimeToken("inv"), "^$") + ")?$"}},
		"role":     {{"enum", l.Roles}},
		"scope":    {{"pattern", fmt.Sprintf(`^[!#-\[\]-~]{1,%d}$`, l.MaxScope)}},
		"scopes":   {{"minItems", 1}, {"maxItems", l.MaxScopes}, {"uniqueItems", true}},
	}
}

// oneTimeToken returns the pattern of the token of a mail. People send it with what stands around it.
func oneTimeToken(kind string) string { return `^[\s\S]*` + kind + `_[\s\S]+$` }

const schemaRef = "#/components/schemas/"

// request returns the schema of a body. Its pointers are optional and may be null. Struct tags
// add what Go's types lack: input and list (names in keywords), format, pattern, enum, minimum,
// maximum, default, either, doc, example. So the document describes the type that is decoded.
func (d *documenter) request(t reflect.Type) object {
	return d.structure(t, func(f reflect.StructField) bool { return f.Type.Kind() != reflect.Pointer })
}

// answer returns the schema of an answer. All members are present, except those whose tag has
// omitempty. Its pointers may be null, except for those: they are left out instead.
func (d *documenter) answer(t reflect.Type) object {
	return d.structure(t, func(f reflect.StructField) bool { return !mayBeMissing(f) })
}

// mayBeMissing reports whether the tag of a member of an answer has omitempty.
func mayBeMissing(f reflect.StructField) bool {
	return strings.Contains(f.Tag.Get("json"), ",omitempty")
}

// A variant is a type that stands in another's place where the handler is configured so. Its
// schema has the name of the other, so that the types of a generated client keep their names.
type variant interface{ variantOf() any }

// documentedName returns the name of a type in the document, with a small first letter.
func documentedName(t reflect.Type) string {
	if v, ok := reflect.Zero(t).Interface().(variant); ok {
		t = reflect.TypeOf(v.variantOf())
	}
	return t.Name()
}

func schemaName(t reflect.Type) string {
	name := documentedName(t)
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

func (d *documenter) structure(t reflect.Type, required func(reflect.StructField) bool) object {
	name := schemaName(t)
	if d.schemas.get(name) == nil {
		d.schemas.set(name, object{}) // first, so that its place is before those of its members
		var properties, either object
		var must []string
		for f := range t.Fields() {
			properties.set(memberName(f), d.member(f, required))
			if required(f) {
				must = append(must, memberName(f))
			}
			if f.Tag.Get("either") != "" {
				either.set(memberName(f), object{{"type", "null"}})
			}
		}
		schema := object{{"type", "object"}}
		if must != nil {
			schema = append(schema, member{"required", must})
		}
		schema = append(schema, member{"properties", properties})
		if either != nil { // one of them, and not null
			schema = append(schema, member{"minProperties", 1}, member{"not", object{{"properties", either}}})
		}
		d.schemas.set(name, schema)
	}
	return object{{"$ref", schemaRef + name}}
}

func (d *documenter) member(f reflect.StructField, required func(reflect.StructField) bool) object {
	t, nullable := f.Type, false
	if t.Kind() == reflect.Pointer {
		t, nullable = t.Elem(), !mayBeMissing(f)
	}
	var schema object
	switch {
	case t.Kind() == reflect.Struct:
		return d.structure(t, required)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return object{{"type", "array"}, {"items", d.structure(t.Elem(), required)}}
	case t.Kind() == reflect.Slice:
		schema = object{{"type", "array"}, {"items", d.scalar(t.Elem(), f.Tag)}}
		if name := f.Tag.Get("list"); name != "" {
			schema = append(schema, d.limits(name)...)
		}
	default:
		schema = d.scalar(t, f.Tag)
	}
	if nullable {
		schema.set("type", []any{schema.get("type"), "null"})
	}
	if doc := f.Tag.Get("doc"); doc != "" {
		schema = append(schema, member{"description", doc})
	}
	return schema
}

// limits returns the keywords of that name.
func (d *documenter) limits(name string) object {
	if d.keywords[name] == nil {
		d.fail("no limits are called %s", name)
	}
	return d.keywords[name]
}

func (d *documenter) scalar(t reflect.Type, tag reflect.StructTag) object {
	schema := object{{"type", "string"}}
	switch t.Kind() {
	case reflect.Bool:
		schema.set("type", "boolean")
	case reflect.Int, reflect.Int64:
		schema.set("type", "integer")
	}
	if t == reflect.TypeFor[auth.Secret]() {
		schema = append(schema, member{"format", "password"})
	}
	if name := tag.Get("input"); name != "" {
		schema = append(schema, d.limits(name)...)
	}
	for _, keyword := range []string{"format", "pattern"} {
		if v := tag.Get(keyword); v != "" {
			schema = append(schema, member{keyword, v})
		}
	}
	for _, keyword := range []string{"minimum", "maximum"} {
		if v := tag.Get(keyword); v != "" {
			schema = append(schema, member{keyword, literal(t, v)})
		}
	}
	if v := tag.Get("enum"); v != "" {
		schema = append(schema, member{"enum", []any{literal(t, v)}})
	}
	if v, ok := tag.Lookup("default"); ok {
		schema = append(schema, member{"default", literal(t, v)})
	}
	return schema
}

// example returns a value of t made of its example tags. A member without one is left out, if
// it is optional.
func example(t reflect.Type) object {
	value := object{}
	for f := range t.Fields() {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		text, ok := f.Tag.Lookup("example")
		name := memberName(f)
		switch {
		case inner.Kind() == reflect.Struct:
			value.set(name, example(inner))
		case inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct:
			value.set(name, []any{example(inner.Elem())})
		case !ok: // an example of something else
		case inner.Kind() == reflect.Slice:
			value.set(name, []any{text})
		default:
			value.set(name, literal(inner, text))
		}
	}
	return value
}

// literal reads a tag's text as a value of t. The tags are this package's own, and
// its tests hold every example against its schema.
func literal(t reflect.Type, text string) any {
	switch t.Kind() {
	case reflect.Bool:
		return text == "true"
	case reflect.Int, reflect.Int64:
		n, _ := strconv.Atoi(text)
		return n
	}
	return text
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
