package redisstore

import (
	"context"
	_ "embed"

	"github.com/datixlab/auth/store"
)

//go:embed commit.lua
var commitText string
var commitScript = newScript(masterText + commitText)

// Commit implements store.Store, with one script. A server that is out of memory still
// carries out a Commit that only removes, so sessions can be ended.
//
// With Options.Replicas it also waits for the replicas. If too few answer in time, the
// error says so. The master has then carried out the Commit, and whether it survives a
// failover is not known.
func (s *Store) Commit(ctx context.Context, ops ...store.Op) error {
	if err := store.CheckCommit(ops); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()

	args := make([]any, 0, 4*len(ops))
	writes := false
	for i := range ops {
		op := &ops[i]
		writes = writes || op.Write != store.None
		args = append(args, name(op.Key), int(op.When), op.Old, stored(op))
	}
	if s.watch != nil && writes {
		partition := store.Partition(ops[0].Key)
		s.watch.Begin(partition)
		defer s.watch.End(partition)
	}
	reply, err := s.run(ctx, command{replicate: writes}, commitScript, s.base(ops[0].Key), args...)
	if err != nil {
		return err
	}
	switch reply.Val() {
	case int64(0):
		return store.ErrConflict
	case int64(1):
		return reply.unreplicated
	}
	return errReply
}
