// Package strictjson checks whether a text is JSON that every reader reads alike.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest.
const maxDepth = 32

// The errors of Check. Each completes a sentence: "The body " + err + ".".
var (
	errMark      = errors.New("begins with a byte order mark, which JSON has not")
	errNotUTF8   = errors.New("is not valid UTF-8")
	errSyntax    = errors.New("is not valid JSON")
	errNotObject = errors.New("is not a JSON object")
	errSurrogate = errors.New("has half of a surrogate pair in a string")
	errDepth     = errors.New("is nested too deeply")
	errDuplicate = errors.New("names a member of an object twice")
)

// Check returns nil if data is one JSON object with nothing after it, in UTF-8 (RFC
// 8259) and within I-JSON (RFC 7493, sections 2.1 and 2.3). So every string is Unicode,
// and no object names a member twice. Objects and arrays nest at most maxDepth deep.
// The text of an error may be shown to the client.
func Check(data []byte) error {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return errMark
	}
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
	d.UseNumber() // a number too large for a float is not an error of the text
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
