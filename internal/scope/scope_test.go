package scope_test

import (
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/scope"
)

func TestAScopeIsOneTokenOfRFC6749(t *testing.T) {
	for c := range 256 {
		// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
		want := c == 0x21 || 0x23 <= c && c <= 0x5b || 0x5d <= c && c <= 0x7e
		for _, s := range []string{string([]byte{byte(c)}), "a" + string([]byte{byte(c)}) + "a"} {
			if got := scope.Valid(s); got != want {
				t.Errorf("%q: %v", s, got)
			}
		}
	}
	if scope.Valid("") || !scope.Valid(strings.Repeat("a", scope.MaxLen)) || scope.Valid(strings.Repeat("a", scope.MaxLen+1)) {
		t.Error("a scope has 1 to MaxLen bytes")
	}
}
