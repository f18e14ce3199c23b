package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/redisstore"
)

// prefix begins every key on a Redis, as in the example server.
const prefix = "auth:"

// openSource opens a store that must exist.
func openSource(ctx context.Context, spec string, log *slog.Logger) (store.Walker, error) {
	return open(ctx, spec, boltstore.Open, redisstore.Open, log)
}

// openTarget opens a store, and creates it if there is none.
func openTarget(ctx context.Context, spec string, log *slog.Logger) (store.Walker, error) {
	return open(ctx, spec, boltstore.OpenOrCreate, redisstore.OpenOrCreate, log)
}

// open never repeats spec in an error: it may hold a password.
func open(
	ctx context.Context, spec string,
	openBolt func(string, boltstore.Options) (*boltstore.Store, error),
	openRedis func(context.Context, redis.UniversalOptions, redisstore.Options) (*redisstore.Store, error),
	log *slog.Logger,
) (store.Walker, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case scheme == "bolt" && rest == "":
		return nil, errors.New("bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		s, err := openBolt(rest, boltstore.Options{Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	case strings.HasPrefix(scheme, "redis"):
		u, err := redisstore.ParseURL(spec)
		if err != nil {
			return nil, err
		}
		s, err := openRedis(ctx, u, redisstore.Options{Prefix: prefix, Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("unknown store; use bolt:PATH or a Redis URL") // spec may contain a password
}
