package openstore

import (
	"bytes"
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store/pgstore"
)

func TestThePasswordOfAStoreNeedsNoCommandLine(t *testing.T) {
	t.Setenv("PGPASSWORD", "hunter2") // which is on no command line
	url := "redis-sentinel://a?master_name=m&sentinel_password=hunter2"
	for name, c := range map[string]struct {
		flags Flags
		env   string
		kind  string
		warns int
	}{
		"nothing":                      {Flags{}, "", "bolt", 0},
		"the environment":              {Flags{}, "redis://u:hunter2@a", "redis", 0},
		"a file":                       {Flags{File: new(storeFile(t, "rediss://u:hunter2@a\n"))}, "", "rediss", 0},
		"a file, and the environment":  {Flags{File: new(storeFile(t, "memory\r\n"))}, "redis://u:hunter2@a", "memory", 0},
		"a flag, and the environment":  {Flags{Spec: new("memory")}, "redis://u:hunter2@a", "memory", 0},
		"a flag without a password":    {Flags{Spec: new("redis://a")}, "", "redis", 0},
		"a flag with a password":       {Flags{Spec: new("redis://u:hunter2@a")}, "", "redis", 1},
		"a flag with that of Sentinel": {Flags{Spec: new(url)}, "", "redis-sentinel", 1},
		"PostgreSQL":                   {Flags{Spec: new("postgresql://u@a,b:5433/auth")}, "", "postgresql", 0},
		"PostgreSQL with a password":   {Flags{Spec: new("postgres://u:hunter2@a:5432,b:5433/auth")}, "", "postgres", 1},
		"PostgreSQL with a parameter":  {Flags{Spec: new("postgres:///auth?host=/run/postgresql&password=hunter2")}, "", "postgres", 1},
		"PostgreSQL, the environment":  {Flags{}, "postgres://u:hunter2@a/auth", "postgres", 0},
	} {
		var log bytes.Buffer
		p, err := c.flags.Place(c.env, secretfile.Rules{}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil || p.Kind != c.kind {
			t.Errorf("%s: %q, %v", name, p.Kind, err)
		}
		if strings.Count(log.String(), "level=WARN") != c.warns || strings.Contains(log.String(), "hunter2") {
			t.Errorf("%s: it says %q", name, &log)
		}
	}
}

func TestTheKeysOfARedisBeginAsItIsSaid(t *testing.T) {
	for want, flags := range map[string]Flags{
		"auth:": {Spec: new("redis://a")},
		"b:":    {Spec: new("unix:///run/redis.sock"), Prefix: new("b:")},
		"":      {Spec: new("redis://a"), Prefix: new("")}, // which redisstore refuses
	} {
		if p, err := flags.Place("", secretfile.Rules{}, discard); err != nil || p.prefix != want {
			t.Errorf("%q, %v, want %q", p.prefix, err, want)
		}
	}
}

func TestTheTablesOfAPostgreSQLAreInTheSchemaThatIsSaid(t *testing.T) {
	for want, flags := range map[string]Flags{
		pgstore.DefaultSchema: {Spec: new("postgres://a")},
		"b":                   {Spec: new("postgres://a"), Schema: new("b")},
	} {
		if p, err := flags.Place("", secretfile.Rules{}, discard); err != nil || p.schema != want {
			t.Errorf("%q, %v, want %q", p.schema, err, want)
		}
	}
}

func TestAFlagIsForItsKindOfStore(t *testing.T) {
	for want, flags := range map[string]Flags{
		"-redis-prefix is for a Redis":         {Spec: new("postgres://a"), Prefix: new("a:")},
		"-from-prefix is for a Redis":          {Side: "from", Spec: new("memory"), Prefix: new("a:")},
		"-postgres-schema is for a PostgreSQL": {Spec: new("redis://a"), Schema: new("a")},
		"-to-schema is for a PostgreSQL":       {Side: "to", Spec: new("bolt:a"), Schema: new("a")},
		"-postgres-schema is empty":            {Spec: new("postgres://a"), Schema: new("")},
		"-to and -to-file exclude each other":  {Side: "to", Spec: new("memory"), File: new("a")},
	} {
		if p, err := flags.Place("", secretfile.Rules{}, discard); err == nil || err.Error() != want {
			t.Errorf("%+v, %v, want %q", p, err, want)
		}
	}
}

func TestAPlaceIsTheSameIfItIsWrittenAlike(t *testing.T) {
	place := func(f Flags) Place {
		t.Helper()
		p, err := f.Place("", secretfile.Rules{}, discard)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one := place(Flags{Spec: new("postgres://a")})
	for _, c := range []struct {
		other Flags
		same  bool
	}{
		{Flags{Spec: new("postgres://a")}, true},
		{Flags{File: new(storeFile(t, "postgres://a\n")), Schema: new(pgstore.DefaultSchema)}, true},
		{Flags{Spec: new("postgres://a"), Schema: new("b")}, false},
		{Flags{Spec: new("postgres://b")}, false},
		{Flags{Spec: new("redis://a")}, false},
	} {
		if got := one.IsSame(place(c.other)); got != c.same {
			t.Errorf("%s: %v", *cmp.Or(c.other.Spec, c.other.File), got)
		}
	}
	redis := place(Flags{Spec: new("redis://a")})
	if !redis.IsSame(place(Flags{Spec: new("redis://a"), Prefix: new(DefaultPrefix)})) || redis.IsSame(place(Flags{Spec: new("redis://a"), Prefix: new("b:")})) {
		t.Error("a Redis is not compared by its prefix")
	}
}

// storeFile makes a file for -store-file.
func storeFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// FuzzParseStore: a -store is one of four kinds, whole, and an error repeats nothing
// that may be a password.
func FuzzParseStore(f *testing.F) {
	for _, spec := range []string{
		"memory", "bolt:auth.db", "bolt::", "redis://localhost", "rediss-cluster://app:hunter2@a?addr=b:2", "redis-sentinel://a?master_name=m", "unix:///run/redis.sock", "unix://app:hunter2@/run/redis.sock?db=1",
		"", "memory:", "bolt", "bolt:", "Bolt:auth.db", "redis", "redis:", "redis://", "redisx://app:hunter2@a", "postgres://app:hunter2@a", "postgresql://a:1,b:2/auth?target_session_attrs=read-write", "postgres:///auth?host=/run/postgresql",
		"postgres://app:hunter2@[", "postgres://app:hunter2%zz@a", "postgres://app:hunter2@a?sslmode=no", "postgres:hunter2", "postgresx://app:hunter2@a", "BOLT:auth.db", "hunter2:hunter2", "://", "auth.db", "unix:", "unix://redis.sock", "unixs:///a",
	} {
		f.Add(spec)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, spec string) {
		p, err := Parse(spec)
		if saw(err == nil); err != nil {
			if p != (Place{}) {
				t.Fatalf("%q: %+v beside %v", spec, p, err)
			}
			if _, rest, _ := strings.Cut(spec, ":"); strings.Contains(rest, "hunter2") && strings.Contains(err.Error(), "hunter2") && !strings.HasPrefix(spec, "hunter2") {
				t.Fatalf("%q: %v", spec, err)
			}
			return
		}
		switch {
		case spec == "memory" && p == (Place{Kind: spec, spec: spec}):
		case p.Kind == "bolt" && p.Path != "" && !p.isShared() && spec == "bolt:"+p.Path:
		case (p.Kind == "postgres" || p.Kind == "postgresql") && p.Path == "" && p.redis == nil && p.postgres != nil && strings.HasPrefix(spec, p.Kind+"://"):
		case (strings.HasPrefix(p.Kind, "redis") || p.Kind == "unix") && p.Path == "" && p.postgres == nil && p.redis != nil && len(p.redis.Addrs) > 0 && strings.HasPrefix(spec, p.Kind+":"):
		default:
			t.Fatalf("%q is taken as %+v", spec, p)
		}
	})
}
