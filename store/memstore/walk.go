package memstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/store"
)

var _ store.Walker = (*Store)(nil)

// Walk implements store.Walker. A page contains one shard.
func (s *Store) Walk(ctx context.Context, after string) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, fmt.Errorf("memstore: %w", err)
	}
	at := 0
	if after != "" {
		var err error
		if at, err = strconv.Atoi(after); err != nil || at < 1 || at >= shards {
			return store.Page{}, fmt.Errorf("%w: walk from %q", store.ErrInvalid, after)
		}
	}
	hits := s.hits.Load()
	if hits == nil {
		return store.Page{}, store.ErrClosed
	}
	var page store.Page
	var err error
	if page.Records, err = s.shards[at].all(); err != nil {
		return store.Page{}, err
	}
	for _, c := range hits.Live(at, s.now()) {
		page.Counters = append(page.Counters, store.Counter{Key: c.Key, Until: time.Unix(0, c.State)})
	}
	if at++; at < shards {
		page.Next = strconv.Itoa(at)
	}
	return page, nil
}

// Page n has shard n of the records and shard n of the counters.
var _ [0]struct{} = [shards - hitcount.Shards]struct{}{}

func (s *shard) all() ([]store.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.partitions == nil {
		return nil, store.ErrClosed
	}
	var records []store.Record
	for _, p := range s.partitions {
		for _, r := range p {
			records = append(records, store.Record{Key: r.key, Value: clone(r.value), Expires: r.expires})
		}
	}
	return records, nil
}
