package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

// redisPrefix is what the program's keys on a Redis begin with.
const redisPrefix = "auth:"

// A place is where the -store flag says that records are kept.
type place struct {
	kind  string                  // "memory", "bolt", or the scheme of the Redis URL
	path  string                  // of the bbolt file
	redis *redis.UniversalOptions // of the Redis
}

// parseStore reads the -store flag. Errors name its scheme only: what follows may
// hold a password.
func parseStore(spec string) (place, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case spec == "memory":
		return place{kind: spec}, nil
	case scheme == "bolt" && rest == "":
		return place{}, errors.New("-store: bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		return place{kind: scheme, path: rest}, nil
	case strings.HasPrefix(scheme, "redis"):
		u, err := redisstore.ParseURL(spec)
		if err != nil {
			return place{}, fmt.Errorf("-store: %w", err)
		}
		return place{kind: scheme, redis: &u}, nil
	}
	return place{}, errors.New("-store: unknown store; use memory, bolt:PATH or a Redis URL") // what stands there may be a password
}

func (p place) open(ctx context.Context, log *slog.Logger) (store.Walker, error) {
	switch {
	case p.path != "":
		// Returned as it is, a nil *boltstore.Store would be a store that is not nil.
		s, err := boltstore.OpenOrCreate(p.path, boltstore.Options{Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	case p.redis != nil:
		s, err := redisstore.OpenOrCreate(ctx, *p.redis, redisstore.Options{Prefix: redisPrefix, Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	log.Warn("the store is memory: every account is gone when this process ends")
	return memstore.New(), nil
}

// refuseUnfinished refuses what cmd/copystore has not finished yet: the next run of it
// would undo what was done here.
func refuseUnfinished(ctx context.Context, s store.Store) error {
	found, err := s.Get(ctx, "copystore/unfinished")
	if err == nil && found[0] != nil {
		err = errors.New("the store is an unfinished copy: run copystore with -final")
	}
	return err
}
