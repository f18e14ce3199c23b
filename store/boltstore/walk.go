package boltstore

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/store"
)

var _ store.Walker = (*Store)(nil)

// Bounds of a page of Walk, so that its transaction is short.
const (
	walkRecords = 1000
	walkBytes   = 1 << 20
)

// A place in a walk is the key of the last record, or the next shard of counters.
const (
	afterRecord = "r"
	atCounters  = "c"
)

// Walk implements store.Walker: first the records in the order of their keys, then the
// counters. Each page is read at one instant.
func (s *Store) Walk(ctx context.Context, after string) (store.Page, error) {
	if err := s.enter(ctx); err != nil {
		return store.Page{}, err
	}
	defer s.calls.RUnlock()

	if shard, ok := strings.CutPrefix(after, atCounters); ok {
		n, err := strconv.Atoi(shard)
		if err != nil || n < 0 || n >= hitcount.Shards {
			return store.Page{}, fmt.Errorf("%w: walk from %q", store.ErrInvalid, after)
		}
		return s.walkCounters(n), nil
	}
	last, ok := strings.CutPrefix(after, afterRecord)
	if after != "" && (!ok || !store.ValidKey(last)) {
		return store.Page{}, fmt.Errorf("%w: walk from %q", store.ErrInvalid, after)
	}
	return s.walkRecords(last)
}

func (s *Store) walkRecords(last string) (page store.Page, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(recordsBucket).Cursor()
		key, raw := cursor.Seek([]byte(last))
		if last != "" && string(key) == last {
			key, raw = cursor.Next()
		}
		for size := 0; key != nil; key, raw = cursor.Next() {
			if len(page.Records) == walkRecords || size >= walkBytes {
				page.Next = afterRecord + page.Records[len(page.Records)-1].Key
				return nil
			}
			value, expiry, err := decodeRecord(raw)
			if err != nil {
				return err
			}
			r := store.Record{Key: string(key), Value: bytes.Clone(value)}
			if expiry != never {
				r.Expires = time.Unix(int64(expiry), 0)
			}
			page.Records = append(page.Records, r)
			size += len(key) + len(value)
		}
		page.Next = atCounters + "0"
		return nil
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

func (s *Store) walkCounters(shard int) (page store.Page) {
	for _, c := range s.hits.Live(shard, s.now()) {
		page.Counters = append(page.Counters, store.Counter{Key: c.Key, Until: time.Unix(0, c.State)})
	}
	if shard++; shard < hitcount.Shards {
		page.Next = atCounters + strconv.Itoa(shard)
	}
	return page
}
