package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A waiter sends WAIT behind every command that is to be replicated, in the same
// packet: it is about what was written before on the same connection, so a command
// of its own would be about nothing. It hangs on the client of a single server,
// below what finds the slot's master in a cluster and follows its redirections.
type waiter struct {
	client   *redis.Client
	replicas int
	timeout  time.Duration
}

// ProcessHook makes a pipeline of a command that is to be replicated.
func (w waiter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if c, ok := cmd.(*command); !ok || !c.replicate {
			return next(ctx, cmd)
		}
		pipe := w.client.Pipeline()
		if err := pipe.Process(ctx, cmd); err != nil {
			return err
		}
		_, _ = pipe.Exec(ctx) // every command has its own error
		return cmd.Err()
	}
}

// ProcessPipelineHook adds WAIT to a pipeline with such a command at its end. A
// cluster's client makes one by itself, for a slot that is being moved.
func (w waiter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c, ok := cmds[len(cmds)-1].(*command)
		if !ok || !c.replicate {
			return next(ctx, cmds)
		}
		c.unreplicated = nil // of the master that redirected it here
		wait := redis.NewIntCmd(ctx, "wait", w.replicas, w.timeout.Milliseconds())
		err := next(ctx, append(slices.Clip(cmds), wait))
		switch acks, werr := wait.Result(); {
		case werr != nil:
			c.unreplicated = fmt.Errorf("redisstore: written, but not known to be on a replica: %w", werr)
		case acks < int64(w.replicas):
			c.unreplicated = fmt.Errorf("redisstore: written, but known to be on %d of %d replicas only", acks, w.replicas)
		}
		if c.Err() == nil {
			return nil
		}
		return err
	}
}

// DialHook changes nothing.
func (waiter) DialHook(next redis.DialHook) redis.DialHook { return next }
