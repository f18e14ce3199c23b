package main

import (
	"bytes"
	"testing"
)

func TestTheTourSaysWhatItShows(t *testing.T) {
	const want = `refused: password too_short
registered: Ada as admin
wrong password: true
token: [secret]
token of: ada@example.com
key: nightly export used 1 time
revoked key refused: true
disabled user refused: true
`
	var out bytes.Buffer
	if err := tour(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != want {
		t.Errorf("it says\n%s", got)
	}
}
