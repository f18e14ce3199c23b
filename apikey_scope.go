package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/datixlab/auth/internal/scope"
)

// maxScopes is how many scopes an API key has at most.
const maxScopes = 32

// A key's scopes are stored as one text, the scope of RFC 6749 section 3.3: sorted, with a
// space between two. An empty list is refused, so "" always means a key without scopes.
// Identities share the text, which cannot be changed.

// checkScopes returns what is wrong with the scopes of a new key, or nil. A nil list is a key
// without scopes. An empty list is an error, so that it never means all rights.
func checkScopes(list *[]string) *FieldError {
	if list == nil {
		return nil
	}
	bad := func(code, detail string) *FieldError { return &FieldError{"scopes", code, detail} }
	switch n := len(*list); {
	case n == 0:
		return bad("required", "An empty list allows nothing; without scopes a key has all rights of its owner.")
	case n > maxScopes:
		return bad("too_many", fmt.Sprintf("There are more than %d.", maxScopes))
	}
	sorted := slices.Sorted(slices.Values(*list))
	for i, s := range sorted {
		switch {
		case len(s) > scope.MaxLen:
			return bad("too_long", fmt.Sprintf("One is longer than %d bytes.", scope.MaxLen))
		case !scope.Valid(s):
			return bad("invalid_characters", `One is empty, or not of printable ASCII without space, '"' and '\'.`)
		case i > 0 && s == sorted[i-1]:
			return bad("duplicate", "One is there twice.")
		}
	}
	return nil
}

// scopeText returns the text of a list that checkScopes accepted.
func scopeText(list *[]string) string {
	if list == nil {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(*list)), " ")
}

// scopeList returns the list of a text, nil for a key without scopes.
func scopeList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

// limitedDigest returns the digest that the record of a key has. For a key with scopes it
// covers the scopes too. So such a key is rejected if its scopes were changed or removed, and
// by a program that does not know of scopes.
func limitedDigest(digest []byte, scopes string) []byte {
	if scopes == "" {
		return digest
	}
	sum := sha256.Sum256(append(slices.Clip(digest), scopes...))
	return sum[:]
}

// HasScope reports whether the identity may be used for scope, a word of your program. It is
// true for every session and every API key without scopes. For a key with scopes it is true
// for exactly those, byte by byte. For an Identity that no Manager returned it is false
// unless it has a SessionID.
func (id Identity) HasScope(scope string) bool {
	if id.unlimited() {
		return true
	}
	for s := range strings.FieldsSeq(id.scopes) {
		if s == scope {
			return true
		}
	}
	return false
}

// Scopes returns a copy of the scopes, sorted. It returns nil for an identity that has every
// scope: a session, or an API key that was made without scopes.
func (id Identity) Scopes() []string {
	if id.unlimited() {
		return nil
	}
	return strings.Fields(id.scopes)
}

// unlimited reports whether the identity is a session, or a key that was proven to have no
// scopes.
func (id Identity) unlimited() bool {
	if id.IsAPIKey() {
		return id.unscoped
	}
	return id.SessionID != ""
}
