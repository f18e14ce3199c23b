package redisstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// format is the value of the mark under a prefix. It changes with the layout of
// the keys.
const format = "1"

// inspect checks with every master that records are safe there, and looks for the mark
// of the prefix.
func (s *Store) inspect(ctx context.Context, o Options, mustExist bool) error {
	ask := func(ctx context.Context, c *redis.Client) error {
		if err := s.inspectMaster(ctx, c, o); err != nil {
			return fmt.Errorf("%s: %w", c.Options().Addr, err)
		}
		return nil
	}
	var err error
	if s.cluster != nil {
		err = s.cluster.ForEachMaster(ctx, ask)
	} else {
		err = ask(ctx, s.client.(*redis.Client))
	}
	if err != nil {
		return describe(ctx, err)
	}
	if err := s.inspectMark(ctx, mustExist); err != nil {
		return err
	}
	return s.inspectScripts(ctx)
}

// inspectScripts runs the script of Commit on a key that holds no record. Of the
// scripts only this one could be stopped half-way by an ACL, and its writes would not
// be undone. So such an ACL is refused here.
func (s *Store) inspectScripts(ctx context.Context) error {
	put := func(expiry string) string { return "probe\x00" + expiry }
	for _, stored := range []string{put("000000000000001"), put("253402300799999"), put(never), ""} {
		_, err := s.run(ctx, command{}, commitScript, s.prefix+"probe", "probe", 0, "", stored)
		if err != nil && !redis.HasErrorPrefix(err, "OOM") && !redis.HasErrorPrefix(err, "NOREPLICAS") && !redis.HasErrorPrefix(err, "MISCONF") {
			return err
		}
	}
	return nil
}

func (s *Store) inspectMaster(ctx context.Context, c *redis.Client, o Options) error {
	h, err := sayHello(ctx, c)
	if err != nil {
		return err
	}
	if err := h.check(s.cluster != nil); err != nil {
		return err
	}
	if err := inspectClock(ctx, c); err != nil {
		return err
	}
	text, err := c.Info(ctx).Result()
	if redis.IsPermissionError(err) {
		s.log.Warn("redisstore: INFO is not permitted, so whether the server evicts records and keeps a file is not known", "server", c.Options().Addr)
		return nil
	}
	if err != nil {
		return err
	}
	info := fields(text)
	if err := checkEviction(info); err != nil {
		return err
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" && policy != "" {
		s.log.Warn("redisstore: the server will drop records as soon as a maxmemory is set; set maxmemory-policy noeviction", "policy", policy, "server", c.Options().Addr)
	}
	if info["aof_enabled"] == "0" {
		risk := "what its last snapshot, if there is one, does not hold"
		if save, err := c.ConfigGet(ctx, "save").Result(); err == nil && save["save"] == "" {
			risk = "every record"
		}
		s.log.Warn("redisstore: the server keeps no append-only file: when it stops, it forgets "+risk, "server", c.Options().Addr)
	}
	if n, err := strconv.Atoi(info["connected_slaves"]); err == nil && n < o.Replicas {
		s.log.Warn("redisstore: fewer replicas than every Commit is to wait for: until more are connected, every Commit fails", "server", c.Options().Addr, "connected", n, "replicas", o.Replicas)
	}
	return nil
}

// defaultUser is the ACL user of a connection that names none.
const defaultUser = "default"

// inspectReach warns of an ACL user that may read the keys of a prefix that begins with
// this one. It reads nothing: it asks whether a key exists that nobody makes. An ACL user of
// its own is there to be kept from other keys. The default user is the one that may
// everything, so nothing is to be found about it.
func (s *Store) inspectReach(ctx context.Context, user string) {
	if err := s.client.Exists(ctx, s.prefix+"x:probe").Err(); err != nil {
		return // not permitted, or it cannot be known
	}
	s.log.Warn("redisstore: the ACL user may touch keys that are not of this prefix, such as those of a prefix that begins with it; the documentation of the package has a closer ACL",
		"user", user, "prefix", s.prefix)
}

// checkEviction refuses a server that drops keys when its memory is full: a user, a
// session, or the counter that limits the guesses of a password.
func checkEviction(info map[string]string) error {
	policy, limit := info["maxmemory_policy"], info["maxmemory"]
	if policy == "noeviction" || limit == "0" || policy == "" {
		return nil // without a limit Open only warns, since one can be set at any time
	}
	return fmt.Errorf("with maxmemory-policy %s it drops records when its memory is full; set it to noeviction", policy)
}

// inspectClock refuses a server whose clock is so far ahead that it would drop records
// before their expiry.
func inspectClock(ctx context.Context, c *redis.Client) error {
	there, err := c.Time(ctx).Result()
	if err != nil {
		return err
	}
	if ahead := time.Until(there); ahead >= keep/2 {
		return fmt.Errorf("its clock is %v ahead, so it would drop records early", ahead.Round(time.Second))
	}
	return nil
}

// inspectMark looks for the mark and, unless it must exist, sets it if there is none.
func (s *Store) inspectMark(ctx context.Context, must bool) error {
	key := s.prefix + "format"
	found, err := s.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		if must {
			return fmt.Errorf("redisstore: there are no records under the prefix %q; is this the right server and database? (%w)", s.prefix, fs.ErrNotExist)
		}
		var made bool
		if made, err = s.client.SetNX(ctx, key, format, 0).Result(); made {
			s.log.Warn("redisstore: new and empty: no Store was opened under this prefix before", "prefix", s.prefix)
			return nil
		}
		if err == nil {
			found, err = s.client.Get(ctx, key).Result()
		}
	}
	if err != nil {
		return describe(ctx, fmt.Errorf("key %q: %w", key, err))
	}
	if found != format {
		return fmt.Errorf("redisstore: key %q is not %s: of another program, or of a newer version of this one", key, format)
	}
	return nil
}

// A hello is what a server reports about itself to every client, whatever its ACL
// permits.
type hello struct{ version, mode, role string }

func sayHello(ctx context.Context, c interface {
	Process(context.Context, redis.Cmder) error
}) (hello, error) {
	cmd := redis.NewMapStringInterfaceCmd(ctx, "hello")
	if err := c.Process(ctx, cmd); err != nil {
		return hello{}, err
	}
	text := func(key string) string { s, _ := cmd.Val()[key].(string); return s }
	return hello{text("version"), text("mode"), text("role")}, nil
}

func (h hello) check(cluster bool) error {
	var major, minor int
	if _, err := fmt.Sscanf(h.version, "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 2 {
		return fmt.Errorf("has version %q; 6.2 or later is needed", h.version)
	}
	if !cluster && h.mode == "cluster" {
		return errors.New("is a node of a cluster; set IsClusterMode, or use redis-cluster:// in the URL")
	}
	if !cluster && h.mode == "sentinel" {
		return errors.New("is a Sentinel; set MasterName, or use redis-sentinel:// in the URL")
	}
	return nil
}

// onMaster checks every new connection, since a server may no longer be the master that
// it was at Open. A demoted server would still answer reads, from its last state. A
// node of a cluster needs no check: it redirects the client to the master.
//
// Both next and then may be nil. Next, which is the caller's hook, is called on every
// connection; then is called after it on connections to a master.
func onMaster(next, then onConnect) onConnect {
	return func(ctx context.Context, c *redis.Conn) error {
		h, err := sayHello(ctx, c)
		if err != nil {
			return err
		}
		if h.mode != "sentinel" && h.role != "master" { // Sentinels are asked for the master on such connections
			return errors.New("the server is a replica: its master is the one to connect to")
		}
		if next != nil {
			if err := next(ctx, c); err != nil {
				return err
			}
		}
		if then != nil && h.mode != "sentinel" {
			return then(ctx, c)
		}
		return nil
	}
}

// onConnect is what the client library calls with a new connection.
type onConnect = func(context.Context, *redis.Conn) error

// fields parses the reply to INFO.
func fields(text string) map[string]string {
	info := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok {
			info[key] = value
		}
	}
	return info
}
