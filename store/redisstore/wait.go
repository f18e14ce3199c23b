package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A waiter sends WAIT after every command that is to be replicated, in the same packet.
// WAIT covers what was written before on the same connection, so it must not use
// another one. The waiter is a hook of the client of a single server. That is below the
// code of a cluster's client that finds the master of a slot and follows redirections.
type waiter struct {
	client   *redis.Client
	replicas int
	timeout  time.Duration
}

// ProcessHook turns a command that is to be replicated into a pipeline.
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

// ProcessPipelineHook adds WAIT to a pipeline that ends with such a command. The client
// of a cluster makes such a pipeline itself while a slot is being moved.
func (w waiter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c, ok := cmds[len(cmds)-1].(*command)
		if !ok || !c.replicate {
			return next(ctx, cmds)
		}
		c.unreplicated = nil // clear the error of a master that redirected it here
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
