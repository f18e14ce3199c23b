//go:build !race

package auth_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// modulesOf reads the drawing back: the modules inside the quiet zone, true is dark.
func modulesOf(t *testing.T, img image.Image) (modules [][]bool) {
	t.Helper()
	dark := func(x, y int) bool {
		r, g, b, a := img.At(x, y).RGBA()
		if a != 0xffff || r != g || g != b || r != 0 && r != 0xffff {
			t.Fatalf("the pixel at %d,%d is neither black nor white", x, y)
		}
		return r == 0
	}
	const module, quiet = 4, 4
	side := img.Bounds().Dx()
	if side != img.Bounds().Dy() || side%module != 0 {
		t.Fatalf("the image is %v", img.Bounds())
	}
	n := side / module
	for y := range n {
		var line []bool
		for x := range n {
			is := dark(x*module, y*module)
			for dy := range module {
				for dx := range module {
					if dark(x*module+dx, y*module+dy) != is {
						t.Fatalf("module %d,%d is of two colours", x, y)
					}
				}
			}
			inside := x >= quiet && y >= quiet && x < n-quiet && y < n-quiet
			if !inside && is {
				t.Fatalf("module %d,%d of the quiet zone is dark", x, y)
			}
			if inside {
				line = append(line, is)
			}
		}
		if line != nil {
			modules = append(modules, line)
		}
	}
	return modules
}

// TF-2, F-B2.
func TestTheQRCodeIsASmallPNGInTwoColoursOfExactlyTheURI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ issuer, email string }{
		"common":  {"auth", "ann@example.com"},
		"longest": {strings.Repeat("ü", 100), strings.Repeat("&", 64) + "@" + strings.Repeat(strings.Repeat("a", 61)+".", 3) + "com"},
	} {
		h := authtest.With(t, memstore.New(), auth.Config{TOTPIssuer: c.issuer})
		_, err := h.Manager.Register(context.Background(), auth.Registration{Email: c.email, Password: authtest.Password, FullName: "Ann"})
		if err != nil {
			t.Fatal(err)
		}
		e := enrol(t, h, sessionOf(t, h, c.email))
		img, err := png.Decode(bytes.NewReader(e.QRCode))
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := img.ColorModel().(color.Palette); !ok || len(p) != 2 {
			t.Errorf("%s: the colours are %v", name, img.ColorModel())
		}
		if name == "common" && len(e.QRCode) > 1536 {
			t.Errorf("%s: %d bytes", name, len(e.QRCode))
		}
		want, err := qr.Encode(string(e.URI), qr.M, qr.Auto)
		if err != nil {
			t.Fatal(err)
		}
		got := modulesOf(t, img)
		if len(got) != want.Bounds().Dx() {
			t.Fatalf("%s: %d modules, want %d", name, len(got), want.Bounds().Dx())
		}
		for y := range got {
			for x := range got {
				if got[y][x] != (want.At(x, y) == color.Black) {
					t.Fatalf("%s: module %d,%d is another than the URI's", name, x, y)
				}
			}
		}
		t.Logf("%s: %d bytes, %d modules", name, len(e.QRCode), len(got))
	}
}
