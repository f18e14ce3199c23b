package record

import (
	"hash/crc32"
	"strings"
	"testing"
)

// Records that are in use were written with it: it may be computed in another way,
// but never change.
func TestTheChecksumOfARecordIsCRC32COfItsKeyAndBody(t *testing.T) {
	for _, key := range []string{"", "u.x/acct", strings.Repeat("k", 256)} {
		for _, body := range []string{"", "b", strings.Repeat("body", 1000)} {
			want := crc32.Checksum([]byte(key+body), crc32.MakeTable(crc32.Castagnoli))
			if got := Checksum([]byte(key), []byte(body)); got != want {
				t.Errorf("%.10q, %.10q: %08x, want %08x", key, body, got, want)
			}
		}
	}
	if got := Checksum([]byte("u.x/acct"), []byte("123456789")); got == Checksum([]byte("u.y/acct"), []byte("123456789")) {
		t.Errorf("two keys have the checksum %08x", got)
	}
}
