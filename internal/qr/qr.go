// Package qr draws QR codes.
package qr

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"sync"

	"github.com/boombuler/barcode/qr"
)

const (
	module = 4 // pixels
	quiet  = 4 // modules of margin, ISO/IEC 18004, 9.1
)

// encoder keeps its buffers, since new ones take several hundred kB for a PNG of 800 bytes.
// BestSpeed saves 0.2 ms and makes the PNG 130 to 300 bytes longer.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: new(buffers)}

// buffers is a png.EncoderBufferPool.
type buffers struct{ pool sync.Pool }

// Get implements png.EncoderBufferPool.
func (b *buffers) Get() *png.EncoderBuffer {
	buffer, _ := b.pool.Get().(*png.EncoderBuffer) // nil: the encoder makes one
	return buffer
}

// Put implements png.EncoderBufferPool.
func (b *buffers) Put(buffer *png.EncoderBuffer) { b.pool.Put(buffer) }

// PNG returns text as a QR code with error correction M: a PNG in black and white, with 4 × 4
// pixels for each module. It returns an error if text does not fit. Up to 2,331 bytes always
// fit. No error contains the text, which may be a secret. (Errors of the barcode library do.)
func PNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, errors.New("qr: the text does not fit into a QR code")
	}
	n := code.Bounds().Dx()
	side := (n + 2*quiet) * module
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range n {
		for x := range n {
			if code.At(x, y) != color.Black {
				continue
			}
			for dy := range module {
				row := img.Pix[((y+quiet)*module+dy)*img.Stride+(x+quiet)*module:]
				for dx := range module {
					row[dx] = 1
				}
			}
		}
	}
	var out bytes.Buffer
	if err := encoder.Encode(&out, img); err != nil {
		return nil, errors.New("qr: the code could not be drawn")
	}
	return out.Bytes(), nil
}
