package pgstore

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/internal/stamps"
)

// DefaultSchema is the schema of a Store whose Options name none.
const DefaultSchema = "auth_store"

// maxTimeout bounds Options.Timeout. It is shorter than maxSilence, so that a call which a
// server did not answer before a failover has failed by then.
const maxTimeout = time.Second

// Options are the settings of a Store.
type Options struct {
	// Schema is where the tables are: 1 to 63 lower-case letters, digits and underscores, not
	// beginning with a digit or "pg_". "" is DefaultSchema. Two services in one database need
	// two schemas.
	Schema string

	// Timeout is how long a call may take in all: the wait for a connection, the statement and
	// its answer. It is 50 ms to 1 s, and 0 is 1 s. A call that is not answered may fail up to
	// an eighth of it sooner, or when its context ends.
	Timeout time.Duration

	// MaxLag is how late a change by another process may be seen: 5 ms to 1 s, or 0, the
	// default, which is not at all. With it, what was read is used until the server says that
	// it has changed (see Store.Stamp). So checking a token or a key again takes no round
	// trip. While stamps are asked for, each Store asks the server about four times per
	// MaxLag.
	//
	// It is a bound: if the server has not proven within MaxLag that it told of everything,
	// records are read again. Changes by this process are seen at once.
	MaxLag time.Duration

	// Logger receives what puts records at risk without being a reason to refuse the server.
	// Examples are a connection without TLS, and a server that does not wait for its disk. It
	// also receives that a schema was made or migrated, and that the sweeper fails. nil is
	// slog.Default().
	Logger *slog.Logger
}

// Open connects to a server with a pool of its own, made from config, which it does not change.
// [ParseURL] makes config from a URL, and pgxpool.Pool.Config from a pool.
//
// Before it returns it asks the server, and refuses what would break the contract unnoticed:
//
//   - A standby, a database that is read-only by default, and a server before version 14.
//   - synchronous_commit off, and a default isolation other than read committed.
//   - A server whose clock is five minutes or more ahead.
//   - A schema that was renamed, or that lacks a function.
//   - A role that lacks a privilege, or that row-level security hides rows from.
//   - bytea_output escape, in a mode of pgx that reads values as text.
//
// It adds to these settings of config, and keeps every hook of the caller:
//
//   - Only a server that can be written to is connected to (target_session_attrs=read-write).
//   - A connection is not pinged, and not used once it has ended or the server was silent.
//   - An attempt to connect to one address ends after Options.Timeout.
//   - Connections end at different times: MaxConnLifetimeJitter is a quarter of MaxConnLifetime
//     if it is not set.
//
// The schema must have been made by [OpenOrCreate] or [Migrate] before. Otherwise the error
// wraps [fs.ErrNotExist], so a wrong or emptied database is not taken for a service without
// users. A schema of an earlier version of this package is refused, and so is one of a later
// version that this one cannot use.
func Open(ctx context.Context, config *pgxpool.Config, o Options) (*Store, error) {
	if err := o.complete(config); err != nil {
		return nil, err
	}
	return open(ctx, config, o)
}

// OpenOrCreate is [Open] after [Migrate]: it makes the schema if there is none, and brings one
// of an earlier version up to date. Its role needs the privileges for that only when there is
// something to do.
func OpenOrCreate(ctx context.Context, config *pgxpool.Config, o Options) (*Store, error) {
	if err := Migrate(ctx, config, o); err != nil {
		return nil, err
	}
	return Open(ctx, config, o)
}

// complete checks o, and puts the defaults in.
func (o *Options) complete(config *pgxpool.Config) error {
	if o.Schema == "" {
		o.Schema = DefaultSchema
	}
	if o.Timeout == 0 {
		o.Timeout = maxTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	switch {
	case config == nil || config.ConnConfig == nil:
		return errors.New("pgstore: no configuration; make one with ParseURL or pgxpool.ParseConfig")
	case !schemaName.MatchString(o.Schema) || strings.HasPrefix(o.Schema, "pg_"):
		return errors.New("pgstore: Schema must be 1 to 63 lower-case letters, digits and underscores, not beginning with a digit or pg_")
	case o.Timeout < 50*time.Millisecond || o.Timeout > maxTimeout:
		return errors.New("pgstore: Timeout must be 0, or 50ms to 1s")
	case o.MaxLag != 0 && (o.MaxLag < 5*time.Millisecond || o.MaxLag > time.Second):
		return errors.New("pgstore: MaxLag must be 0, or 5ms to 1s")
	}
	return nil
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func open(ctx context.Context, config *pgxpool.Config, o Options) (*Store, error) {
	s := &Store{sql: newStatements(o.Schema), deadlines: deadlines{timeout: o.Timeout}, log: o.Logger, pulse: newPulse(), swept: make(chan struct{})}
	pool, err := pgxpool.NewWithConfig(ctx, s.configure(config))
	if err != nil {
		return nil, describe(ctx, err)
	}
	s.pool = pool
	s.connections = make(chan struct{}, pool.Config().MaxConns)
	s.commits = make(chan struct{}, atOnce(pool.Config().MaxConns))
	if err := s.inspect(ctx, config.ConnConfig, o.Schema); err != nil {
		pool.Close()
		return nil, err
	}
	if o.MaxLag != 0 {
		s.watch = stamps.NewWatch(o.MaxLag, func(ctx context.Context, w *stamps.Watch) { s.follow(ctx, w, o.MaxLag) })
	}
	sweeping, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.sweep(sweeping)
	return s, nil
}

// configure returns what the Store needs of a pool, beside what the caller has set.
func (s *Store) configure(callers *pgxpool.Config) *pgxpool.Config {
	c := callers.Copy()
	conn := c.ConnConfig
	if conn.ConnectTimeout <= 0 || conn.ConnectTimeout > s.deadlines.timeout {
		conn.ConnectTimeout = s.deadlines.timeout
	}
	conn.ValidateConnect = both(conn.ValidateConnect, pgconn.ValidateConnectTargetSessionAttrsReadWrite)
	onNotice := conn.OnNotice
	conn.OnNotice = func(pc *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			linkOf(pc).warning = n.Message
		}
		if onNotice != nil {
			onNotice(pc, n)
		}
	}
	c.AfterConnect = func(ctx context.Context, pc *pgx.Conn) error {
		linkOf(pc.PgConn()).generation = s.pulse.connected()
		if callers.AfterConnect != nil {
			return callers.AfterConnect(ctx, pc)
		}
		return nil
	}
	c.PrepareConn = func(ctx context.Context, pc *pgx.Conn) (bool, error) {
		if callers.PrepareConn != nil || callers.BeforeAcquire != nil { //nolint:staticcheck // a caller may have the older hook
			_ = linkOf(pc.PgConn()).setDeadline(pc, time.Time{})
		}
		switch {
		case !s.pulse.trusted(linkOf(pc.PgConn()).generation), !alive(pc.PgConn().Conn()):
			return false, nil
		case callers.PrepareConn != nil:
			return callers.PrepareConn(ctx, pc)
		case callers.BeforeAcquire != nil: //nolint:staticcheck // a caller may have the older hook
			return callers.BeforeAcquire(ctx, pc), nil //nolint:staticcheck // the same
		}
		return true, nil
	}
	if callers.AfterRelease != nil {
		c.AfterRelease = func(pc *pgx.Conn) bool {
			_ = linkOf(pc.PgConn()).setDeadline(pc, time.Time{})
			return callers.AfterRelease(pc)
		}
	}
	c.BeforeClose = func(pc *pgx.Conn) {
		_ = linkOf(pc.PgConn()).setDeadline(pc, time.Time{}) // the server is told of the end
		if callers.BeforeClose != nil {
			callers.BeforeClose(pc)
		}
	}
	c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	if c.MaxConnLifetimeJitter == 0 {
		c.MaxConnLifetimeJitter = c.MaxConnLifetime / 4
	}
	return c
}

// both returns a check of a new connection that is first, if there is one, and then second.
func both(first, second pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	if first == nil {
		return second
	}
	return func(ctx context.Context, c *pgconn.PgConn) error {
		if err := first(ctx, c); err != nil {
			return err
		}
		return second(ctx, c)
	}
}
