package qr

import (
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

const exampleURI = "otpauth://totp/auth:ann@example.com?algorithm=SHA1&digits=6&issuer=auth&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

func TestDrawingAQRCodeUsesItsBuffersAgain(t *testing.T) {
	modules := testing.AllocsPerRun(20, func() { _, _ = qr.Encode(exampleURI, qr.M, qr.Auto) })
	whole := testing.AllocsPerRun(20, func() { _, _ = PNG(exampleURI) })
	// 11; about 20 under the race detector, whose sync.Pool loses some on purpose; 39 with new buffers.
	if n := whole - modules; n > 33 {
		t.Errorf("%v allocations beside the %v of the barcode library", n, modules)
	}
}

// TF-12, F-B1: the library that draws the code quotes its text in its errors.
func TestAnErrorOfTheQRCodeDoesNotQuoteItsText(t *testing.T) {
	_, err := PNG("otpauth://totp/" + strings.Repeat("x", 4000) + "?secret=GEZDGNBVGY3TQOJQ")
	if err == nil || strings.Contains(err.Error(), "xx") || strings.Contains(err.Error(), "GEZDGNBVGY3TQOJQ") {
		t.Errorf("a text too long for a QR code: %.80v", err)
	}
}

func TestATextOf2331BytesFits(t *testing.T) {
	for n, fits := range map[int]bool{1: true, 2331: true, 2332: false} {
		if _, err := PNG(strings.Repeat("x", n)); (err == nil) != fits {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
