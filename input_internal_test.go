package auth

import (
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/printable"
)

// FuzzCheckText: a text is an error exactly if it cannot be shown, or is required and
// missing.
func FuzzCheckText(f *testing.F) {
	for _, s := range []string{"", " ", "Ada Lovelace", "日本語", " a", "a\nb", "\u202eb", "\xff", strings.Repeat("é", 100), strings.Repeat("é", 101)} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		ok := printable.Line(s, 100)
		saw(ok)
		for _, required := range []bool{false, true} {
			if err := checkText("name", s, 100, required); (err == nil) != (ok || s == "" && !required) {
				t.Fatalf("%q, required %v: %+v", s, required, err)
			}
		}
	})
}

func TestATextThatIsTooLongSaysHowLongItMayBe(t *testing.T) {
	if e := checkText("full_name", strings.Repeat("é", maxName+1), maxName, true); e == nil || e.Code != "too_long" || !strings.Contains(e.Detail, "100") {
		t.Errorf("%+v", e)
	}
}
