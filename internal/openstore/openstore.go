// Package openstore opens the store that a command line names, and finds the root secret that
// belongs to it. The example server and cmd/authctl share it, so that both understand the same
// words, and neither makes a second secret for a store.
package openstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

// What holds if nothing says otherwise.
const (
	DefaultStore  = "bolt:auth.db"
	DefaultPrefix = "auth:" // of the keys on a Redis
)

// Flags are the flags about the store; nil is not given.
type Flags struct {
	Spec, File *string       // -store and -store-file
	Prefix     *string       // -redis-prefix
	LockWait   time.Duration // -lock-wait
}

// Place returns where records are kept: as the one flag says that is given, or env, which is
// from the environment, or else DefaultStore.
func (f Flags) Place(env string, rules secretfile.Rules, log *slog.Logger) (Place, error) {
	spec, from := DefaultStore, "-store"
	switch {
	case f.Spec != nil && f.File != nil:
		return Place{}, errors.New("-store and -store-file exclude each other")
	case f.Spec != nil:
		spec = *f.Spec
	case f.File != nil:
		text, err := rules.ReadText(*f.File, maxSecretFile)
		if err != nil {
			return Place{}, fmt.Errorf("-store-file: %w", err)
		}
		spec, from = text, "-store-file"
	case env != "":
		spec, from = secretfile.Line(env), "AUTH_STORE"
	}
	p, err := Parse(spec)
	if err != nil {
		return Place{}, fmt.Errorf("%s: %w", from, err)
	}
	p.lockWait, p.rules = f.LockWait, rules
	switch {
	case f.Prefix != nil && p.redis == nil:
		return Place{}, errors.New("-redis-prefix is for a Redis")
	case f.Prefix != nil:
		p.prefix = *f.Prefix
	}
	if f.Spec != nil && p.redis != nil && (p.redis.Password != "" || p.redis.SentinelPassword != "") {
		log.Warn("the password of the store is on the command line, where every user of this machine sees it (ps); use -store-file or AUTH_STORE")
	}
	return p, nil
}

// A Place is where records are kept.
type Place struct {
	Kind string // "memory", "bolt", or the scheme of the Redis URL
	Path string // of the bbolt file

	redis  *redis.UniversalOptions
	prefix string // of the keys on the Redis

	lockWait time.Duration    // for another process that has the bbolt file
	rules    secretfile.Rules // for that file and for its secret
}

// Parse parses what -store says. Its errors contain the scheme only, since the rest
// may contain a password.
func Parse(spec string) (Place, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case spec == "memory":
		return Place{Kind: spec}, nil
	case scheme == "bolt" && rest == "":
		return Place{}, errors.New("bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		return Place{Kind: scheme, Path: rest}, nil
	case strings.HasPrefix(scheme, "redis"), scheme == "unix":
		u, err := redisstore.ParseURL(spec)
		if err != nil {
			return Place{}, err
		}
		return Place{Kind: scheme, redis: &u, prefix: DefaultPrefix}, nil
	}
	return Place{}, errors.New("unknown store; use memory, bolt:PATH or a Redis URL") // spec may contain a password
}

// Open opens a store that is there. Its error names no password.
func (p Place) Open(ctx context.Context, log *slog.Logger) (store.Walker, error) {
	return p.open(ctx, log, boltstore.Open, redisstore.Open)
}

// OpenOrCreate is Open, but a store that is not there is made.
func (p Place) OpenOrCreate(ctx context.Context, log *slog.Logger) (store.Walker, error) {
	return p.open(ctx, log, boltstore.OpenOrCreate, redisstore.OpenOrCreate)
}

func (p Place) open(
	ctx context.Context, log *slog.Logger,
	openBolt func(string, boltstore.Options) (*boltstore.Store, error),
	openRedis func(context.Context, redis.UniversalOptions, redisstore.Options) (*redisstore.Store, error),
) (store.Walker, error) {
	switch {
	case p.Path != "":
		// A nil *boltstore.Store in the interface would not be nil, so it must not be
		// returned as it is.
		s, err := openBolt(p.Path, boltstore.Options{LockWait: p.lockWait, InsecureFileMode: p.rules.Insecure, Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	case p.redis != nil:
		s, err := openRedis(ctx, *p.redis, redisstore.Options{Prefix: p.prefix, Logger: log})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	log.Warn("the store is memory: every account is gone when this process ends")
	return memstore.New(), nil
}

// RefuseUnfinished refuses a store that cmd/copystore has not finished. Its next run
// would undo what is done here.
func RefuseUnfinished(ctx context.Context, s store.Store) error {
	found, err := s.Get(ctx, "copystore/unfinished")
	if err == nil && found[0] != nil {
		err = errors.New("the store is an unfinished copy: run copystore with -final")
	}
	return err
}
