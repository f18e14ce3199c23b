package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/seal"
)

// withCursors returns a Manager that can do nothing but seal and open cursors.
func withCursors(t testing.TB, secrets ...string) *Manager {
	t.Helper()
	var roots [][]byte
	for _, s := range secrets {
		roots = append(roots, []byte(strings.Repeat(s, 32)))
	}
	keys, err := seal.New(roots...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCursors(keys)
	if err != nil {
		t.Fatal(err)
	}
	return &Manager{keys: keys, cursors: c}
}

// AD-2.
func TestACursorOpensItsOwnListAndNothingElse(t *testing.T) {
	m := withCursors(t, "a")
	uid := ident.Random()
	cursor := m.sealCursor(uid, "members", "1")
	if strings.Contains(cursor, uid) || strings.Contains(cursor, uid[:6]) {
		t.Errorf("%s tells who is in the list", cursor)
	}
	if place, err := m.openCursor(cursor, "members", "1"); place != uid || err != nil {
		t.Errorf("%q, %v; want %q", place, err, uid)
	}
	if cursor == m.sealCursor(uid, "members", "1") {
		t.Error("two cursors of one place are the same")
	}
	for name, list := range map[string][]string{
		"another organization": {"members", "2"}, "another kind": {"users", "1"}, "no filter": {"members"},
		"a further filter": {"members", "1", ""}, "other words": {"members1"}, "a moved letter": {"member", "s1"}, "no list": nil,
	} {
		refusedCursor(t, m, name, cursor, list...)
	}
	refusedCursor(t, m, "what is sealed under the key of other things", base64.RawURLEncoding.EncodeToString(m.keys.Seal("place", []byte(uid), nameOf([]string{"members", "1"}))), "members", "1")
	refusedCursor(t, withCursors(t, "b"), "another secret", cursor, "members", "1")
	for _, text := range []string{"x", uid, cursor + "A", cursor[1:], cursor[:len(cursor)-1], cursor + "\n", cursor[:9] + "\n" + cursor[9:], cursor + "=", strings.Repeat("A", 1<<20)} {
		refusedCursor(t, m, "forged", text, "members", "1")
	}
	for i := range len(cursor) {
		other := "A"
		if cursor[i] == 'A' {
			other = "B"
		}
		refusedCursor(t, m, "changed", cursor[:i]+other+cursor[i+1:], "members", "1")
	}
	if place, err := m.openCursor("", "members", "1"); place != "" || err != nil || m.sealCursor("", "members", "1") != "" {
		t.Errorf("the beginning: %q, %v", place, err)
	}
}

// A rotation of the secrets is no end of a list.
func TestACursorOutlivesARotation(t *testing.T) {
	cursor := withCursors(t, "a").sealCursor("place", "members", "1")
	if place, err := withCursors(t, "b", "a").openCursor(cursor, "members", "1"); place != "place" || err != nil {
		t.Errorf("%q, %v", place, err)
	}
}

func refusedCursor(t *testing.T, m *Manager, name, cursor string, list ...string) {
	t.Helper()
	var input *InputError
	place, err := m.openCursor(cursor, list...)
	if place != "" || !errors.As(err, &input) || input.Fields[0].Field != "after" || strings.Contains(err.Error(), cursor) {
		t.Errorf("%s: %q, %v", name, place, err)
	}
}

func FuzzNoTextIsACursorButOneThatWasSealed(f *testing.F) {
	m := withCursors(f, "a")
	made := m.sealCursor("place", "users")
	f.Add(made)
	f.Add("x")
	f.Add(made[:20] + "x" + made[21:])
	f.Add(withCursors(f, "b").sealCursor("place", "users"))
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, cursor string) {
		place, err := m.openCursor(cursor, "users")
		saw(err == nil)
		if cursor == "" || err != nil {
			if place != "" || (err == nil) != (cursor == "") {
				t.Errorf("%q opens %q, %v", cursor, place, err)
			}
			return
		}
		// It is one that was sealed, here or by the process that chose the inputs.
		if place != "place" {
			t.Errorf("%q opens %q", cursor, place)
		}
		other := []byte(cursor)
		if other[len(other)/2] = 'A'; cursor[len(other)/2] == 'A' {
			other[len(other)/2] = 'B'
		}
		if place, err := m.openCursor(string(other), "users"); err == nil {
			t.Errorf("%q, which is %q changed, opens %q", other, cursor, place)
		}
	})
}
