package redisstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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
	server := c.Options().Addr
	h, noHello := sayHello(ctx, c)
	if noHello != nil && !unavailable(noHello) {
		return noHello
	}
	text, noInfo := c.Info(ctx).Result()
	if noInfo != nil && !unavailable(noInfo) {
		return noInfo
	}
	info := fields(text)
	if noHello != nil {
		s.log.Warn("redisstore: HELLO is not available, so a new connection to a replica is only noticed when the replica refuses the first call", "server", server, "error", noHello)
		h = hello{info["redis_version"], info["redis_mode"], info["role"]}
	}
	if err := h.check(s.cluster != nil); err != nil {
		return err
	}
	if h.version == "" {
		s.log.Warn("redisstore: the version of the server is not known; 6.2 or later is needed", "server", server)
	}
	if err := s.inspectClock(ctx, c); err != nil {
		return err
	}
	if noInfo != nil {
		s.log.Warn("redisstore: INFO is not available, so whether the server evicts records and keeps a file is not known; set maxmemory-policy noeviction and appendonly yes", "server", server, "error", noInfo)
		return nil
	}
	if err := checkEviction(info); err != nil {
		return err
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" && policy != "" {
		s.log.Warn("redisstore: the server will drop records as soon as a maxmemory is set; set maxmemory-policy noeviction", "policy", policy, "server", server)
	}
	if info["aof_enabled"] == "0" {
		risk := "what its last snapshot, if there is one, does not hold"
		if save, err := c.ConfigGet(ctx, "save").Result(); err == nil && save["save"] == "" {
			risk = "every record"
		}
		s.log.Warn("redisstore: the server keeps no append-only file: when it stops, it forgets "+risk, "server", server)
	}
	if n, err := strconv.Atoi(info["connected_slaves"]); err == nil && n < o.Replicas {
		s.log.Warn("redisstore: fewer replicas than every Commit is to wait for: until more are connected, every Commit fails", "server", server, "connected", n, "replicas", o.Replicas)
	}
	return nil
}

// unavailable reports whether err is the reply of a server, or of a proxy before it, that
// does not have a command or does not permit it. Each has its own words for that.
func unavailable(err error) bool {
	if redis.IsPermissionError(err) {
		return true
	}
	reply := redis.Error(nil)
	if !errors.As(err, &reply) {
		return false
	}
	text := strings.ToLower(reply.Error())
	says := func(words string) bool { return strings.Contains(text, words) }
	return slices.ContainsFunc([]string{"unknown command", "unsupported", "not supported", "not allowed", "invalid request", "disabled"}, says)
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
	s.log.Warn("redisstore: the ACL user may touch keys that are not of this prefix, such as those of a prefix that begins with it; the documentation of the package has a stricter ACL",
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
func (s *Store) inspectClock(ctx context.Context, c *redis.Client) error {
	there, err := c.Time(ctx).Result()
	if unavailable(err) {
		s.log.Warn("redisstore: TIME is not available, so whether the clock of the server agrees is not known", "server", c.Options().Addr, "error", err)
		return nil
	}
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

// A hello is what a server reports about itself. What is not known is empty.
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
	if _, err := fmt.Sscanf(h.version, "%d.%d", &major, &minor); h.version != "" && (err != nil || major < 6 || major == 6 && minor < 2) {
		return fmt.Errorf("has version %q; 6.2 or later is needed", h.version)
	}
	if !cluster && h.mode == "cluster" {
		return errors.New("is a node of a cluster; set IsClusterMode, or use redis-cluster:// in the URL")
	}
	if !cluster && h.mode == "sentinel" {
		return errors.New("is a Sentinel; set MasterName, or use redis-sentinel:// in the URL")
	}
	if !cluster && h.replica() {
		return errReplica
	}
	return nil
}

var errReplica = errors.New("the server is a replica: its master is the one to connect to")

// replica reports whether the server is known to be a replica. Sentinels have no role.
func (h hello) replica() bool { return h.mode != "sentinel" && h.role != "master" && h.role != "" }

// onMaster checks every new connection, since a server may no longer be the master that
// it was at Open. So a connection to a replica is given up before a call meets it. Where the
// server does not say what it is, the call finds out: see master.lua. A node of a cluster
// needs no check: it redirects the client to the master.
//
// Both next and then may be nil. Next, which is the caller's hook, is called on every
// connection; then is called after it on connections to a master.
func onMaster(next, then onConnect) onConnect {
	return func(ctx context.Context, c *redis.Conn) error {
		h, err := sayHello(ctx, c)
		if err != nil && !unavailable(err) {
			return err
		}
		if h.replica() {
			return errReplica
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
