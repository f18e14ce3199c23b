package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/redisstore"
)

// defaultPrefix begins every key on a Redis, as in the example server.
const defaultPrefix = "auth:"

// maxSpec is the largest size of a file that names a store, in bytes.
const maxSpec = 1 << 16

// A side is one of the two stores, as the flags say. Its name is that of its first flag.
type side struct {
	name, spec, file string
	prefix           string // of the keys on a Redis; "" is not given
}

// A place is where a store is.
type place struct{ spec, prefix string }

// place returns the store that the flags name. It warns of a password on the command line.
func (s side) place(rules secretfile.Rules) (place, error) {
	spec := s.spec
	if s.file != "" {
		text, err := rules.ReadText(s.file, maxSpec)
		if err != nil {
			return place{}, fmt.Errorf("%s-file: %w", s.name, err)
		}
		spec = text
	} else if u, err := redisstore.ParseURL(spec); err == nil && (u.Password != "" || u.SentinelPassword != "") {
		rules.Logger.Warn("the password of the store is on the command line, where every user of this machine sees it (ps); use " + s.name + "-file")
	}
	switch isBolt := strings.HasPrefix(spec, "bolt:"); {
	case isBolt && s.prefix != "":
		return place{}, fmt.Errorf("%s-prefix is for a Redis", s.name)
	case isBolt:
		return place{spec, ""}, nil
	}
	return place{spec, cmp.Or(s.prefix, defaultPrefix)}, nil
}

// An access says how stores are opened.
type access struct {
	lockWait time.Duration // for another process that has a bolt file
	rules    secretfile.Rules
}

// openSource opens a store that must exist. It checks a file from beginning to end, since a
// walk through a damaged one can pass over records without an error.
func (a access) openSource(ctx context.Context, p place) (store.Walker, error) {
	s, err := a.open(ctx, p, boltstore.Open, redisstore.Open)
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
func (a access) openTarget(ctx context.Context, p place) (store.Walker, error) {
	return a.open(ctx, p, boltstore.OpenOrCreate, redisstore.OpenOrCreate)
}

// open never repeats p in an error: it may hold a password.
func (a access) open(
	ctx context.Context, p place,
	openBolt func(string, boltstore.Options) (*boltstore.Store, error),
	openRedis func(context.Context, redis.UniversalOptions, redisstore.Options) (*redisstore.Store, error),
) (store.Walker, error) {
	scheme, rest, _ := strings.Cut(p.spec, ":")
	switch {
	case scheme == "bolt" && rest == "":
		return nil, errors.New("bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		s, err := openBolt(rest, boltstore.Options{LockWait: a.lockWait, InsecureFileMode: a.rules.Insecure, Logger: a.rules.Logger})
		if err != nil {
			return nil, err
		}
		return s, nil
	case strings.HasPrefix(scheme, "redis"), scheme == "unix":
		u, err := redisstore.ParseURL(p.spec)
		if err != nil {
			return nil, err
		}
		s, err := openRedis(ctx, u, redisstore.Options{Prefix: p.prefix, Logger: a.rules.Logger})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("unknown store; use bolt:PATH or a Redis URL") // spec may contain a password
}
