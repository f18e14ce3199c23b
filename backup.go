package auth

import (
	"context"
	"io"

	"github.com/datixlab/auth/store"
)

// Backup writes a copy of the store to w while it is in use, in the form of its adapter: on bbolt a
// file that boltstore.Open opens. The copy is good only if the error is nil. Whoever has it and
// Config.Secrets has what the store has: keep the two apart. After a restore, call
// [Manager.RevokeAll].
//
// It emits EventBackupMade when it ends. There is no time limit but that of ctx. The error is
// ErrUnsupported for a store that is no [store.Backuper], or ErrUnavailable.
func (m *Manager) Backup(ctx context.Context, w io.Writer) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	s, ok := m.records.Store.(store.Backuper)
	if !ok {
		return ErrUnsupported
	}
	err := s.Backup(ctx, w)
	e := Event{Type: EventBackupMade}
	if err != nil {
		e.Reason, err = "unfinished", unavailable(err)
	}
	m.emitByProgram(ctx, e)
	return err
}

// Backups reports whether [Manager.Backup] is supported.
func (m *Manager) Backups() bool {
	_, ok := m.records.Store.(store.Backuper)
	return ok
}
