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

// A key's scopes are kept as one text, what RFC 6749 section 3.3 calls scope: sorted,
// a space between two. The text of a limited key is never empty, since a list of none
// is refused, so "" is a key without scopes and nothing else. Being a text, it is shared
// by identities and changed by nobody.

// checkScopes says what is wrong with the scopes of a key to be made, or nil. No list
// is a key without scopes; an empty one is a mistake, and no way to all rights.
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

// scopeText is what is kept of a list that checkScopes lets pass.
func scopeText(list *[]string) string {
	if list == nil {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(*list)), " ")
}

// scopeList is the list of a text, nil for a key without scopes.
func scopeList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

// limitedDigest is what a record keeps of the key that has this digest. That of a key with
// scopes is over them too: under others, or none, or for a reader that does not know
// of scopes, the key proves nothing.
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

// Scopes returns a copy of the scopes, sorted: nil for who has every scope, which are
// sessions and API keys that were made without any.
func (id Identity) Scopes() []string {
	if id.unlimited() {
		return nil
	}
	return strings.Fields(id.scopes)
}

// unlimited is true of a session, and of a key that was proven to have no scopes.
func (id Identity) unlimited() bool {
	if id.IsAPIKey() {
		return id.unscoped
	}
	return id.SessionID != ""
}
