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

// Hit implements store.Store, with one script. It counts in whole microseconds. A finer
// limit is rounded so that it never admits more.
func (s *Store) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := store.CheckHit(key, l, n); err != nil {
		return store.Decision{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Decision{}, err
	}
	defer s.calls.RUnlock()

	at, every := now.UnixMicro(), (l.Every + time.Microsecond - 1).Microseconds()
	reply, err := s.run(ctx, command{}, hitScript, s.base(key)+"/"+name(key), at, at+every*int64(l.Burst), every*int64(n))
	if err != nil {
		return store.Decision{}, err
	}
	state, ok := reply.Val().(int64)
	if !ok {
		return store.Decision{}, errReply
	}
	l.Every = time.Duration(every) * time.Microsecond
	_, decision := l.Apply(state*1000, n, time.UnixMicro(at))
	return decision, nil
}
