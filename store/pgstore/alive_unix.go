//go:build unix

package pgstore

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// alive reports whether nothing has arrived on an idle connection, not even its end. It asks the
// system, and nobody else. A server that restarts, an administrator or a firewall ends
// connections at rest, and a statement on one of them would fail.
func alive(c net.Conn) bool {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	// Control and not Read, which waits for whoever reads. The client library still does, on a
	// connection at rest, if a write on it took longer than 15 ms.
	quiet := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
	})
	return err == nil && quiet
}
