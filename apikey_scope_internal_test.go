package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"testing"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// AK-11, Advisory 24: no record that lost its scopes, or has others, is accepted, not
// even for a reader that knows of none. Nor is one of a disabled key that lost that it is. One of a
// key without scopes that was written before there were any is.
func TestAKeyWhoseRecordWasChangedInTheStoreIsRefused(t *testing.T) {
	ctx := context.Background()
	s := memstore.New()
	m, err := New(s, Config{
		Secrets:      []Secret{"a root secret for this test alone, 0123456789"},
		PasswordHash: HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	if _, err := m.Register(ctx, Registration{Email: "ann@example.com", Password: "correct horse battery", FullName: "X"}); err != nil {
		t.Fatal(err)
	}
	r, err := m.Login(ctx, "ann@example.com", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	owner, err := m.VerifyAccessToken(ctx, r.AccessToken.Token)
	if err != nil {
		t.Fatal(err)
	}
	off, on := false, true
	disabled := APIKeyChange{Enabled: &off}
	const emptyFields = 4 // bytes of those behind Scopes, which an older version does not have
	for name, tc := range map[string]struct {
		scopes *[]string
		edit   func(k *keyRecord) (after []byte) // what follows the fields up to Expires; nil: as k says
		want   error
	}{
		"as it was made":                    {&[]string{"a", "b"}, func(*keyRecord) []byte { return nil }, nil},
		"with fields of a newer one":        {&[]string{"a", "b"}, func(k *keyRecord) []byte { k.newer = []byte("newer"); return nil }, nil},
		"without its scopes":                {&[]string{"a", "b"}, func(k *keyRecord) []byte { k.Scopes = ""; return nil }, ErrInvalidToken},
		"with one less":                     {&[]string{"a", "b"}, func(k *keyRecord) []byte { k.Scopes = "a"; return nil }, ErrInvalidToken},
		"with one more":                     {&[]string{"a", "b"}, func(k *keyRecord) []byte { k.Scopes = "a b c"; return nil }, ErrInvalidToken},
		"cut before its scopes":             {&[]string{"a", "b"}, func(*keyRecord) []byte { return []byte{} }, ErrInvalidToken},
		"cut within its scopes":             {&[]string{"a", "b"}, func(*keyRecord) []byte { return []byte("\x03a") }, ErrUnavailable},
		"with a length of nothing":          {&[]string{"a", "b"}, func(*keyRecord) []byte { return []byte("\x00a b") }, ErrUnavailable},
		"with an endless length":            {&[]string{"a", "b"}, func(*keyRecord) []byte { return bytes.Repeat([]byte{0xff}, 11) }, ErrUnavailable},
		"unlimited, older":                  {nil, func(*keyRecord) []byte { return []byte{} }, nil},
		"disabled":                          {nil, func(k *keyRecord) []byte { k.change(disabled); return nil }, ErrInvalidToken},
		"disabled, with scopes":             {&[]string{"a", "b"}, func(k *keyRecord) []byte { k.change(disabled); return nil }, ErrInvalidToken},
		"disabled and enabled":              {&[]string{"a", "b"}, func(k *keyRecord) []byte { k.change(disabled); k.change(APIKeyChange{Enabled: &on}); return nil }, nil},
		"disabled, not saying so":           {nil, func(k *keyRecord) []byte { k.change(disabled); k.Disabled = false; return nil }, ErrInvalidToken},
		"disabled, cut before it":           {nil, func(k *keyRecord) []byte { k.change(disabled); return []byte{0} }, ErrInvalidToken},
		"disabled, older":                   {nil, func(k *keyRecord) []byte { k.change(disabled); return []byte{} }, ErrInvalidToken},
		"marked as disabled":                {nil, func(k *keyRecord) []byte { k.Disabled = true; return nil }, ErrInvalidToken},
		"replaced, cut before it, and over": {nil, func(k *keyRecord) []byte { k.Expires = k.Created; return []byte{0} }, ErrInvalidToken},
		"unlimited, with scopes":            {nil, func(k *keyRecord) []byte { k.Scopes = "a"; return nil }, ErrInvalidToken},
	} {
		made, text, err := m.CreateAPIKey(ctx, owner, NewAPIKey{Name: "k", Scopes: tc.scopes})
		if err != nil {
			t.Fatal(err)
		}
		kid, _ := parseKeyID(made.ID)
		k := keyRow(uidOf(owner), kid)
		if err := m.records.Read(ctx, &k); err != nil {
			t.Fatal(err)
		}
		if plain := sha256.Sum256([]byte(text)); bytes.Equal(k.Rec.Digest, plain[:]) != (tc.scopes == nil) {
			t.Errorf("%s: to a reader that knows of no scopes the key proves %v", name, tc.scopes == nil)
		}
		after := tc.edit(&k.Rec)
		value := k.Overwrite().Value
		if after != nil {
			value = sealBody(k.Key, append(value[headerLen:len(value)-1-len(k.Rec.Scopes)-emptyFields-len(k.Rec.Org)], after...))
		}
		if err := s.Commit(ctx, store.Put(k.Key, value)); err != nil {
			t.Fatal(err)
		}
		id, err := m.VerifyAPIKey(ctx, text)
		if !errors.Is(err, tc.want) || id.HasScope("c") != (tc.scopes == nil && tc.want == nil) {
			t.Errorf("%s: %q, %v, want %v", name, id.Scopes(), err, tc.want)
		}
		if err := m.RevokeAPIKey(ctx, owner, made.ID); err != nil {
			t.Errorf("%s: it is not revoked: %v", name, err)
		}
	}
}
