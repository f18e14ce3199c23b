// Package openstore opens the store that a command line names, and finds the root secret that
// belongs to it. The example server, cmd/authctl and cmd/copystore share it, so that all understand
// the same words, and none makes a second secret for a store.
package openstore

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/redisstore"
)

// What holds if nothing says otherwise.
const (
	DefaultStore  = "bolt:auth.db"
	DefaultPrefix = "auth:" // of the keys on a Redis
)

// URLs names the URLs of the stores that have one, for the help of a command.
const URLs = "redis://…, redis-cluster://…, redis-sentinel://…, unix:///PATH or postgres://…"

// A Place is where records are kept.
type Place struct {
	Kind string // "memory", "bolt", or the scheme of the URL
	Path string // of the bbolt file

	spec     string
	redis    *redis.UniversalOptions
	prefix   string // of the keys on the Redis
	postgres *pgxpool.Config
	schema   string // of the tables on the PostgreSQL

	lockWait time.Duration    // for another process that has the bbolt file
	rules    secretfile.Rules // for that file and for its secret
}

// Parse parses what -store says. Its errors contain the scheme only, since the rest
// may contain a password.
func Parse(spec string) (Place, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case spec == "memory":
		return Place{Kind: spec, spec: spec}, nil
	case scheme == "bolt" && rest == "":
		return Place{}, errors.New("bolt: needs a path, as in " + DefaultStore)
	case scheme == "bolt":
		return Place{Kind: scheme, Path: rest, spec: spec}, nil
	case strings.HasPrefix(scheme, "redis"), scheme == "unix":
		u, err := redisstore.ParseURL(spec)
		if err != nil {
			return Place{}, err
		}
		return Place{Kind: scheme, redis: &u, prefix: DefaultPrefix, spec: spec}, nil
	case scheme == "postgres", scheme == "postgresql":
		c, err := pgstore.ParseURL(spec)
		if err != nil {
			return Place{}, err
		}
		return Place{Kind: scheme, postgres: c, schema: pgstore.DefaultSchema, spec: spec}, nil
	}
	return Place{}, errors.New("unknown store; use memory, bolt:PATH, or the URL of a Redis or a PostgreSQL") // spec may contain a password
}

// IsSame says whether two Places are written alike, and so are one store.
func (p Place) IsSame(q Place) bool {
	return p.spec == q.spec && p.prefix == q.prefix && p.schema == q.schema
}

// hasPassword says whether a password is written in a Place. That of a file or of the environment,
// such as PGPASSWORD, is not.
func (p Place) hasPassword() bool {
	if p.redis == nil && p.postgres == nil {
		return false
	}
	u, err := url.Parse(p.spec)
	if err != nil {
		return true // the driver reads more than a URL, so what is in it is not known
	}
	password, _ := u.User.Password()
	for _, parameter := range []string{"password", "sentinel_password", "sslpassword"} {
		password += u.Query().Get(parameter)
	}
	return password != ""
}

// Open opens a store that is there. Its error names no password.
func (p Place) Open(ctx context.Context, log *slog.Logger) (store.Walker, error) {
	return p.open(ctx, log, boltstore.Open, redisstore.Open, pgstore.Open)
}

// OpenOrCreate is Open, but a store that is not there is made.
func (p Place) OpenOrCreate(ctx context.Context, log *slog.Logger) (store.Walker, error) {
	return p.open(ctx, log, boltstore.OpenOrCreate, redisstore.OpenOrCreate, pgstore.OpenOrCreate)
}

func (p Place) open(
	ctx context.Context, log *slog.Logger,
	openBolt func(string, boltstore.Options) (*boltstore.Store, error),
	openRedis func(context.Context, redis.UniversalOptions, redisstore.Options) (*redisstore.Store, error),
	openPostgres func(context.Context, *pgxpool.Config, pgstore.Options) (*pgstore.Store, error),
) (store.Walker, error) {
	switch {
	case p.Path != "":
		return orNil(openBolt(p.Path, boltstore.Options{LockWait: p.lockWait, InsecureFileMode: p.rules.Insecure, Logger: log}))
	case p.redis != nil:
		return orNil(openRedis(ctx, *p.redis, redisstore.Options{Prefix: p.prefix, Logger: log}))
	case p.postgres != nil:
		return orNil(openPostgres(ctx, p.postgres, pgstore.Options{Schema: p.schema, Logger: log}))
	}
	log.Warn("the store is memory: every account is gone when this process ends")
	return memstore.New(), nil
}

// orNil returns s, or nil beside an error. A nil pointer in the interface would not be nil.
func orNil[S store.Walker](s S, err error) (store.Walker, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Migrate brings the schema of a PostgreSQL to this version, and returns its name. Other stores have
// none, and for them it returns "".
func (p Place) Migrate(ctx context.Context, log *slog.Logger) (schema string, err error) {
	if p.postgres == nil {
		return "", nil
	}
	return p.schema, pgstore.Migrate(ctx, p.postgres, pgstore.Options{Schema: p.schema, Logger: log})
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
