package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// A place is where the -store flag says that records are kept.
type place struct {
	path string // of the bbolt file; "" is memory
}

// parseStore reads the -store flag. Errors name its scheme only: what follows may
// hold a password.
func parseStore(spec string) (place, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case spec == "memory":
		return place{}, nil
	case scheme == "bolt" && rest == "":
		return place{}, errors.New("-store: bolt: needs a path, as in bolt:auth.db")
	case scheme == "bolt":
		return place{path: rest}, nil
	case scheme == "redis" || scheme == "redis-cluster" || scheme == "redis-sentinel":
		return place{}, fmt.Errorf("-store: this build has no Redis adapter yet, so %s: cannot be used", scheme)
	}
	return place{}, fmt.Errorf("-store: unknown store %q; use memory or bolt:PATH", scheme)
}

func (p place) kind() string {
	if p.path == "" {
		return "memory"
	}
	return "bolt"
}

func (p place) open(log *slog.Logger) (store.Store, error) {
	if p.path == "" {
		log.Warn("the store is memory: every account is gone when this process ends")
		return memstore.New(), nil
	}
	// Returned as it is, a nil *boltstore.Store would be a store that is not nil.
	s, err := boltstore.OpenOrCreate(p.path, boltstore.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	return s, nil
}
