package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/redisstore"
)

// prefix is what keys begin with on a Redis, here as in the example server.
const prefix = "auth:"

// openSource opens a store that must be there.
func openSource(ctx context.Context, spec string, log *slog.Logger) (store.Walker, error) {
	return open(ctx, spec, boltstore.Open, redisstore.Options{Prefix: prefix, MustExist: true, Logger: log})
}

// openTarget opens a store, and makes it where there is none.
func openTarget(ctx context.Context, spec string, log *slog.Logger) (store.Walker, error) {
	return open(ctx, spec, boltstore.OpenOrCreate, redisstore.Options{Prefix: prefix, Logger: log})
}

// open never repeats spec in an error: it may hold a password.
func open(ctx context.Context, spec string, bolt func(string, boltstore.Options) (*boltstore.Store, error), o redisstore.Options) (store.Walker, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case scheme == "bolt" && rest == "":
		return nil, errors.New("bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		s, err := bolt(rest, boltstore.Options{Logger: o.Logger})
		if err != nil {
			return nil, err
		}
		return s, nil
	case strings.HasPrefix(scheme, "redis"):
		u, err := redisstore.ParseURL(spec)
		if err != nil {
			return nil, err
		}
		s, err := redisstore.Open(ctx, u, o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, fmt.Errorf("unknown store %q; use bolt:PATH or a Redis URL", scheme)
}
