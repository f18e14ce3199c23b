package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name that Redis gives to a script, no protection
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// errReply is a reply that the scripts and commands here never give: somebody else
// writes to the same keys, or this is not Redis.
var errReply = errors.New("redisstore: unexpected reply")

// A command is sent once. Whether one whose reply was lost was carried out cannot
// be known, and a second time is not the same as the first: a condition no longer
// holds, a hit is counted twice. The client library would send it again after any
// error of the network, were it not for NoRetry.
type command struct {
	*redis.Cmd
	replicate    bool  // wait for the replicas, if the Store was told to
	unreplicated error // why fewer of them than asked for are known to have it
}

// NoRetry is what the client library asks a command after an error.
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

// A script is a Lua script under the name that the server knows it by.
type script struct{ text, sha string }

// newScript makes a script of a text, in which keep is that constant, in milliseconds.
func newScript(text string) script {
	text = fmt.Sprintf("local keep = %d ", keep.Milliseconds()) + text
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see the import
	return script{text, hex.EncodeToString(sum[:])}
}

// run is send for a script on one key. Its text goes over the wire only where the
// server does not have it: after a restart, a failover or SCRIPT FLUSH.
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

// follow has the client ask the cluster which node is whose master after an error
// that a change of that may be the cause of. By itself the client does so when a
// node sends it to another, and every few seconds; a node that is dead sends nobody
// anywhere.
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

// describe wraps an error of the client, once. Where the context has ended by now,
// that is the cause.
func describe(ctx context.Context, err error) error {
	cause := ctx.Err()
	if end, ok := ctx.Deadline(); ok && cause == nil && !time.Now().Before(end) {
		cause = context.DeadlineExceeded // the socket's timer was a little faster
	}
	if cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("redisstore: %w: %w", cause, err)
	}
	return fmt.Errorf("redisstore: %w", err)
}
