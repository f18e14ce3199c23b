package redisstore_test

import (
	"crypto/tls"
	"reflect"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store/redisstore"
)

func TestURLs(t *testing.T) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	for text, want := range map[string]redis.UniversalOptions{
		"redis://localhost":               {Addrs: []string{"localhost:6379"}},
		"redis://localhost:7000/":         {Addrs: []string{"localhost:7000"}},
		"redis://[::1]:7000/3":            {Addrs: []string{"[::1]:7000"}, DB: 3},
		"redis://:hunter2@db":             {Addrs: []string{"db:6379"}, Password: "hunter2"},
		"rediss://app:h%40%2F%3A2@db:1/2": {Addrs: []string{"db:1"}, Username: "app", Password: "h@/:2", DB: 2, TLSConfig: secure},
		"redis-cluster://a:1":             {Addrs: []string{"a:1"}, IsClusterMode: true},
		"rediss-cluster://app:p@a:1?addr=b:2&addr=[::1]:3": {
			Addrs: []string{"a:1", "b:2", "[::1]:3"}, Username: "app", Password: "p", IsClusterMode: true, TLSConfig: secure,
		},
		"redis-sentinel://a?master_name=m": {Addrs: []string{"a:26379"}, MasterName: "m"},
		"rediss-sentinel://app:p@a:1/4?master_name=m&addr=b:2&sentinel_username=s&sentinel_password=q%26": {
			Addrs: []string{"a:1", "b:2"}, Username: "app", Password: "p", DB: 4, MasterName: "m",
			SentinelUsername: "s", SentinelPassword: "q&", TLSConfig: secure,
		},
		"unix:///run/redis/redis.sock":               {Addrs: []string{"/run/redis/redis.sock"}},
		"unix:/run/redis.sock":                       {Addrs: []string{"/run/redis.sock"}},
		"unix://app:hunter2@/run/a%20b%3F.sock?db=3": {Addrs: []string{"/run/a b?.sock"}, Username: "app", Password: "hunter2", DB: 3},
	} {
		if got, err := redisstore.ParseURL(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseURL(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

var malformed = []string{
	"", "localhost:6379", "//localhost", "http://localhost", "redis:localhost", "redis://", "redis:///1", "redis://:hunter2@",
	"rediss-server://a", "redis-://a:1/x", "redis+cluster://a", "redis://a#1", "redis://a:port", "redis://a/x", "redis://a/-1", "redis://a/1/2",
	"redis://hunter2@a", "redis://app:@a", "redis://a?addr=b:1", "redis://a?db=1", "redis://a?master_name=m",
	"redis-cluster://a/1", "redis-cluster://a?addr=b", "redis-cluster://a?addr=:1", "redis-cluster://a?addr=", "redis-cluster://a?read_only=true",
	"redis-sentinel://a", "redis-sentinel://a?master_name=", "redis-sentinel://a?master_name=m&master_name=n", "redis-sentinel://a?master_name=m&x=%zz",
	"redis://app:hunter2/x@a", "redis://app:hunter2#@a", "redis://app:12?hunter2@a:1", "redis://app:%hunter2@a", "redis://app:hunter2 @a",
	"unix:", "unix://", "unix:///", "unix://run/redis.sock", "unix:redis.sock", "unix:///run/a?db=-1", "unix:///run/a?db=hunter2", "unix:///run/a?db=1&db=2",
	"unix:///run/a?addr=b:1", "unix-cluster:///run/a", "unixs:///run/a", "redis-unix:///run/a", "unix:///run/a?password=hunter2", "unix://app:@/run/a",
	"hunter2://a", "redis://a/hunter2", "redis-sentinel://a?master_name=m&sentinel_pass=hunter2", "redis-cluster://a?addr=app:hunter2@b:1:2",
}

func TestMalformedURLsAreRefusedAndNotRepeated(t *testing.T) {
	for _, text := range malformed {
		u, err := redisstore.ParseURL(text)
		if err == nil {
			t.Errorf("ParseURL(%q) = %+v, want an error", text, u)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "redisstore: ") || !reflect.DeepEqual(u, redis.UniversalOptions{}) {
			t.Errorf("ParseURL(%q) = %+v, %v", text, u, err)
		}
	}
}

func TestAnAddressWithoutASchemeIsToldHowAURLBegins(t *testing.T) {
	for _, text := range []string{"", "localhost", "localhost:6379", "127.0.0.1:6379", "[::1]:6379", "redis:localhost", "/run/redis.sock", "unix:redis.sock", "hunter2:6379", "tcp://localhost:6379"} {
		if _, err := redisstore.ParseURL(text); err == nil || !strings.Contains(err.Error(), "must begin with redis://") {
			t.Errorf("ParseURL(%q): %v", text, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range malformed {
		f.Add(text)
	}
	f.Add("rediss-sentinel://app:hunter2@a:1/4?master_name=m&addr=b:2")
	f.Add("redis-cluster://app:hunter2@a?addr=b:2")
	f.Add("unix://app:hunter2@/run/redis.sock?db=1")
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, text string) {
		u, err := redisstore.ParseURL(text)
		saw(err == nil)
		switch {
		case err != nil:
			if strings.Contains(text, "hunter2") && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("ParseURL(%q): %v", text, err)
			}
		case len(u.Addrs) == 0, u.DB < 0, u.IsClusterMode && u.MasterName != "", u.Password == "" && u.Username != "":
			t.Errorf("ParseURL(%q) = %+v", text, u)
		}
	})
}
