package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	errStandby = errors.New("pgstore: the server is a standby, which may not know yet what was revoked")
	errOld     = errors.New("pgstore: the answer came from a connection that is older than a silence of the server")
)

// ofPrimary returns an error for an answer of a standby. A pooler can lead a connection to a server
// that was demoted, which would answer with what was revoked elsewhere.
func ofPrimary(standby bool) error {
	if standby {
		return errStandby
	}
	return nil
}

// call calls f with a connection that leads to the present server, and waits for it and for
// f no longer than Options.Timeout. Nothing is sent twice: if the reply is lost, nobody can
// know whether a statement was carried out.
//
// The end of a context by its deadline ends the statement, and costs the connection. A context
// that is cancelled does not: many are, when clients go away, and each would cost a connection
// and a request to cancel. So f gets a context without an end. The deadline is that of the
// connection, which takes less time to set than that of a context takes to watch.
func (s *Store) call(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	return s.callInTurn(ctx, nil, f)
}

// callInTurn is call, of which there are no more at once than turns has room for.
func (s *Store) callInTurn(ctx context.Context, turns chan struct{}, f func(context.Context, *pgx.Conn) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()

	until, end := s.deadlines.next()
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		until, end = ctx, d
	}
	if turns != nil {
		if err := take(ctx, until, turns); err != nil {
			return describe(ctx, err)
		}
		defer func() { <-turns }()
	}
	if err := take(ctx, until, s.connections); err != nil {
		return describe(ctx, err)
	}
	defer func() { <-s.connections }()
	pooled, err := s.pool.Acquire(waiting{until, ctx})
	if err != nil {
		return describe(ctx, err)
	}
	if !time.Now().Before(end) { // the connection took all the time, and is for the next call
		pooled.Release()
		return describe(ctx, context.DeadlineExceeded)
	}
	c := pooled.Conn()
	l := linkOf(c.PgConn())
	if err = l.setDeadline(c, end); err == nil {
		err = f(context.WithoutCancel(ctx), c)
	}
	answered := err == nil || errors.As(err, new(*pgconn.PgError))
	believed := !answered || s.pulse.answered(l.generation)
	if !answered || c.IsClosed() {
		s.abandon(pooled.Hijack())
	} else {
		pooled.Release()
	}
	if !believed {
		return errOld
	}
	return describe(ctx, err)
}

// take takes a turn, unless one of the contexts ends before there is one.
func take(ctx, until context.Context, turns chan struct{}) error {
	select {
	case turns <- struct{}{}:
		return nil
	default:
	}
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-until.Done():
		return until.Err()
	}
}

// abandon lets go of a connection on which a call failed. The client library would wait 15 s
// for a server that hangs to confirm the end. The pool would count the connection until then,
// and soon have no other.
func (s *Store) abandon(c *pgx.Conn) {
	raw := c.PgConn().Conn()
	if !c.IsClosed() {
		_ = raw.Close()
		return
	}
	time.AfterFunc(s.deadlines.timeout, func() { _ = raw.Close() }) // the request to cancel has been sent by then
}

// The SQLSTATEs of statements that the client library has prepared, on a connection of a pooler
// that leads to another one of the server by then.
const (
	duplicateStatement = "42P05"
	noSuchStatement    = "26000"
)

// describe wraps an error of the client, once; nil stays nil. If the caller's context has ended by
// now, it is the cause.
func describe(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, errStandby) {
		return err
	}
	if errors.As(err, new(*pgconn.ConnectError)) {
		err = oneLine{err}
	}
	if e := new(pgconn.PgError); errors.As(err, &e) && (e.Code == duplicateStatement || e.Code == noSuchStatement) {
		err = fmt.Errorf("%w; a pooler that does not keep prepared statements needs default_query_exec_mode=exec in the URL", err)
	}
	cause := ctx.Err()
	if end, ok := ctx.Deadline(); ok && cause == nil && !time.Now().Before(end) {
		cause = context.DeadlineExceeded // the socket's timer was a little earlier
	}
	if cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("pgstore: %w: %w", cause, err)
	}
	return fmt.Errorf("pgstore: %w", err)
}

// oneLine is an error whose text has no line break. The client library writes each address that
// it has tried on a line of its own.
type oneLine struct{ error }

// Error implements error.
func (e oneLine) Error() string {
	first, others, _ := strings.Cut(e.error.Error(), "\n\t")
	if others == "" {
		return first
	}
	return first + " " + strings.ReplaceAll(others, "\n\t", "; ")
}

// Unwrap returns the error itself.
func (e oneLine) Unwrap() error { return e.error }

// A link is what a Store knows of a connection. One goroutine at a time uses it.
type link struct {
	generation uint64    // of the pulse, when the connection was made
	warning    string    // the last one that the server sent
	deadline   time.Time // that the connection has
}

// setDeadline sets the deadline of the connection c, whose link l is. A connection at rest keeps
// the deadline of its last call, as the next call often has the same. Hooks of the caller must
// find none: they take their time, and the client library can change the deadline for them.
func (l *link) setDeadline(c *pgx.Conn, t time.Time) error {
	if l.deadline.Equal(t) {
		return nil
	}
	l.deadline = t
	return c.PgConn().Conn().SetDeadline(t)
}

// linkKey is where a connection of the client library has its link.
const linkKey = "github.com/datixlab/auth/store/pgstore"

func linkOf(c *pgconn.PgConn) *link {
	l, ok := c.CustomData()[linkKey].(*link)
	if !ok {
		l = new(link)
		c.CustomData()[linkKey] = l
	}
	return l
}
