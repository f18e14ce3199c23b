package main

import (
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store"
)

// enrolment is all of enable-2fa on memory, compared with the time that the QR library
// takes for the matrix of the same text. It works in goroutines of its own, so it is
// timed by the clock.
func enrolment(f *fixture) []*subject {
	const matrix = "the QR library's matrix"
	h := f.manager(f.onMemory(), auth.Config{})
	id := h.Register().Identity()
	var last auth.TwoFactorEnrollment
	budget := "u." + strings.TrimPrefix(id.User.ID, "user_") + "/newfactor" // of ten
	enable := func() (err error) {
		if last, err = h.EnableTwoFactor(client, id, ""); err != nil {
			return err
		}
		_, err = h.Store.Hit(client, budget, store.Limit{Burst: 10, Every: 10 * time.Minute}, -10, h.Now())
		return err
	}
	must(enable())
	uri := string(last.URI)
	return []*subject{
		each(matrix, func() error { _, err := qr.Encode(uri, qr.M, qr.Auto); return err }).waiting(),
		each("EnableTwoFactor, memory", enable).waiting().reaches(matrix, atMost(1.2)),
		{name: "its PNG", unit: "bytes", read: func() float64 { return float64(len(last.QRCode)) }, mark: limit(1536)},
	}
}
