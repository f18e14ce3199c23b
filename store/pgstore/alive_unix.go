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
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
		return true
	})
	return err == nil && quiet
}
