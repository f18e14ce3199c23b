package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name that Redis gives to a script, no protection
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// errReply reports a reply that the commands and scripts here never return. Another
// program writes to the same keys, or the server is not Redis.
var errReply = errors.New("redisstore: unexpected reply")

// A command is sent once. If its reply is lost, nobody can know whether it was carried
// out, and a second time has another effect: a condition no longer holds, a hit is
// counted twice. Without NoRetry the client library would send it again after a network
// error.
type command struct {
	*redis.Cmd
	replicate    bool  // wait for the replicas, with Options.Replicas
	unreplicated error // set if fewer replicas than asked for are known to have it
}

// NoRetry tells the client library not to send the command again after an error.
func (*command) NoRetry() bool { return true }

// send sends a command like c with args, and returns it with its reply.
func (s *Store) send(ctx context.Context, c command, args []any) (*command, error) {
	c.Cmd = redis.NewCmd(ctx, args...)
	if err := s.client.Process(ctx, &c); err != nil {
		s.follow(err)
		return nil, describe(ctx, err)
	}
	return &c, nil
}

// read sends a command that only reads key, in one packet behind a write that changes
// nothing. A server that was demoted refuses that write, see master.lua.
func (s *Store) read(ctx context.Context, key string, args []any) (*command, error) {
	tried := command{Cmd: redis.NewCmd(ctx, "zrem", key, "")}
	c := command{Cmd: redis.NewCmd(ctx, args...)}
	pipe := s.client.Pipeline()
	_ = pipe.Process(ctx, &tried) // only queues it
	_ = pipe.Process(ctx, &c)
	_, _ = pipe.Exec(ctx) // every command has its own error
	err := c.Err()
	if redis.IsReadOnlyError(tried.Err()) {
		err = tried.Err()
	}
	if err != nil {
		s.follow(err)
		return nil, describe(ctx, err)
	}
	return &c, nil
}

// A script is a Lua script, with the digest by which the server knows it.
type script struct{ text, sha string }

//go:embed master.lua
var masterText string

// newScript makes a script of text. In it keep is the constant of that name, in
// milliseconds.
func newScript(text string) script {
	text = fmt.Sprintf("local keep = %d ", keep.Milliseconds()) + text
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see the import
	return script{text, hex.EncodeToString(sum[:])}
}

// run is send for a script on one key. The text is sent only if the server does not
// have it: after a restart, a failover or SCRIPT FLUSH.
func (s *Store) run(ctx context.Context, c command, sc script, key string, args ...any) (*command, error) {
	all := append(make([]any, 0, 4+len(args)), "evalsha", sc.sha, 1, key)
	all = append(all, args...)
	reply, err := s.send(ctx, c, all)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		all = slices.Clone(all)
		all[0], all[1] = "eval", sc.text
		return s.send(ctx, c, all)
	}
	return reply, err
}

// follow makes the client ask for the topology of the cluster, if a change of it can
// have caused err. On its own the client asks when a node redirects it, and every few
// seconds. A dead node redirects nobody.
func (s *Store) follow(err error) {
	if s.cluster == nil {
		return
	}
	if reply := redis.Error(nil); errors.As(err, &reply) && !redis.IsClusterDownError(err) && !redis.IsReadOnlyError(err) {
		return
	}
	const often = 200 * time.Millisecond
	now, last := time.Now().UnixNano(), s.reloaded.Load()
	if now-last >= int64(often) && s.reloaded.CompareAndSwap(last, now) {
		s.cluster.ReloadState(context.Background()) // returns at once
	}
}

// describe wraps an error of the client, once. If the context has ended by now, it is
// the cause.
func describe(ctx context.Context, err error) error {
	cause := ctx.Err()
	if end, ok := ctx.Deadline(); ok && cause == nil && !time.Now().Before(end) {
		cause = context.DeadlineExceeded // the socket's timer was a little earlier
	}
	if cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("redisstore: %w: %w", cause, err)
	}
	return fmt.Errorf("redisstore: %w", err)
}
