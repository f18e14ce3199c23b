package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/fuzztest"
)

func TestEverySpellingOfAPlainObjectIsAccepted(t *testing.T) {
	for _, text := range []string{
		`{}`, " {\n\t} \r", `{"a":"\ud83d\ude00","b":["\\ud800","\\\\u"],"c":"\u0000"}`, `{"a":{"a":{"a":1}},"b":{"a":1}}`,
		`{"a":[{"b":1},{"b":2}]}`, `{"a":1e999,"b":-0.0E-7}`, `{"":""}`, `{"A":1,"a":2}`, `{"a":"ключ \u00e9 é"}`,
		`{"x":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`,
	} {
		if err := Check([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// HT-3.
// FuzzCheck compares Check with encoding/json. Check accepts a subset, and what it accepts
// means the same to a reader that writes it anew.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"email":"a","password":"b"}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":"\ud800"}`, `{"a":"\ud800\udc00"}`, `{"a":"\udc00\ud800"}`,
		`{"a":"\ud800\u0041"}`, `{"a":"\\ud800"}`, `{"a":"\\\ud800"}`, `{"a":"x\ud800`, `{"a":"\ud8`, "{\"a\":\"\xff\"}", `{"a":[{"b":1,"b":2}]}`, `[{}]`, `null`, ``, ` `,
		`{}{}`, `{} x`, `{"a":01}`, `{"a":NaN}`, "\ufeff{}", `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, `{"a":1,}`, `{"a":tru}`,
	} {
		f.Add([]byte(seed))
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		err := Check(data)
		saw(err == nil)
		if !bytes.Equal(before, data) {
			t.Fatal("the text was changed")
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var loose map[string]any
		looseErr := json.Unmarshal(data, &struct{}{})
		if looseErr == nil {
			looseErr = d.Decode(&loose)
		}
		if err != nil {
			// Refused: then it is not plain. A text whose rewriting is as long as
			// itself has no duplicate, no half surrogate and nothing behind it.
			if rewritten, e := json.Marshal(loose); looseErr == nil && e == nil && loose != nil && depth(loose) <= maxDepth && bytes.Equal(rewritten, data) {
				t.Fatalf("refused %q: %v", data, err)
			}
			return
		}
		if looseErr != nil || loose == nil || !utf8.Valid(data) || depth(loose) > maxDepth {
			t.Fatalf("accepted %q, encoding/json says %v", data, looseErr)
		}
		if strings.Contains(string(mustMarshal(t, loose)), `\ufffd`) && !bytes.Contains(data, []byte("\ufffd")) && !strings.Contains(strings.ToLower(string(data)), `\ufffd`) {
			t.Fatalf("accepted %q with what is not Unicode", data)
		}
		again := mustMarshal(t, loose)
		if err := Check(again); err != nil && len(again) < 1<<20 {
			t.Fatalf("%q is fine but %q is not: %v", data, again, err)
		}
		if n, m := membersIn(data), membersIn(again); n != m {
			t.Fatalf("%q has %d members, read as %d", data, n, m)
		}
		var reread map[string]any
		d = json.NewDecoder(bytes.NewReader(again))
		d.UseNumber()
		if err := d.Decode(&reread); err != nil || !reflect.DeepEqual(loose, reread) {
			t.Fatalf("%q reads differently a second time", data)
		}
	})
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func depth(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			n = max(n, depth(x))
		}
		return n + 1
	case []any:
		for _, x := range v {
			n = max(n, depth(x))
		}
		return n + 1
	}
	return 0
}

// membersIn counts the colons outside strings: one for each member that is written.
func membersIn(text []byte) (n int) {
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case c == ':' && !inString:
			n++
		}
	}
	return n
}
