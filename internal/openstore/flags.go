package openstore

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store/pgstore"
)

// Flags are the flags about a store; nil is not given.
type Flags struct {
	// Side is "from" or "to" in a command with two stores. The names of its flags begin with it.
	Side string

	Spec, File *string       // -store and -store-file, or -from and -from-file
	Prefix     *string       // -redis-prefix, or -from-prefix
	Schema     *string       // -postgres-schema, or -from-schema
	LockWait   time.Duration // -lock-wait, which every command adds by itself
}

// name returns the name of a flag: that of a command with one store, or else the side and rest.
func (f Flags) name(alone, rest string) string {
	if f.Side == "" {
		return "-" + alone
	}
	return "-" + f.Side + rest
}

func (f Flags) spec() string   { return f.name("store", "") }
func (f Flags) file() string   { return f.name("store-file", "-file") }
func (f Flags) prefix() string { return f.name("redis-prefix", "-prefix") }
func (f Flags) schema() string { return f.name("postgres-schema", "-schema") }

// Add adds the flags to those of a command. The help of the first one is about.
func (f *Flags) Add(flags *flag.FlagSet, about string) {
	add := func(name string, to **string, about string) {
		flags.Func(name[1:], about, func(value string) error { *to = &value; return nil })
	}
	add(f.spec(), &f.Spec, about)
	add(f.file(), &f.File, "`file` with what "+f.spec()+" would say, for a URL with a password: on the command line others see it; its mode is 0600")
	add(f.prefix(), &f.Prefix, "`prefix` of the keys on a Redis (default "+DefaultPrefix+")")
	add(f.schema(), &f.Schema, "`schema` of the tables on a PostgreSQL (default "+pgstore.DefaultSchema+")")
}

// Place returns where records are kept: as the one flag says that is given, or env, which is
// from the environment, or else DefaultStore.
func (f Flags) Place(env string, rules secretfile.Rules, log *slog.Logger) (Place, error) {
	spec, from := DefaultStore, f.spec()
	switch {
	case f.Spec != nil && f.File != nil:
		return Place{}, fmt.Errorf("%s and %s exclude each other", f.spec(), f.file())
	case f.Spec != nil:
		spec = *f.Spec
	case f.File != nil:
		text, err := rules.ReadText(*f.File, maxSecretFile)
		if err != nil {
			return Place{}, fmt.Errorf("%s: %w", f.file(), err)
		}
		spec, from = text, f.file()
	case env != "":
		spec, from = secretfile.Line(env), "AUTH_STORE"
	}
	p, err := Parse(spec)
	if err != nil {
		return Place{}, fmt.Errorf("%s: %w", from, err)
	}
	switch {
	case f.Prefix != nil && p.redis == nil:
		return Place{}, errors.New(f.prefix() + " is for a Redis")
	case f.Schema != nil && p.postgres == nil:
		return Place{}, errors.New(f.schema() + " is for a PostgreSQL")
	case f.Schema != nil && *f.Schema == "": // which pgstore takes as the default
		return Place{}, errors.New(f.schema() + " is empty")
	}
	if f.Prefix != nil {
		p.prefix = *f.Prefix
	}
	if f.Schema != nil {
		p.schema = *f.Schema
	}
	p.lockWait, p.rules = f.LockWait, rules
	if f.Spec != nil && p.hasPassword() {
		instead := f.file()
		if f.Side == "" {
			instead += " or AUTH_STORE"
		}
		log.Warn("the password of the store is on the command line, where every user of this machine sees it (ps); use " + instead)
	}
	return p, nil
}
