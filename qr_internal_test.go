package auth

import (
	"testing"

	"github.com/boombuler/barcode/qr"
)

const exampleURI = "otpauth://totp/auth:ann@example.com?algorithm=SHA1&digits=6&issuer=auth&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

func TestDrawingAQRCodeUsesItsBuffersAgain(t *testing.T) {
	modules := testing.AllocsPerRun(20, func() { _, _ = qr.Encode(exampleURI, qr.M, qr.Auto) })
	whole := testing.AllocsPerRun(20, func() { _, _ = qrPNG(exampleURI) })
	// 11; about 20 under the race detector, whose sync.Pool loses some on purpose; 39 with new buffers.
	if n := whole - modules; n > 33 {
		t.Errorf("%v allocations beside the %v of the barcode library", n, modules)
	}
}
