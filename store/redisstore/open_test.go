package redisstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
	"github.com/datixlab/auth/store/storetest"
)

// wantRefused demands that Open fails within a second and says why.
func wantRefused(t *testing.T, u redis.UniversalOptions, o redisstore.Options, why string) {
	t.Helper()
	begin := time.Now()
	s, err := redisstore.OpenOrCreate(ever, u, o)
	if err == nil {
		s.Close()
		t.Fatalf("Open succeeded, want an error that says %q", why)
	}
	if text := err.Error(); !strings.Contains(text, why) || strings.Count(text, "redisstore: ") != 1 {
		t.Errorf("Open: error %q, want one that says %q", text, why)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("Open took %v to fail", d)
	}
}

// ST-9, F-R9.
func TestOptionsThatBreakTheContractAreRefused(t *testing.T) {
	for why, change := range map[string]func(*redis.UniversalOptions, *redisstore.Options){
		"no address":           func(u *redis.UniversalOptions, _ *redisstore.Options) { u.Addrs = nil },
		"read from replicas":   func(u *redis.UniversalOptions, _ *redisstore.Options) { u.ReadOnly = true },
		"read from replicas, ": func(u *redis.UniversalOptions, _ *redisstore.Options) { u.RouteByLatency = true },
		"RouteRandomly":        func(u *redis.UniversalOptions, _ *redisstore.Options) { u.RouteRandomly = true },
		"client-side": func(u *redis.UniversalOptions, _ *redisstore.Options) {
			u.ClientSideCacheConfig = &redis.ClientSideCacheConfig{}
		},
		"client-side cache": func(u *redis.UniversalOptions, _ *redisstore.Options) {
			u.ClientSideCache = redis.NewLocalCache(redis.CacheConfig{})
		},
		"exclude each other":     func(u *redis.UniversalOptions, _ *redisstore.Options) { u.MasterName, u.IsClusterMode = "m", true },
		"database 0 only":        func(u *redis.UniversalOptions, _ *redisstore.Options) { u.IsClusterMode, u.DB = true, 1 },
		"a cluster has database": func(u *redis.UniversalOptions, _ *redisstore.Options) { u.Addrs, u.DB = []string{"a:1", "b:1"}, 1 },
		"Prefix must":            func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Prefix = "" },
		"Prefix must be":         func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Prefix = "a{b}" },
		"Prefix must be 1":       func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Prefix = "a b" },
		"Prefix must be 1 to":    func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Prefix = "é" },
		"Prefix must be 1 to 64": func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Prefix = strings.Repeat("a", 65) },
		"Replicas must":          func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Replicas = -1 },
		"Replicas must be":       func(_ *redis.UniversalOptions, o *redisstore.Options) { o.Replicas = 17 },
		"ReplicaTimeout must":    func(_ *redis.UniversalOptions, o *redisstore.Options) { o.ReplicaTimeout = -1 },
		"less than the ReadTimeout of 1s": func(u *redis.UniversalOptions, o *redisstore.Options) {
			u.ReadTimeout, o.ReplicaTimeout = time.Minute, time.Second
		},
		"less than the ReadTimeout of 200ms": func(u *redis.UniversalOptions, o *redisstore.Options) {
			u.ReadTimeout, o.ReplicaTimeout = 200*time.Millisecond, 300*time.Millisecond
		},
	} {
		t.Run(why, func(t *testing.T) {
			u, o := at("localhost:1"), redisstore.Options{Prefix: "auth:", Logger: quiet}
			change(&u, &o)
			wantRefused(t, u, o, strings.TrimRight(why, ", "))
		})
	}
}

func TestAServerThatMayEvictRecordsIsRefused(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	for _, policy := range []string{"allkeys-lru", "volatile-lru", "allkeys-random", "volatile-ttl", "volatile-lfu"} {
		server.Do("config", "set", "maxmemory-policy", policy)
		server.Do("config", "set", "maxmemory", "100mb")
		wantRefused(t, at(server.Addr()), fresh(), "maxmemory-policy "+policy)
		server.Do("config", "set", "maxmemory", "0")
		mustOpen(t, at(server.Addr()), fresh())
	}
	server.Do("config", "set", "maxmemory", "100mb", "maxmemory-policy", "noeviction")
	mustOpen(t, at(server.Addr()), fresh())
}

func TestOneMasterOfAClusterThatMayEvictIsEnoughToRefuse(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	cluster := redistest.SharedCluster(t)
	u := at(cluster.Addrs()...)
	wantRefused(t, at(cluster.Addrs()[0]), fresh(), "node of a cluster")
	mustOpen(t, u, fresh())
	master := cluster.MasterOf("x")
	master.Do("config", "set", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
	defer master.Do("config", "set", "maxmemory", "0", "maxmemory-policy", "noeviction")
	wantRefused(t, u, fresh(), "maxmemory-policy allkeys-lru")
}

// ST-9, F-R9.
func TestAReplicaIsRefusedAtOpenAndLater(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server, master := redistest.Start(t), redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))

	// As Sentinel demotes a master: it makes a replica of it and ends its connections.
	host, port, _ := strings.Cut(master.Addr(), ":")
	server.Do("replicaof", host, port)
	server.Do("client", "kill", "type", "normal")
	servertest.Within(t, time.Second, func() error { // the first call may only find its connection closed
		if _, err := s.Get(ever, "p/k"); err == nil || !strings.Contains(err.Error(), "is a replica") {
			return fmt.Errorf("Get from a server that was demoted: %v", err)
		}
		return nil
	})
	wantRefused(t, at(server.Addr()), fresh(), "is a replica")
}

func TestASentinelIsNotTakenForAServer(t *testing.T) {
	if redistest.Available(t) {
		wantRefused(t, at(redistest.SharedSentinel(t).SentinelAddrs()[0]), fresh(), "is a Sentinel")
	}
}

func TestAServerThatIsDownIsRefusedWithinASecond(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	down := fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
	wantRefused(t, at(down), fresh(), "connection refused")
	wantRefused(t, redis.UniversalOptions{Addrs: []string{down}, IsClusterMode: true}, fresh(), "connection refused")
	wantRefused(t, redis.UniversalOptions{Addrs: []string{down}, MasterName: "m"}, fresh(), "connection refused")
}

func TestAWrongPasswordIsRefusedAndNotRepeated(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t, "--requirepass", "right")
	u := at(server.Addr())
	wantRefused(t, u, fresh(), "NOAUTH")
	u.Password = "hunter2"
	wantRefused(t, u, fresh(), "WRONGPASS")
	if _, err := redisstore.OpenOrCreate(ever, u, fresh()); strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats the password: %v", err)
	}
	u.Password = "right"
	mustOpen(t, u, fresh())
}

func TestAPrefixOfAnotherProgramIsRefused(t *testing.T) { // ST-7
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	u, o := at(server.Addr()), redisstore.Options{Prefix: "auth:", Logger: quiet}
	wantNone := func() {
		t.Helper()
		if _, err := redisstore.Open(ever, u, o); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no records under the prefix") {
			t.Errorf("Open of what is not there: %v", err)
		}
	}
	wantNone()
	mustOpen(t, u, o)
	s, err := redisstore.Open(ever, u, o)
	must(t, err)
	must(t, s.Close())

	u.DB = 1
	wantNone()
	u.DB = 0
	server.Do("set", "auth:format", "2")
	wantRefused(t, u, o, "newer version")
	server.Do("del", "auth:format")
	server.Do("hset", "auth:format", "a", "b")
	wantRefused(t, u, o, "WRONGTYPE")
	server.Do("flushall")
	wantNone()
}

func TestOpenWarnsOfAServerThatForgets(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	o := fresh()
	mustOpen(t, at(server.Addr()), o) // so that the prefix is no news
	said := func(replicas int) string {
		var log bytes.Buffer
		o := o
		o.Logger, o.Replicas = slog.New(slog.NewTextHandler(&log, nil)), replicas
		mustOpen(t, at(server.Addr()), o)
		return log.String()
	}
	if log := said(0); !strings.Contains(log, "forgets every record") {
		t.Errorf("without any persistence Open said %q", log)
	}
	server.Do("config", "set", "save", "60 1")
	if log := said(0); !strings.Contains(log, "its last snapshot") {
		t.Errorf("with snapshots only Open said %q", log)
	}
	server.Do("config", "set", "appendonly", "yes")
	if log := said(0); log != "" {
		t.Errorf("with an append-only file Open said %q", log)
	}
	if log := said(1); !strings.Contains(log, "fewer replicas") {
		t.Errorf("without the replica that it is to wait for Open said %q", log)
	}
}

// documentedACL returns the two ACL commands of the package comment, which docs/redis.md has
// as well: the rules of a user, and what MaxLag needs beside them, for this prefix.
func documentedACL(t *testing.T, prefix string) (rules, forMaxLag []any) {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	must(t, err)
	page, err := os.ReadFile("../../docs/redis.md")
	must(t, err)
	for line := range strings.Lines(string(source)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "//\tACL SETUSER auth ")
		if !ok {
			continue
		}
		if !strings.Contains(string(page), "ACL SETUSER auth "+command) {
			t.Errorf("docs/redis.md does not have ACL SETUSER auth %s", command)
		}
		var words []any
		for _, word := range strings.Fields(command) {
			words = append(words, strings.ReplaceAll(strings.Replace(word, ">PASSWORD", ">hunter2", 1), "auth:", prefix))
		}
		if rules == nil {
			rules = words
		} else {
			forMaxLag = words
		}
	}
	if len(rules) < 10 || len(forMaxLag) < 5 {
		t.Fatalf("doc.go has the rules %q and %q", rules, forMaxLag)
	}
	return rules, forMaxLag
}

// asUser makes an ACL user and returns how it connects.
func asUser(server *redistest.Server, name string, rules ...any) redis.UniversalOptions {
	server.Do(append([]any{"acl", "setuser", name, "reset"}, rules...)...)
	u := at(server.Addr())
	u.Username, u.Password = name, "hunter2"
	return u
}

// warnings opens a Store and returns what Open logs, line by line.
func warnings(t *testing.T, u redis.UniversalOptions, o redisstore.Options) []string {
	t.Helper()
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	mustOpen(t, u, o)
	return slices.Collect(strings.Lines(log.String()))
}

func TestTheDocumentedACLIsEnough(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	t.Run("for every rule of a store", func(t *testing.T) {
		keepsTheContract(t, func(tb testing.TB) storetest.Place {
			o := fresh()
			rules, _ := documentedACL(t, o.Prefix)
			u := asUser(server, o.Prefix, rules...)
			open := func() (store.Store, error) { return redisstore.OpenOrCreate(ever, u, o) }
			return storetest.Place{Store: mustOpen(tb, u, o), Reopen: open, Join: open}
		})
	})
	t.Run("with MaxLag", func(t *testing.T) {
		o := fresh()
		rules, more := documentedACL(t, o.Prefix)
		u := asUser(server, "watch", append(rules, more...)...)
		o.MaxLag = 20 * time.Millisecond
		s, other := mustOpen(t, u, o), mustOpen(t, u, o)
		known := func() (stamp uint64) {
			servertest.Within(t, 10*time.Second, func() (err error) {
				var known bool
				if stamp, known = s.Stamp("p"); !known {
					err = errors.New("no stamp is known")
				}
				return err
			})
			return stamp
		}
		before := known()
		must(t, other.Commit(ever, store.Put("p/k", []byte("v"))))
		servertest.Within(t, 10*time.Second, func() error {
			if known() == before {
				return errors.New("a change by another Store is not reported")
			}
			return nil
		})
	})
	t.Run("without INFO", func(t *testing.T) {
		rules, _ := documentedACL(t, "auth:")
		u, o := asUser(server, "auth", rules...), redisstore.Options{Prefix: "auth:"}
		warnings(t, u, o) // so that the prefix is no news
		if log := warnings(t, u, o); len(log) != 0 {
			t.Errorf("Open said %q", log)
		}
		if log := warnings(t, asUser(server, "auth", append(rules, "-info")...), o); len(log) != 1 || !strings.Contains(log[0], "is not known") {
			t.Errorf("without INFO Open said %q", log)
		}
	})
}

// A service whose prefix begins with the prefix of another one is its neighbour.
func TestTheDocumentedACLKeepsFromTheKeysOfANeighbour(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	must(t, mustOpen(t, at(server.Addr()), redisstore.Options{Prefix: "auth:x:", Logger: quiet}).Commit(ever, store.Put("p/k", []byte("v"))))
	rules, more := documentedACL(t, "auth:")
	u := asUser(server, "auth", append(rules, more...)...)
	for _, prefix := range []string{"auth:x:", "auth:x", "auth", "other:"} {
		if _, err := redisstore.OpenOrCreate(ever, u, redisstore.Options{Prefix: prefix, Logger: quiet}); !redis.IsPermissionError(err) {
			t.Errorf("the prefix %q: %v, want it not permitted", prefix, err)
		}
	}
	client := redis.NewUniversalClient(&u)
	defer client.Close()
	for _, command := range [][]any{
		{"zrange", "auth:x:{p}", 0, -1},
		{"zadd", "auth:x:{p}", 0, "k"},
		{"eval", "return redis.call('zrange', 'auth:x:{p}', 0, -1)", 0},
		{"publish", "auth:x:beat:1", 0},
	} {
		if err := client.Do(ever, command...).Err(); !redis.IsPermissionError(err) && (err == nil || !strings.Contains(err.Error(), "can't access")) {
			t.Errorf("%q: %v, want it not permitted", command, err)
		}
	}
}

func TestOpenWarnsOnceOfAUserWithKeysOfOthers(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t, "--appendonly", "yes")
	o := redisstore.Options{Prefix: "auth:"}
	warnings(t, at(server.Addr()), o) // so that the prefix is no news
	for keys, want := range map[string]int{"~auth:*": 1, "~*": 1, "allkeys": 1, "~a*": 1, "~auth:{*": 0} {
		rules, _ := documentedACL(t, "auth:")
		log := warnings(t, asUser(server, "auth", append(rules, keys)...), o)
		if len(log) != want || want == 1 && (!strings.Contains(log[0], "ACL user") || strings.Contains(log[0], "hunter2")) {
			t.Errorf("with %s Open said %q", keys, log)
		}
	}
	if log := warnings(t, at(server.Addr()), o); len(log) != 0 {
		t.Errorf("as the user who may everything Open said %q", log)
	}
	rules, _ := documentedACL(t, "auth:")
	if log := warnings(t, asUser(server, "auth", append(rules, "-exists")...), o); len(log) != 0 {
		t.Errorf("where it cannot be asked Open said %q", log)
	}
}

func TestAServerIsReachedOnAUnixSocket(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	dir, err := os.MkdirTemp("", "redis") // the path of a socket has 108 bytes at most
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := dir + "/redis.sock"
	redistest.Start(t, "--appendonly", "yes", "--unixsocket", socket)
	u, err := redisstore.ParseURL("unix://" + socket + "?db=1")
	must(t, err)
	keepsTheContract(t, places(u, 0))
	o := fresh()
	o.MaxLag = 20 * time.Millisecond
	s := mustOpen(t, u, o)
	servertest.Within(t, 10*time.Second, func() error {
		if _, known := s.Stamp("p"); !known {
			return errors.New("no stamp is known")
		}
		return nil
	})
	o.MaxLag = 0
	if log := warnings(t, u, o); len(log) != 0 {
		t.Errorf("Open said %q", log)
	}
}

func TestOpenWarnsOnceOfAConnectionInTheClear(t *testing.T) {
	ctx, cancel := context.WithCancel(ever)
	cancel() // nothing is dialled
	for _, c := range []struct {
		u    redis.UniversalOptions
		want string // the address in the warning; "" is no warning
	}{
		{at("192.0.2.1:6379"), "192.0.2.1:6379"},
		{at("[2001:db8::1]:6379"), "2001:db8::1"},
		{at("10.0.0.1:6379"), "10.0.0.1:6379"},
		{at("redis:6379"), "redis:6379"},
		{at("localhost.example:6379"), "localhost.example:6379"},
		{at("127.0.0.1:1", "redis-2:6379", "redis-3:6379"), "redis-2:6379"},
		{redis.UniversalOptions{Addrs: []string{"sentinel:26379"}, MasterName: "m"}, "sentinel:26379"},
		{at("127.0.0.1:1"), ""},
		{at("127.1.2.3:1"), ""},
		{at("[::1]:1"), ""},
		{at("[::ffff:127.0.0.1]:1"), ""},
		{at("LocalHost:1"), ""},
		{at(":1"), ""},
		{at("/run/redis.sock"), ""},
		{redis.UniversalOptions{Addrs: []string{"192.0.2.1:6379"}, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}, ""},
		{redis.UniversalOptions{Addrs: []string{"192.0.2.1:6379"}, Dialer: new(net.Dialer).DialContext}, ""},
	} {
		var log bytes.Buffer
		c.u.Username, c.u.Password = "hunter1", "hunter2"
		s, err := redisstore.Open(ctx, c.u, redisstore.Options{Prefix: "auth:", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			s.Close()
			t.Fatalf("%q: opened", c.u.Addrs)
		}
		text := log.String()
		if want := min(1, len(c.want)); strings.Count(text, "level=WARN") != want || !strings.Contains(text, c.want) || strings.Contains(text, "hunter") {
			t.Errorf("%q: Open said %q", c.u.Addrs, text)
		}
	}
}

// A script that is stopped half-way is not undone.
func TestAnACLThatStopsAScriptHalfWayIsRefused(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	for _, without := range []string{"-zrem", "-time", "-pexpireat", "-persist", "-zlexcount"} {
		rules, _ := documentedACL(t, "auth:")
		u := asUser(server, "auth", append(rules, without)...)
		if _, err := redisstore.OpenOrCreate(ever, u, redisstore.Options{Prefix: "auth:", Logger: quiet}); err == nil {
			t.Errorf("with %s a Store was opened", without)
		}
	}
}

// A foreign key is in no page of a walk, whatever it looks like.
func TestAWalkPassesOverKeysOfOthers(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), redisstore.Options{Prefix: "auth:", Logger: quiet})
	must(t, s.Commit(ever, store.Put("a/k", []byte("v"))))
	for _, key := range []string{"auth:{a/b}", "auth:{a b}", "auth:{a}b", "auth:{}", "auth:{a}/"} {
		server.Do("zadd", key, 0, "k\x00"+strings.Repeat("9", 15)+"v")
	}
	page, err := s.Walk(ever, "")
	must(t, err)
	if page.Next != "" || len(page.Records) != 1 || page.Records[0].Key != "a/k" {
		t.Errorf("the walk found %v", page)
	}
}

// A fastClock is a connection to a server whose clock is ahead.
type fastClock struct {
	net.Conn
	ahead   time.Duration
	pending *bytes.Buffer
}

func (c fastClock) Write(b []byte) (int, error) {
	if string(b) == "*1\r\n$4\r\ntime\r\n" {
		fmt.Fprintf(c.pending, "*2\r\n$10\r\n%d\r\n$1\r\n0\r\n", time.Now().Add(c.ahead).Unix())
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c fastClock) Read(b []byte) (int, error) {
	if c.pending.Len() > 0 {
		return c.pending.Read(b)
	}
	return c.Conn.Read(b)
}

func TestAServerThatWouldDropRecordsEarlyIsRefused(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	u := at(server.Addr())
	ahead := time.Duration(0)
	u.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return fastClock{c, ahead, new(bytes.Buffer)}, err
	}
	for _, ahead = range []time.Duration{-time.Hour, 0, 4 * time.Minute} {
		mustOpen(t, u, fresh())
	}
	ahead = 6 * time.Minute
	wantRefused(t, u, fresh(), "its clock is")
}

func TestTheContextOfOpenIsHonoured(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	server.Stop()
	defer server.Continue()
	ctx, cancel := context.WithTimeout(ever, 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := redisstore.OpenOrCreate(ctx, at(server.Addr()), fresh()); err == nil {
		t.Fatal("Open of a server that hangs succeeded")
	}
	if d := time.Since(begin); d > 500*time.Millisecond {
		t.Errorf("Open with 50ms to go took %v", d)
	}
}
