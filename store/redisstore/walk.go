package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/store"
)

var _ store.Walker = (*Store)(nil)

const (
	walkKeys    = 500 // keys that SCAN looks at for a page
	walkRecords = 500 // records of one partition that are read at a time
	walkAtOnce  = 16  // commands at once
)

// Walk implements store.Walker with SCAN, master by master. A page contains whole
// partitions, so it takes as much memory as the largest of them. If a server restarts,
// fails over or moves slots during a walk, walk again.
func (s *Store) Walk(ctx context.Context, after string) (store.Page, error) {
	if err := s.enter(ctx); err != nil {
		return store.Page{}, err
	}
	defer s.calls.RUnlock()

	node, cursor, err := parsePlace(after)
	if err != nil {
		return store.Page{}, err
	}
	masters, err := s.masters(ctx)
	if err != nil {
		return store.Page{}, err
	}
	at := 0
	if node != "" {
		at = slices.IndexFunc(masters, func(c *redis.Client) bool { return c.Options().Addr == node })
	}
	if at < 0 {
		return store.Page{}, fmt.Errorf("%w: redisstore: %s is no master any more: begin the walk again", store.ErrInvalid, node)
	}
	keys, next, err := masters[at].Scan(ctx, cursor, s.pattern(), walkKeys).Result()
	if err != nil {
		return store.Page{}, describe(ctx, err)
	}
	page, err := s.readAll(ctx, keys)
	if err != nil {
		return store.Page{}, err
	}
	switch {
	case next != 0:
		page.Next = place(masters[at], next)
	case at+1 < len(masters):
		page.Next = place(masters[at+1], 0)
	}
	return page, nil
}

// A place in a walk is a master and the cursor of its SCAN.
func place(c *redis.Client, cursor uint64) string {
	return strconv.FormatUint(cursor, 10) + "@" + c.Options().Addr
}

func parsePlace(after string) (node string, cursor uint64, err error) {
	if after == "" {
		return "", 0, nil
	}
	text, node, ok := strings.Cut(after, "@")
	if cursor, err = strconv.ParseUint(text, 10, 64); err != nil || !ok || node == "" {
		return "", 0, fmt.Errorf("%w: walk from %q", store.ErrInvalid, after)
	}
	return node, cursor, nil
}

// masters returns the masters in an order that does not change.
func (s *Store) masters(ctx context.Context) ([]*redis.Client, error) {
	if s.cluster == nil {
		return []*redis.Client{s.client.(*redis.Client)}, nil
	}
	var mu sync.Mutex
	var masters []*redis.Client
	err := s.cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, c)
		return nil
	})
	if err != nil {
		return nil, describe(ctx, err)
	}
	slices.SortFunc(masters, func(a, b *redis.Client) int { return strings.Compare(a.Options().Addr, b.Options().Addr) })
	return masters, nil
}

// pattern matches every key of the Store, and perhaps others.
func (s *Store) pattern() string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s.prefix) + "{*"
}

// readAll reads the partitions and counters under keys that SCAN found.
func (s *Store) readAll(ctx context.Context, keys []string) (store.Page, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var page store.Page
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, walkAtOnce)
	for _, key := range keys {
		partition, rest, ok := strings.Cut(strings.TrimPrefix(key, s.prefix+"{"), "}")
		record := partition + "/any"
		if !ok || store.Partition(record) != partition || !store.ValidKey(record) || rest != "" && (rest[0] != '/' || !store.ValidKey(partition+rest)) {
			continue // of another program
		}
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			var records []store.Record
			var counters []store.Counter
			var err error
			if rest == "" {
				records, err = s.readPartition(ctx, partition)
			} else {
				counters, err = s.readCounter(ctx, key, partition+rest)
			}
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			page.Records = append(page.Records, records...)
			page.Counters = append(page.Counters, counters...)
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return store.Page{}, context.Cause(ctx)
	}
	return page, nil
}

func (s *Store) readPartition(ctx context.Context, partition string) (records []store.Record, err error) {
	for first := "(\x02"; ; { // after the expiries
		found, err := s.zrange(ctx, s.base(partition+"/"), first, "+", walkRecords)
		if err != nil {
			return nil, err
		}
		for _, member := range found {
			name, value, err := decode(member)
			if err != nil {
				return nil, err
			}
			expires, err := decodeExpiry(member.(string)[len(name)+1:][:expiryLen])
			if err != nil {
				return nil, err
			}
			records = append(records, store.Record{Key: partition + "/" + name, Value: value, Expires: expires})
			first = "(" + name + "\x01"
		}
		if len(found) < walkRecords {
			return records, nil
		}
	}
}

func decodeExpiry(digits string) (time.Time, error) {
	if digits == never {
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return time.Time{}, errReply
	}
	return time.UnixMilli(ms), nil
}

func (s *Store) readCounter(ctx context.Context, redisKey, key string) ([]store.Counter, error) {
	reply, err := s.send(ctx, command{}, []any{"get", redisKey})
	if errors.Is(err, redis.Nil) { // it ended meanwhile
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, _ := reply.Val().(string)
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, errReply
	}
	until := time.UnixMicro(us)
	if !until.After(time.Now()) {
		return nil, nil
	}
	return []store.Counter{{Key: key, Until: until}}, nil
}
