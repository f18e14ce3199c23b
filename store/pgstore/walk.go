package pgstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/store"
)

var _ store.Walker = (*Store)(nil)

// walkPage is how many records or counters a page has at most.
const walkPage = 200

// A place in a walk is one of these and the last key before it. Records come first.
const (
	walkRecord  = "record "
	walkCounter = "counter "
)

// Walk implements store.Walker, in the order of the keys, with one statement for each page.
func (s *Store) Walk(ctx context.Context, after string) (store.Page, error) {
	if after == "" {
		return s.walkRecords(ctx, "")
	}
	if key, ok := strings.CutPrefix(after, walkRecord); ok && store.ValidKey(key) {
		return s.walkRecords(ctx, key)
	}
	if key, ok := strings.CutPrefix(after, walkCounter); ok && (key == "" || store.ValidKey(key)) {
		return s.walkCounters(ctx, key)
	}
	if err := s.enter(ctx); err != nil { // as every call, also of a wrong one
		return store.Page{}, err
	}
	s.calls.RUnlock()
	return store.Page{}, fmt.Errorf("%w: walk from %q", store.ErrInvalid, after)
}

func (s *Store) walkRecords(ctx context.Context, after string) (page store.Page, err error) {
	err = s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, s.sql.walk, store.Partition(after), name(after), walkPage)
		if err != nil {
			return err
		}
		var partition, name string
		var value []byte
		var expires int64
		var standby bool
		_, err = pgx.ForEachRow(rows, []any{&standby, &partition, &name, &value, &expires}, func() error {
			if err := ofPrimary(standby); err != nil {
				return err
			}
			r := store.Record{Key: partition + "/" + name, Value: notNil(value)}
			if expires != 0 {
				r.Expires = time.UnixMilli(expires)
			}
			page.Records = append(page.Records, r)
			return nil
		})
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	page.Next = walkCounter
	if n := len(page.Records); n == walkPage {
		page.Next = walkRecord + page.Records[n-1].Key
	}
	return page, nil
}

func (s *Store) walkCounters(ctx context.Context, after string) (page store.Page, err error) {
	now := time.Now()
	read, last := 0, ""
	err = s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, s.sql.walkCounters, after, walkPage)
		if err != nil {
			return err
		}
		var key string
		var us int64
		var standby bool
		_, err = pgx.ForEachRow(rows, []any{&standby, &key, &us}, func() error {
			if err := ofPrimary(standby); err != nil {
				return err
			}
			read, last = read+1, key
			if until := time.UnixMicro(us); until.After(now) {
				page.Counters = append(page.Counters, store.Counter{Key: key, Until: until})
			}
			return nil
		})
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	if read == walkPage {
		page.Next = walkCounter + last
	}
	return page, nil
}
