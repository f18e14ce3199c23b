package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A call has up to two steps that wait: for a connection, and for the reply on it.
// Each is bounded so that both are over within a second where a server hangs. The
// context of a call bounds it as a whole.
const (
	defaultTimeout = 450 * time.Millisecond // where the caller says nothing
	maxTimeout     = time.Second            // where the caller does
)

// defaultPool is how many connections to a server there may be at the least, where the
// caller says nothing. They are made as calls need them. With 20 many calls wait for the
// connection of another one; with 64 neither side finds as much to do each time it looks.
const defaultPool = 32

// maxIdle is how long a connection is kept for a call to come. A master that
// hung, and was replaced, does not know that when it is woken; who then still had a
// connection to it would read what was revoked meanwhile. No failover is over as soon
// as this, so such a connection is not used again: a new one is made to the master
// that there is by then.
const maxIdle = time.Second

// Options are the settings of a Store.
type Options struct {
	// Prefix begins the name of every key: 1 to 64 printable ASCII characters
	// other than space and braces, such as "auth:". It is required, since two
	// services on one Redis must not read each other's records.
	Prefix string

	// Replicas is how many replicas must have received a Commit before it is
	// acknowledged, besides the master: 0 to 16. Zero waits for none.
	Replicas int

	// ReplicaTimeout is how long a Commit waits for them: 1 ms or more, and less
	// than the ReadTimeout of the connection. Zero is half of that, which is 225 ms
	// if that was not set either.
	ReplicaTimeout time.Duration

	// MaxLag is how late it may be seen, at the most, that another process has changed
	// a record: 5 ms to 1 s, or 0, the default, which is not at all. With it, what has
	// been read is good for as long as the master has told of no change to it (see
	// [Store.Stamp]), so checking a token or a key again takes no round trip. It is a
	// bound and not a hope: where the master has not proven for MaxLag that it has
	// told all, everything is read again. What this process changes it sees at once.
	// Not for clusters, which move records to masters that have told nothing yet.
	MaxLag time.Duration

	// Logger is told at Open what is no reason to refuse a server and yet puts
	// records at risk. nil is slog.Default().
	Logger *slog.Logger
}

// Open connects to one server, to the master that Sentinel names (u.MasterName), or
// to a Redis Cluster (u.IsClusterMode, or more than one of u.Addrs). [ParseURL]
// makes u from a URL.
//
// It asks every master before it returns, and refuses what would break the contract
// without a sign: settings that read from replicas or from a cache in this process;
// a replica; a server before version 6.2; one that may evict records when its memory
// is full; one whose clock is five minutes or more ahead. In u it sets whatever
// makes the client send anything twice, and every timeout that is not set to 450 ms;
// one over a second becomes a second. Under Sentinel DialTimeout is at least 50 ms
// more than ReadTimeout, and there and in a cluster ConnMaxIdleTime is a second at
// most. A PoolSize that is not set becomes ten for each processor, and 32 at the least.
//
// The prefix must have been opened with [OpenOrCreate] before; else the error wraps
// [fs.ErrNotExist]. So a Redis that was emptied, or the wrong one, does not pass for a
// service without users. Only Open asks: of a server that loses everything while it is
// used the Store knows nothing, so give it a file to keep its records in.
//
// It runs the script of Commit once, on a key under the prefix that is no record's, on
// one master: an ACL that stops it half-way is refused.
func Open(ctx context.Context, u redis.UniversalOptions, o Options) (*Store, error) {
	return open(ctx, u, o, true)
}

// OpenOrCreate is [Open], and makes its mark under a prefix that no Store was opened
// under before, which it logs.
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
		return nil, errors.New("redisstore: MaxLag is not for a cluster, which moves records to masters that have told nothing yet")
	}
	if o.ReplicaTimeout == 0 {
		o.ReplicaTimeout = u.ReadTimeout / 2
	}
	s := &Store{prefix: o.Prefix, log: o.Logger}
	s.connect(u, o)
	if err := s.inspect(ctx, o, mustExist); err != nil {
		return nil, errors.Join(err, s.client.Close())
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

// refuseClient returns why a client with these settings would not keep to the
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

// isCluster says what redis.NewUniversalClient would make of u.
func isCluster(u *redis.UniversalOptions) bool {
	return u.MasterName == "" && (u.IsClusterMode || len(u.Addrs) > 1)
}

// setTimeouts sets what the client's defaults leave open.
func setTimeouts(u *redis.UniversalOptions) {
	u.Addrs = slices.Clone(u.Addrs)
	u.MaxRetries = -1              // a retry after a lost reply acts twice
	u.MaxRedirects = 3             // where a slot is; anything else a command refuses to be sent again for
	u.ContextTimeoutEnabled = true // else a deadline is not one for the network
	u.DialerRetries = 1            // five, a tenth of a second apart, otherwise
	u.PipelinePoolSize = -1        // no second pool for the few pipelines
	for _, d := range []*time.Duration{&u.DialTimeout, &u.ReadTimeout, &u.WriteTimeout, &u.PoolTimeout} {
		if *d <= 0 {
			*d = defaultTimeout // the client's own meaning of 0 is 5 s, of -1 is forever
		}
		*d = min(*d, maxTimeout)
	}
	if u.MasterName != "" {
		// A connection begins with a question to a Sentinel. The client leaves one that
		// hangs for another only if there is time left when its answer is overdue.
		u.DialTimeout = max(u.DialTimeout, u.ReadTimeout+50*time.Millisecond)
	}
	if failsOver := isCluster(u) || u.MasterName != ""; failsOver && (u.ConnMaxIdleTime <= 0 || u.ConnMaxIdleTime > maxIdle) {
		u.ConnMaxIdleTime = maxIdle
	}
	if u.PoolSize == 0 {
		u.PoolSize = max(defaultPool, 10*runtime.GOMAXPROCS(0))
	}
	if u.MaintNotificationsConfig == nil {
		// They make timeouts longer while a hosted server is being moved.
		u.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
}

// connect makes the client. Nothing is dialled yet.
func (s *Store) connect(u redis.UniversalOptions, o Options) {
	hook := func(c *redis.Client) {
		if o.Replicas > 0 {
			c.AddHook(waiter{c, o.Replicas, o.ReplicaTimeout})
		}
	}
	if isCluster(&u) {
		options := u.Cluster()
		options.ClusterStateReloadInterval = 5 * time.Second // of 60
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
// calls then with every connection to that.
func connectOne(u redis.UniversalOptions, then onConnect) *redis.Client {
	u.OnConnect = onMaster(u.OnConnect, then)
	if u.MasterName != "" {
		return redis.NewFailoverClient(u.Failover())
	}
	return redis.NewClient(u.Simple())
}

// beginWatch has changes watched, with clients like the one of the calls.
func (s *Store) beginWatch(ctx context.Context, u redis.UniversalOptions, lag time.Duration) error {
	u.Protocol, u.PoolSize, u.MinIdleConns = 2, 1, 0 // changes are messages on one connection
	s.watch = s.newWatch(lag, func(then onConnect) *redis.Client { return connectOne(u, then) })
	return s.watch.check(ctx)
}
