package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/redisstore"
)

var errOpened = errors.New("opened")

// FuzzOpen: a store on the command line is a file, in whole, or a Redis, and an error
// repeats nothing that may be a password.
func FuzzOpen(f *testing.F) {
	for _, spec := range []string{
		"bolt:auth.db", "bolt::", "redis://localhost", "rediss-cluster://app:hunter2@a",
		"", "memory", "bolt", "bolt:", "BOLT:auth.db", "redis:", "redisx://app:hunter2@a", "postgres://app:hunter2@a", "://", "hunter2:hunter2",
	} {
		f.Add(spec)
	}
	a := access{rules: secretfile.Rules{Logger: slog.New(slog.DiscardHandler)}}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, spec string) {
		if _, err := redisstore.ParseURL(spec); err == nil {
			return // it would be connected to
		}
		path := ""
		s, err := a.open(t.Context(), place{spec, defaultPrefix}, func(p string, _ boltstore.Options) (*boltstore.Store, error) {
			path = p
			return nil, errOpened
		}, redisstore.Open)
		opened := errors.Is(err, errOpened)
		saw(opened)
		if s != nil || err == nil || opened != (path != "") || opened && spec != "bolt:"+path {
			t.Fatalf("%q: %v, opened %q", spec, err, path)
		}
		if strings.Contains(spec, "hunter2") && strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("%q: %v", spec, err)
		}
	})
}
