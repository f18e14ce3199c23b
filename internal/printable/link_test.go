package printable_test

import (
	"testing"

	"github.com/datixlab/auth/internal/printable"
)

func TestWhatAProgramMayLinkIsFound(t *testing.T) {
	for text, want := range map[string]bool{
		"Ada Lovelace": false, "J. R. R. Tolkien": false, "J.R.R. Tolkien": false, "Dr. Müller": false, "Sammy Davis Jr.": false,
		"O'Brien-Smith": false, "Louis XIV": false, "山田 太郎": false, "Agent 47": false, "R2-D2": false, "": false, "...": false,
		"https://evil.example": true, "evil.example": true, "Pay at evil.example now": true, "www.evil.co.uk": true,
		"a@evil.example": true, "evil。example": true, "evil．com": true, "evil｡com": true, "tel:1234": true, "//evil": true,
		`\\evil`: true, "пример.рф": true, "evil.xn--p1ai": true, "Call +1 800 555 1234": true, "Dr.Ada": true,
		"1.2.3.4": false, "evil․com": true, "call ١٢٣٤٥٦٧": true,
	} {
		if got := printable.HasLink(text); got != want {
			t.Errorf("HasLink(%q) = %v", text, got)
		}
	}
}
