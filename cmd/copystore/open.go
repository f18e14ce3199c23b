package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/redisstore"
)

// prefix begins every key on a Redis, as in the example server.
const prefix = "auth:"

// maxSpec is the largest size of a file that names a store, in bytes.
const maxSpec = 1 << 16

// specOf returns the store that a flag names, or the file of its twin. It warns of a password
// in the flag.
func specOf(flag, spec, file string, log *slog.Logger) (string, error) {
	if file != "" {
		text, err := secretfile.Read(file, maxSpec)
		if err != nil {
			return "", fmt.Errorf("%s-file: %w", flag, err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	if u, err := redisstore.ParseURL(spec); err == nil && (u.Password != "" || u.SentinelPassword != "") {
		log.Warn("the password of the store is on the command line, where every user of this machine sees it (ps); use " + flag + "-file")
	}
	return spec, nil
}

// openSource opens a store that must exist. It checks a file from beginning to end, since a
// walk through a damaged one can pass over records without an error.
func openSource(ctx context.Context, spec string, log *slog.Logger) (store.Walker, error) {
	s, err := open(ctx, spec, boltstore.Open, redisstore.Open, log)
	if err != nil {
		return nil, err
	}
	if file, ok := s.(*boltstore.Store); ok {
		if err := file.Verify(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
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
