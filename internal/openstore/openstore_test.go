package openstore

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/secretfile"
)

func TestThePasswordOfAStoreNeedsNoCommandLine(t *testing.T) {
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

// storeFile makes a file for -store-file.
func storeFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// FuzzParseStore: a -store is one of three kinds, whole, and an error repeats nothing
// that may be a password.
func FuzzParseStore(f *testing.F) {
	for _, spec := range []string{
		"memory", "bolt:auth.db", "bolt::", "redis://localhost", "rediss-cluster://app:hunter2@a?addr=b:2", "redis-sentinel://a?master_name=m", "unix:///run/redis.sock", "unix://app:hunter2@/run/redis.sock?db=1",
		"", "memory:", "bolt", "bolt:", "Bolt:auth.db", "redis", "redis:", "redis://", "redisx://app:hunter2@a", "postgres://app:hunter2@a", "://", "auth.db", "unix:", "unix://redis.sock", "unixs:///a",
	} {
		f.Add(spec)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, spec string) {
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
		case spec == "memory" && p == (Place{Kind: "memory"}):
		case p.Kind == "bolt" && p.Path != "" && p.redis == nil && spec == "bolt:"+p.Path:
		case (strings.HasPrefix(p.Kind, "redis") || p.Kind == "unix") && p.Path == "" && p.redis != nil && len(p.redis.Addrs) > 0 && strings.HasPrefix(spec, p.Kind+":"):
		default:
			t.Fatalf("%q is taken as %+v", spec, p)
		}
	})
}
