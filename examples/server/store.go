package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

// redisPrefix begins the program's keys on a Redis, if nothing says otherwise.
const redisPrefix = "auth:"

// lockWait is how long a start waits for the process before it, if nothing says otherwise.
// That one may take drainTime for its requests, and as long for its events.
const lockWait = 20 * time.Second

// defaultStore is where records are kept if nothing says otherwise.
const defaultStore = "bolt:auth.db"

// storeFlags are the flags about the store; nil is not given.
type storeFlags struct {
	spec, file, prefix *string
	lockWait           time.Duration
}

// place returns where records are kept: as the one flag says that is given, or env, which is
// from the environment, or else defaultStore.
func (f storeFlags) place(env auth.Secret, rules secretfile.Rules, log *slog.Logger) (place, error) {
	spec, from := defaultStore, "-store"
	switch {
	case f.spec != nil && f.file != nil:
		return place{}, errors.New("-store and -store-file exclude each other")
	case f.spec != nil:
		spec = *f.spec
	case f.file != nil:
		text, err := rules.ReadText(*f.file, maxSecretFile)
		if err != nil {
			return place{}, fmt.Errorf("-store-file: %w", err)
		}
		spec, from = text, "-store-file"
	case env != "":
		spec, from = secretfile.Line(string(env)), "AUTH_STORE"
	}
	p, err := parseStore(spec)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", from, err)
	}
	p.lockWait, p.rules = f.lockWait, rules
	switch {
	case f.prefix != nil && p.redis == nil:
		return place{}, errors.New("-redis-prefix is for a Redis")
	case f.prefix != nil:
		p.prefix = *f.prefix
	}
	if f.spec != nil && p.redis != nil && (p.redis.Password != "" || p.redis.SentinelPassword != "") {
		log.Warn("the password of the store is on the command line, where every user of this machine sees it (ps); use -store-file or AUTH_STORE")
	}
	return p, nil
}

// A place is where records are kept.
type place struct {
	kind   string                  // "memory", "bolt", or the scheme of the Redis URL
	path   string                  // of the bbolt file
	redis  *redis.UniversalOptions // of the Redis
	prefix string                  // of the keys on the Redis

	lockWait time.Duration    // for another process that has the bbolt file
	rules    secretfile.Rules // for that file and for its secret
}

// parseStore parses what -store says. Its errors contain the scheme only, since the rest
// may contain a password.
func parseStore(spec string) (place, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case spec == "memory":
		return place{kind: spec}, nil
	case scheme == "bolt" && rest == "":
		return place{}, errors.New("bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		return place{kind: scheme, path: rest}, nil
	case strings.HasPrefix(scheme, "redis"), scheme == "unix":
		u, err := redisstore.ParseURL(spec)
		if err != nil {
			return place{}, err
		}
		return place{kind: scheme, redis: &u, prefix: redisPrefix}, nil
	}
	return place{}, errors.New("unknown store; use memory, bolt:PATH or a Redis URL") // spec may contain a password
}

func (p place) open(ctx context.Context, log *slog.Logger) (store.Walker, error) {
	switch {
	case p.path != "":
		// A nil *boltstore.Store in the interface would not be nil, so it must not be
		// returned as it is.
		s, err := boltstore.OpenOrCreate(p.path, boltstore.Options{LockWait: p.lockWait, InsecureFileMode: p.rules.Insecure, Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	case p.redis != nil:
		s, err := redisstore.OpenOrCreate(ctx, *p.redis, redisstore.Options{Prefix: p.prefix, Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	log.Warn("the store is memory: every account is gone when this process ends")
	return memstore.New(), nil
}

// refuseUnfinished refuses a store that cmd/copystore has not finished. Its next run
// would undo what is done here.
func refuseUnfinished(ctx context.Context, s store.Store) error {
	found, err := s.Get(ctx, "copystore/unfinished")
	if err == nil && found[0] != nil {
		err = errors.New("the store is an unfinished copy: run copystore with -final")
	}
	return err
}
