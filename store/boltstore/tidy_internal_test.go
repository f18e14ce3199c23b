package boltstore

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// What a sweep may take ends it, but never before its first record: else there would be
// none on a disk that is slower than that.
func TestASweepStopsWhenItsTimeIsOverButNotBeforeItsFirstRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.db")
	if err := create(path); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const expiry, records = 100, 10
	err = db.Update(func(tx *bbolt.Tx) error {
		t := &tables{tx.Bucket(recordsBucket), tx.Bucket(expiriesBucket), tx.Bucket(countersBucket)}
		for i := range records {
			if err := t.replace(&write{key: fmt.Appendf(nil, "u/%d", i), record: []byte{expiry}, expiry: expiry, was: never}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sweep := range []struct {
		until time.Time
		drops int
		more  bool
	}{
		{time.Now(), 1, true},
		{time.Now(), 1, true},
		{time.Now().Add(time.Hour), records - 2, false},
		{time.Now(), 0, false},
	} {
		err := db.Update(func(tx *bbolt.Tx) error {
			tables := &tables{tx.Bucket(recordsBucket), tx.Bucket(expiriesBucket), tx.Bucket(countersBucket)}
			dropped, more, err := tables.sweep(expiry, sweep.until, func([]byte) {})
			if dropped != sweep.drops || more != sweep.more {
				t.Errorf("dropped %d, more: %v; want %d, %v", dropped, more, sweep.drops, sweep.more)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
