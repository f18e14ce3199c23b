//go:build !race

package storetest

import (
	"context"
	"net"
)

// A Wire is a wire that ends connections at random once it is armed.
type Wire struct{ wire wire }

func (w *Wire) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return w.wire.dial(ctx, network, addr)
}

func (w *Wire) Arm(odds int) { w.wire.breakAt(odds) }
func (w *Wire) Ended() int64 { return int64(w.wire.mend()) }
func (w *Wire) Close()       { w.wire.close() }
