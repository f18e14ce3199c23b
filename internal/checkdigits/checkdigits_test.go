package checkdigits_test

import (
	"testing"

	"github.com/datixlab/auth/internal/checkdigits"
)

// Credentials that were given out have these digits, so they never change.
func TestTheDigitsStayWhatTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"":          "000000",
		"123456789": "3jZRME",
	} {
		if got := checkdigits.Add(text); got != text+want {
			t.Errorf("Add(%q) = %q", text, got)
		}
	}
}

func TestATextIsCutOnlyIfEveryPartOfItIsRight(t *testing.T) {
	whole := checkdigits.Add("rst_abc")
	if digits, ok := checkdigits.Cut(whole, "rst_", 3); !ok || digits != "abc" {
		t.Errorf("Cut(%q) = %q, %v", whole, digits, ok)
	}
	for name, text := range map[string]string{
		"nothing":                    "",
		"the prefix alone":           "rst_",
		"no check digits":            "rst_abc",
		"another prefix":             checkdigits.Add("vrf_abc"),
		"fewer digits":               checkdigits.Add("rst_ab"),
		"more digits":                checkdigits.Add("rst_abcd"),
		"no digit":                   checkdigits.Add("rst_ab-"),
		"a check that has no digit":  whole[:len(whole)-1] + "!",
		"two digits exchanged":       "rst_bac" + whole[7:],
		"a check of something else":  "rst_abc" + checkdigits.Add("rst_abd")[7:],
		"a byte behind it":           whole + "0",
		"a space before the prefix":  " " + whole,
		"a prefix of another casing": "RST_" + whole[4:],
	} {
		if digits, ok := checkdigits.Cut(text, "rst_", 3); ok || digits != "" {
			t.Errorf("%s: Cut(%q) = %q, %v", name, text, digits, ok)
		}
	}
}
