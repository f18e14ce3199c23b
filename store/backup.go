package store

import (
	"context"
	"io"
)

// A Backuper is a Store that writes a copy of itself in a form of its own, such as a file that it
// can open. An adapter whose engine has tools for that does not implement it.
type Backuper interface {
	Store

	// Backup writes a copy to w, as it is at one instant, while the store is in use. The copy is
	// good only if the error is nil.
	Backup(ctx context.Context, w io.Writer) error
}
