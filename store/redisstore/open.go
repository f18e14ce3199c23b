package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/datixlab/auth/internal/stamps"
)

// A call waits in up to two steps: for a connection, and for the reply on it. Each is
// bounded so that both end within a second if a server hangs. The context of a call
// bounds the whole call.
const (
	defaultTimeout = 450 * time.Millisecond // if the caller sets none
	maxTimeout     = time.Second            // if the caller sets one
)

// defaultPool is the least size of a pool that the caller does not set. Connections are
// made when calls need them. With 20, many calls wait for a connection of another call.
// With 64, client and server find less to do each time they look.
const defaultPool = 32

// maxIdle is how long an unused connection is kept. A master that hung and was replaced
// does not know that when it wakes. A client with a connection to it would read what
// was revoked meanwhile. Every failover takes longer than maxIdle. So such a connection
// is not used again, and a new one goes to the present master.
const maxIdle = time.Second

// Options are the settings of a Store.
type Options struct {
	// Prefix begins the name of every key, such as "auth:". It is required, since two
	// services on one Redis must not read each other's records. It has 1 to 64
	// printable ASCII characters other than space and braces.
	Prefix string

	// Replicas is how many replicas must have received a Commit before it is
	// acknowledged: 0 to 16. The master is not counted. 0 waits for none.
	Replicas int

	// ReplicaTimeout is how long a Commit waits for the replicas: 1 ms or more, and
	// less than the ReadTimeout of the connection. 0 is half of ReadTimeout, which is
	// 225 ms if that was not set either.
	ReplicaTimeout time.Duration

	// MaxLag is how late a change by another process may be seen: 5 ms to 1 s, or 0,
	// the default, which is not at all. With it, what was read is used until the master
	// reports a change (see Store.Stamp). So checking a token or a key again takes no
	// round trip.
	//
	// It is a bound: if the master has not proven within MaxLag that it reported
	// everything, records are read again. Changes by this process are seen at once. It
	// is not for a cluster, where a record may move to a master that has reported
	// nothing.
	MaxLag time.Duration

	// Logger receives at Open what puts records at risk without being a reason to
	// refuse the server. Examples are a server that forgets or does not say what it is, a
	// connection without TLS, and an ACL user with keys of others. nil is slog.Default().
	Logger *slog.Logger
}

// Open connects to one server, to the master that Sentinel names (u.MasterName), or
// to a Redis Cluster (u.IsClusterMode, or more than one of u.Addrs). An address that
// begins with a slash is a Unix socket. [ParseURL] makes u from a URL.
//
// Before it returns it asks every master, and refuses what would break the contract
// unnoticed:
//
//   - Settings that read from replicas or from a cache in this process.
//   - A replica, or a server before version 6.2.
//   - A server that may evict records when its memory is full.
//   - A server whose clock is five minutes or more ahead.
//
// A server that does not say one of these things is accepted with a warning. That it has what a
// Store needs is tried out.
//
// It changes these settings of u. Nothing is sent twice. Every timeout that is not set
// is 450 ms, and one over a second is a second. Under Sentinel DialTimeout is at least
// 50 ms more than ReadTimeout. Under Sentinel and in a cluster ConnMaxIdleTime is a
// second at most. A PoolSize that is not set is ten for each processor, and at least
// 32.
//
// The prefix must have been opened with [OpenOrCreate] before. Otherwise the error
// wraps [fs.ErrNotExist], so an emptied or wrong Redis is not taken for a service
// without users. Only Open checks this. The Store does not notice if a server loses
// everything while in use, so let the server keep its records in a file.
//
// Open runs the script of Commit once on one master, on a key under the prefix that
// holds no record. So it refuses an ACL that would stop the script half-way.
func Open(ctx context.Context, u redis.UniversalOptions, o Options) (*Store, error) {
	return open(ctx, u, o, true)
}

// OpenOrCreate is [Open], but it also accepts a prefix that no Store was opened under
// before. It marks that prefix and logs so.
func OpenOrCreate(ctx context.Context, u redis.UniversalOptions, o Options) (*Store, error) {
	return open(ctx, u, o, false)
}

func open(ctx context.Context, u redis.UniversalOptions, o Options, mustExist bool) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	setTimeouts(&u)
	if err := errors.Join(refuseClient(&u), o.check(u.ReadTimeout)); err != nil {
		return nil, err
	}
	if o.MaxLag != 0 && isCluster(&u) {
		return nil, errors.New("redisstore: MaxLag is not for a cluster, which moves records to masters that have reported nothing yet")
	}
	if o.ReplicaTimeout == 0 {
		o.ReplicaTimeout = u.ReadTimeout / 2
	}
	s := &Store{prefix: o.Prefix, log: o.Logger}
	if host := inClear(&u); host != "" {
		s.log.Warn("redisstore: no TLS: anyone on the network path can read the password and every record, and change records; use rediss://", "server", host)
	}
	s.connect(u, o)
	if err := s.inspect(ctx, o, mustExist); err != nil {
		return nil, errors.Join(err, s.client.Close())
	}
	if u.Username != "" && u.Username != defaultUser {
		s.inspectReach(ctx, u.Username)
	}
	if o.MaxLag != 0 {
		if err := s.beginWatch(ctx, u, o.MaxLag); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (o *Options) check(read time.Duration) error {
	outside := func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' }
	switch {
	case o.Prefix == "" || len(o.Prefix) > 64 || strings.ContainsFunc(o.Prefix, outside):
		return errors.New("redisstore: Prefix must be 1 to 64 printable ASCII characters other than space and braces")
	case o.Replicas < 0 || o.Replicas > 16:
		return errors.New("redisstore: Replicas must be 0 to 16")
	case o.ReplicaTimeout != 0 && (o.ReplicaTimeout < time.Millisecond || o.ReplicaTimeout >= read):
		return fmt.Errorf("redisstore: ReplicaTimeout must be 1ms or more and less than the ReadTimeout of %v", read)
	case o.MaxLag != 0 && (o.MaxLag < 5*time.Millisecond || o.MaxLag > time.Second):
		return errors.New("redisstore: MaxLag must be 0, or 5ms to 1s")
	}
	return nil
}

// refuseClient returns an error if a client with these settings would break the
// contract.
func refuseClient(u *redis.UniversalOptions) error {
	cluster := isCluster(u)
	switch {
	case len(u.Addrs) == 0:
		return errors.New("redisstore: no address")
	case u.ReadOnly, u.RouteByLatency, u.RouteRandomly:
		return errors.New("redisstore: ReadOnly, RouteByLatency and RouteRandomly read from replicas, where what was revoked is still valid")
	case u.ClientSideCache != nil, u.ClientSideCacheConfig != nil:
		return errors.New("redisstore: a client-side cache goes on serving what was revoked")
	case u.MasterName != "" && u.IsClusterMode:
		return errors.New("redisstore: MasterName and IsClusterMode exclude each other")
	case cluster && u.DB != 0:
		return errors.New("redisstore: a cluster has database 0 only")
	}
	return nil
}

// inClear returns an address that is reached without TLS over a network, or "". A host name
// other than localhost counts as one of the network. What a Dialer of the caller does is the
// caller's.
func inClear(u *redis.UniversalOptions) string {
	if u.TLSConfig != nil || u.Dialer != nil {
		return ""
	}
	for _, addr := range u.Addrs {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr
		}
		ip, err := netip.ParseAddr(host)
		unixSocket := strings.HasPrefix(addr, "/")
		here := host == "" || strings.EqualFold(host, "localhost") || err == nil && (ip.Unmap().IsLoopback() || ip.Unmap().IsUnspecified())
		if !unixSocket && !here {
			return addr
		}
	}
	return ""
}

// isCluster reports whether redis.NewUniversalClient would make a cluster client of u.
func isCluster(u *redis.UniversalOptions) bool {
	return u.MasterName == "" && (u.IsClusterMode || len(u.Addrs) > 1)
}

// setTimeouts sets the timeouts, and whatever else of the client's defaults does not
// fit the contract.
func setTimeouts(u *redis.UniversalOptions) {
	u.Addrs = slices.Clone(u.Addrs)
	u.MaxRetries = -1              // a retry after a lost reply acts twice
	u.MaxRedirects = 3             // to find a slot; for any other reason a command is not sent again, see NoRetry
	u.ContextTimeoutEnabled = true // else the network ignores a deadline
	u.DialerRetries = 1            // the default is five, a tenth of a second apart
	u.PipelinePoolSize = -1        // no second pool for the few pipelines
	for _, d := range []*time.Duration{&u.DialTimeout, &u.ReadTimeout, &u.WriteTimeout, &u.PoolTimeout} {
		if *d <= 0 {
			*d = defaultTimeout // to the client 0 is 5 s and -1 is for ever
		}
		*d = min(*d, maxTimeout)
	}
	if u.MasterName != "" {
		// A connection begins with a question to a Sentinel. If that Sentinel hangs,
		// the client asks another one only if there is time left after the ReadTimeout.
		u.DialTimeout = max(u.DialTimeout, u.ReadTimeout+50*time.Millisecond)
	}
	if failsOver := isCluster(u) || u.MasterName != ""; failsOver && (u.ConnMaxIdleTime <= 0 || u.ConnMaxIdleTime > maxIdle) {
		u.ConnMaxIdleTime = maxIdle
	}
	if u.PoolSize == 0 {
		u.PoolSize = max(defaultPool, 10*runtime.GOMAXPROCS(0))
	}
	if u.MaintNotificationsConfig == nil {
		// They lengthen timeouts while a hosted server is being moved.
		u.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
}

// connect makes the client. It does not dial yet.
func (s *Store) connect(u redis.UniversalOptions, o Options) {
	hook := func(c *redis.Client) {
		if o.Replicas > 0 {
			c.AddHook(waiter{c, o.Replicas, o.ReplicaTimeout})
		}
	}
	if isCluster(&u) {
		options := u.Cluster()
		options.ClusterStateReloadInterval = 5 * time.Second // the default is 60
		options.DisableRoutingPolicies = true                // every command here names its slot
		s.cluster = redis.NewClusterClient(options)
		s.cluster.OnNewNode(hook)
		s.client = s.cluster
		return
	}
	c := connectOne(u, nil)
	hook(c)
	s.client = c
}

// connectOne makes a client of one server, or of the master that Sentinel names. It
// calls then with every connection to that server.
func connectOne(u redis.UniversalOptions, then onConnect) *redis.Client {
	u.OnConnect = onMaster(u.OnConnect, then)
	if u.MasterName != "" {
		return redis.NewFailoverClient(u.Failover())
	}
	return redis.NewClient(u.Simple())
}

// beginWatch starts the watch. Its clients are like the client of the calls.
func (s *Store) beginWatch(ctx context.Context, u redis.UniversalOptions, lag time.Duration) error {
	u.Protocol, u.PoolSize, u.MinIdleConns = 2, 1, 0 // changes are messages on one connection
	w := s.newWatch(lag, func(then onConnect) *redis.Client { return connectOne(u, then) })
	if err := w.check(ctx); err != nil {
		return err
	}
	s.watch = stamps.NewWatch(lag, w.follow)
	return nil
}
