package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
)

// FuzzRecord: a value comes back behind its expiry, or the record is damaged; and
// expiries lie in the order of their times, none early.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{}, int64(0))
	f.Add([]byte{0x80}, int64(-1))
	f.Add(bytes.Repeat([]byte{0xff}, 11), int64(1))
	f.Add([]byte{0, 'v'}, int64(1767225600999999999))
	f.Add(binary.AppendUvarint(nil, maxExpiry), int64(1<<63-1))
	f.Add(append(binary.AppendUvarint(nil, 1767225600), "value"...), int64(1))
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, raw []byte, at int64) {
		value, expiry, err := decodeRecord(raw)
		saw(err == nil)
		switch {
		case err != nil:
			if value != nil || expiry != 0 || !errors.Is(err, ErrDamaged) {
				t.Fatalf("%x: %x, %d, %v", raw, value, expiry, err)
			}
		case !bytes.HasSuffix(raw, value) || len(raw)-len(value) > binary.MaxVarintLen64:
			t.Fatalf("%x has the value %x", raw, value)
		}

		when := time.Unix(0, at)
		e := expiryOf(when)
		if e == never || e > maxExpiry || at > 0 && time.Unix(int64(e), 0).Before(when) || at > 0 && time.Unix(int64(e)-1, 0).After(when) {
			t.Fatalf("%v expires at %d", when, e)
		}
		value, again, err := decodeRecord(append(binary.AppendUvarint(nil, e), raw...))
		if err != nil || again != e || !bytes.Equal(value, raw) {
			t.Fatalf("%x until %d came back as %x until %d: %v", raw, e, value, again, err)
		}
		entry := appendExpiryKey(nil, e, raw)
		if again, key := splitExpiryKey(entry); again != e || !bytes.Equal(key, raw) {
			t.Fatalf("%x at %d came back as %x at %d", raw, e, key, again)
		}
		if next := appendExpiryKey(nil, e+1, nil); e < maxExpiry && bytes.Compare(entry, next) >= 0 {
			t.Fatalf("%x does not lie before %x", entry, next)
		}
		splitExpiryKey(raw)
	})
}
