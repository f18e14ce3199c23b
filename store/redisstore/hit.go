package redisstore

import (
	"context"
	_ "embed"
	"time"

	"github.com/datixlab/auth/store"
)

//go:embed hit.lua
var hitText string
var hitScript = newScript(hitText)

// Hit implements store.Store, with one script. It counts in whole microseconds; a
// limit that is finer is rounded so that it never admits more.
func (s *Store) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := store.CheckHit(key, l, n); err != nil {
		return store.Decision{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Decision{}, err
	}
	defer s.calls.RUnlock()

	every := (l.Every + time.Microsecond - 1).Microseconds()
	sums, err := list(s.run(ctx, command{}, hitScript, s.base(key)+"/"+name(key),
		now.UnixMicro(), every, every*int64(l.Burst), n, keep.Milliseconds()))
	if err != nil {
		return store.Decision{}, err
	}
	if len(sums) != 3 {
		return store.Decision{}, errReply
	}
	counted, ok0 := sums[0].(int64)
	left, ok1 := sums[1].(int64)
	wait, ok2 := sums[2].(int64)
	if !ok0 || !ok1 || !ok2 {
		return store.Decision{}, errReply
	}
	return store.Decision{OK: counted == 1, Left: int(left), RetryAfter: time.Duration(wait) * time.Microsecond}, nil
}
