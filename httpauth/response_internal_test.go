package httpauth

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// awkward are texts that encoding/json does not write as they are, and some that it does.
var awkward = []string{
	"", "Ada", `a "quoted" \ text`, "<script>&amp;</script>", "line\nbreak\ttab\x00\x1f\x7f", "Jörg Müller", "علی\u200cرضا", "👩\u200d👧",
	"\u2028\u2029", "half \xc3", "\xff\xfe", "\xed\xa0\x80", "\ufffd", "e\u0301", strings.Repeat("long ", 200), strings.Repeat("\x01", 300),
}

func TestAnAppendedTextIsThatOfEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	texts := append([]string{}, awkward...)
	for range 20_000 {
		var b []byte
		for range random.IntN(12) {
			if random.IntN(2) == 0 {
				b = append(b, byte(random.IntN(256)))
			} else {
				b = append(b, string(rune(random.IntN(0x11000)))...)
			}
		}
		texts = append(texts, string(b))
	}
	for c := range 256 {
		texts = append(texts, string([]byte{'a', byte(c), 'b'}))
	}
	for _, text := range texts {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendText([]byte("x"), text); string(got) != "x"+string(want) {
			t.Fatalf("%q is appended as %s, and encoding/json writes %s", text, got[1:], want)
		}
	}
}

// profileFor returns the profile that ownProfile writes.
func profileFor(u auth.User, organization string) profile {
	return profile{
		ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, PendingEmail: u.PendingEmail, FullName: u.FullName, Role: u.Role,
		OrganizationID: u.OrganizationID, OrganizationName: organization, TwoFactorEnabled: u.TwoFactorEnabled,
		AssignedAgents: append([]string{}, u.AssignedAgents...), CreatedAt: formatTime(u.CreatedAt),
	}
}

func TestAnAppendedProfileIsThatOfEncodingJSON(t *testing.T) {
	h := authtest.New(t)
	for i, text := range awkward {
		u := auth.User{
			ID: "user_" + text, Email: text + "@example.com", FullName: text, Role: "r" + text, OrganizationID: "org_" + text,
			TwoFactorEnabled: i%2 == 0, AssignedAgents: awkward[:i], Disabled: true, EmailVerified: i%2 == 1,
			CreatedAt: time.Unix(1<<30, int64(i)*1_000_003).In(time.FixedZone("", i*3600-1800)),
		}
		if i%3 > 0 {
			u.PendingEmail, u.PendingEmailUntil = "new."+u.Email, h.Now().Add(time.Minute)
		}
		want, err := json.Marshal(profileFor(u, text))
		if err != nil {
			t.Fatal(err)
		}
		if got := (ownProfile{&call{manager: h.Manager, identity: auth.Identity{User: u}, organization: text}}).appendJSON(); string(got) != string(want) {
			t.Errorf("appended:\n%s\nof encoding/json:\n%s", got, want)
		}
	}
	zero := auth.User{}
	want, _ := json.Marshal(profileFor(zero, ""))
	if got := (ownProfile{&call{}}).appendJSON(); string(got) != string(want) {
		t.Errorf("appended:\n%s\nof encoding/json:\n%s", got, want)
	}
}

// A program around the Handler may change the header of one answer in every way that
// http.Header has.
func TestAChangedHeaderOfOneAnswerIsNotThatOfTheNext(t *testing.T) {
	h := authtest.New(t)
	handler, err := New(h.Manager, Config{})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(path string) http.Header {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Header()
	}
	for _, path := range []string{"/me", "/openapi.json", "/.well-known/jwks.json", "/nothing"} {
		want := serve(path).Clone()
		for name := range want {
			head := serve(path)
			head.Add(name, "more")
			head[name] = append(head[name], "and more")
			head.Set(name, "other")
			head.Del(name)
		}
		got := serve(path)
		for name := range want {
			if strings.Join(got[name], "|") != strings.Join(want[name], "|") {
				t.Errorf("%s: %s was %q and is %q", path, name, want[name], got[name])
			}
		}
	}
}
