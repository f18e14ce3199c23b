package auth_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// AK-11, Advisory 24 (CVE-2026-21621).
func TestAKeyHasTheScopesItWasMadeWithAndNoOther(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		u := h.Register()
		session := u.Identity()
		asked := []string{"reports:write", "reports:read", "a", "Z", "*"}
		made, text := newKey(t, h.Manager, session, auth.NewAPIKey{Scopes: &asked})
		if fmt.Sprint(asked) != "[reports:write reports:read a Z *]" {
			t.Errorf("the caller's list became %q", asked)
		}
		want := []string{"*", "Z", "a", "reports:read", "reports:write"}
		asked[0] = "changed"
		if !slices.Equal(made.Scopes, want) {
			t.Errorf("it was made with %q", made.Scopes)
		}
		for _, m := range []*auth.Manager{h.Manager, other.Manager} {
			id, err := m.VerifyAPIKey(t.Context(), auth.Secret(text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(id.Scopes(), want) {
				t.Errorf("its identity has %q", id.Scopes())
			}
			for _, scope := range want {
				if !id.HasScope(scope) {
					t.Errorf("it does not have %q", scope)
				}
			}
			for _, scope := range []string{"", " ", "A", "z", "reports", "reports:", "reports:read ", "reports:read reports:write", "* Z", "eports:read", "b", "changed"} {
				if id.HasScope(scope) {
					t.Errorf("it has %q", scope)
				}
			}
			id.Scopes()[0] = "admin"
			if id.HasScope("admin") || !id.HasScope("*") {
				t.Error("what Scopes returned was the identity's own")
			}
			keys, err := m.APIKeys(t.Context(), session)
			if err != nil || len(keys) != 1 || !slices.Equal(keys[0].Scopes, want) {
				t.Errorf("it is listed as %+v, %v", keys, err)
			}
			if keys, err = m.UserAPIKeys(t.Context(), u.ID); err != nil || len(keys) != 1 || !slices.Equal(keys[0].Scopes, want) {
				t.Errorf("the program sees %+v, %v", keys, err)
			}
		}
	})
}

// AK-11, Advisory 24: without scopes a key has its owner's rights, as a session has. Who is
// nobody has none.
func TestACredentialWithoutScopesIsNotLimited(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	made, text := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
	key, err := h.VerifyAPIKey(t.Context(), auth.Secret(text))
	if err != nil || made.Scopes != nil {
		t.Fatalf("%+v, %v", made, err)
	}
	for name, id := range map[string]auth.Identity{"the session": u.Identity(), "the key": key} {
		if !id.HasScope("reports:read") || id.Scopes() != nil {
			t.Errorf("%s is limited to %q", name, id.Scopes())
		}
	}
	limited, err := h.VerifyAPIKey(t.Context(), auth.Secret(u.ScopedAPIKey("a")))
	if err != nil {
		t.Fatal(err)
	}
	limited.SessionID = u.Identity().SessionID // a key's identity stays one
	for name, id := range map[string]auth.Identity{"nobody": {}, "a key put together by hand": {User: key.User, APIKeyID: made.ID}, "a limited key": limited} {
		if id.HasScope("reports:read") || id.Scopes() == nil {
			t.Errorf("%s has scopes %v", name, id.Scopes())
		}
	}
}

// AK-11, Advisory 24 (CVE-2026-56216): empty is not all.
func TestAnEmptyOrMalformedListOfScopesMakesNoKey(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	id := h.Register().Identity()
	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("scope:", i))
		}
		return list
	}
	for name, tc := range map[string]struct {
		scopes []string
		want   string
	}{
		"nil":           {nil, "scopes: required"},
		"none":          {[]string{}, "scopes: required"},
		"an empty one":  {[]string{""}, "scopes: invalid_characters"},
		"one of two":    {[]string{"a", ""}, "scopes: invalid_characters"},
		"a space":       {[]string{"a b"}, "scopes: invalid_characters"},
		"a quote":       {[]string{`a"`}, "scopes: invalid_characters"},
		"a backslash":   {[]string{`a\`}, "scopes: invalid_characters"},
		"a line":        {[]string{"a\r\nb"}, "scopes: invalid_characters"},
		"a NUL":         {[]string{"a\x00"}, "scopes: invalid_characters"},
		"DEL":           {[]string{"a\x7f"}, "scopes: invalid_characters"},
		"not ASCII":     {[]string{"é"}, "scopes: invalid_characters"},
		"a wide space":  {[]string{"a\u00a0b"}, "scopes: invalid_characters"},
		"twice":         {[]string{"a", "b", "a"}, "scopes: duplicate"},
		"long":          {[]string{strings.Repeat("a", 65)}, "scopes: too_long"},
		"too many":      {many(33), "scopes: too_many"},
		"very many":     {many(100_000), "scopes: too_many"},
		"many the same": {slices.Repeat([]string{"a"}, 33), "scopes: too_many"},
	} {
		_, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k", Scopes: &tc.scopes})
		if got := fieldCodes(err); !errors.Is(err, auth.ErrInvalidInput) || len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 0 {
		t.Fatalf("%d keys were made, %v", len(keys), err)
	}
	longest := many(32)
	for i := range longest {
		longest[i] += strings.Repeat("~", 64-len(longest[i]))
	}
	for _, scopes := range [][]string{{"!"}, {"!#$%&'()*+,-./0189:;<=>?@AZ[]^_`az{|}~"}, longest} {
		made, text := newKey(t, h.Manager, id, auth.NewAPIKey{Scopes: &scopes})
		got, err := h.VerifyAPIKey(t.Context(), auth.Secret(text))
		if err != nil || !slices.Equal(got.Scopes(), made.Scopes) || len(made.Scopes) != len(scopes) || !got.HasScope(scopes[len(scopes)-1]) {
			t.Errorf("%q became %q, %v", scopes, made.Scopes, err)
		}
	}
}

// AK-11, Advisory 24: what succeeds a key has its scopes, and so has the key meanwhile.
func TestARotatedKeyKeepsItsScopes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		id := h.Register().Identity()
		old, oldText := newKey(t, h.Manager, id, auth.NewAPIKey{Scopes: &[]string{"b", "a"}})
		next, nextText, err := h.RotateAPIKey(t.Context(), id, old.ID, time.Hour, "", "")
		if err != nil || !slices.Equal(next.Scopes, old.Scopes) {
			t.Fatalf("%q became %q, %v", old.Scopes, next.Scopes, err)
		}
		for _, text := range []string{oldText, string(nextText)} {
			got, err := h.VerifyAPIKey(t.Context(), auth.Secret(text))
			if err != nil || !slices.Equal(got.Scopes(), old.Scopes) || got.HasScope("c") {
				t.Errorf("%q, %v, want %q", got.Scopes(), err, old.Scopes)
			}
		}
	})
}
