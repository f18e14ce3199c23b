package httpauth

import (
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/datixlab/auth"
)

type object = map[string]any

// schemas collects JSON Schemas of the types that calls read and answer with, so
// that what is documented is what is decoded and marshalled. Struct tags add what
// Go's types do not say: format, pattern, enum, minimum, maximum, doc, example.
type schemas struct{ named object }

const schemaRef = "#/components/schemas/"

// request returns the schema of a body: its pointers are optional and, but for lists,
// may be null.
func (s schemas) request(t reflect.Type) object {
	return s.structure(t, func(f reflect.StructField) bool { return f.Type.Kind() != reflect.Pointer })
}

// answer returns the schema of an answer: all is there, unless the tag says
// omitempty; its pointers may be null.
func (s schemas) answer(t reflect.Type) object {
	return s.structure(t, func(f reflect.StructField) bool { return !strings.Contains(f.Tag.Get("json"), ",omitempty") })
}

func (s schemas) structure(t reflect.Type, required func(reflect.StructField) bool) object {
	first, size := utf8.DecodeRuneInString(t.Name())
	name := string(unicode.ToUpper(first)) + t.Name()[size:]
	if s.named[name] == nil {
		properties, must := object{}, []string{}
		for i := range t.NumField() {
			f := t.Field(i)
			properties[memberName(f)] = s.member(f, required)
			if required(f) {
				must = append(must, memberName(f))
			}
		}
		schema := object{"type": "object", "properties": properties}
		if len(must) > 0 {
			schema["required"] = must
		}
		s.named[name] = schema
	}
	return object{"$ref": schemaRef + name}
}

func (s schemas) member(f reflect.StructField, required func(reflect.StructField) bool) object {
	switch {
	case f.Type.Kind() == reflect.Struct:
		return s.structure(f.Type, required)
	case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
		return object{"type": "array", "items": s.structure(f.Type.Elem(), required)}
	case f.Type.Kind() == reflect.Slice:
		return documented(f, list(f.Type, f.Tag))
	case optionalList(f.Type):
		return documented(f, list(f.Type.Elem(), f.Tag))
	case f.Type.Kind() == reflect.Pointer:
		schema := scalar(f.Type.Elem(), f.Tag)
		schema["type"] = []any{schema["type"], "null"}
		return documented(f, schema)
	}
	return documented(f, scalar(f.Type, f.Tag))
}

func documented(f reflect.StructField, schema object) object {
	if doc := f.Tag.Get("doc"); doc != "" {
		schema["description"] = doc
	}
	return schema
}

func list(t reflect.Type, tag reflect.StructTag) object {
	return object{"type": "array", "items": scalar(t.Elem(), tag)}
}

func optionalList(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Slice
}

func scalar(t reflect.Type, tag reflect.StructTag) object {
	schema := object{"type": "string"}
	switch t.Kind() {
	case reflect.Bool:
		schema["type"] = "boolean"
	case reflect.Int, reflect.Int64:
		schema["type"] = "integer"
	}
	if t == reflect.TypeFor[auth.Secret]() {
		schema["format"], schema["writeOnly"] = "password", true
	}
	for _, keyword := range []string{"format", "pattern"} {
		if v := tag.Get(keyword); v != "" {
			schema[keyword] = v
		}
	}
	for _, keyword := range []string{"minimum", "maximum"} {
		if v := tag.Get(keyword); v != "" {
			schema[keyword] = literal(t, v)
		}
	}
	if v := tag.Get("enum"); v != "" {
		schema["enum"] = []any{literal(t, v)}
	}
	return schema
}

// example returns a value of t made of its example tags.
func example(t reflect.Type) object {
	value := object{}
	for i := range t.NumField() {
		f := t.Field(i)
		text, ok := f.Tag.Lookup("example")
		switch {
		case !ok && strings.Contains(f.Tag.Get("json"), ",omitempty"): // an example of something else
		case f.Type.Kind() == reflect.Struct:
			value[memberName(f)] = example(f.Type)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			value[memberName(f)] = []any{example(f.Type.Elem())}
		case f.Type.Kind() == reflect.Slice, optionalList(f.Type):
			value[memberName(f)] = []any{text}
		case f.Type.Kind() == reflect.Pointer:
			value[memberName(f)] = literal(f.Type.Elem(), text)
		default:
			value[memberName(f)] = literal(f.Type, text)
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
