package boltstore

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The buckets of the file. Keys that share a prefix are neighbours, so the records of
// one partition share pages.
var (
	formatBucket   = []byte("datixlab/auth") // "format": the version of all this, one byte
	recordsBucket  = []byte("records")       // key: expiry (uvarint), then the value
	expiriesBucket = []byte("expiries")      // expiry (5 bytes, big-endian), then the key: empty
	countersBucket = []byte("counters")      // key: state of store.Limit.Apply (8 bytes, big-endian)

	formatKey = []byte("format")
)

const formatVersion = 1

// An expiry is in Unix seconds, rounded up so that no record is dropped early; never is
// 0.
const (
	never     = 0
	maxExpiry = 1<<40 - 1 // the largest number of 5 bytes: the year 36812
)

func expiryOf(t time.Time) uint64 {
	if t.IsZero() {
		return never
	}
	seconds := t.Unix()
	if t.Nanosecond() > 0 {
		seconds++
	}
	if seconds > maxExpiry {
		return never
	}
	return uint64(max(seconds, 1))
}

func decodeRecord(raw []byte) (value []byte, expiry uint64, err error) {
	expiry, n := binary.Uvarint(raw)
	if n <= 0 {
		return nil, 0, fmt.Errorf("%w: a record without an expiry", ErrDamaged)
	}
	return raw[n:], expiry, nil
}

func appendExpiryKey(b []byte, expiry uint64, key []byte) []byte {
	var e [8]byte
	binary.BigEndian.PutUint64(e[:], expiry)
	return append(append(b, e[3:]...), key...)
}

func splitExpiryKey(b []byte) (expiry uint64, key []byte) {
	var e [8]byte
	copy(e[3:], b)
	return binary.BigEndian.Uint64(e[:]), b[min(5, len(b)):]
}
