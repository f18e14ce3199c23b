package main

import (
	"net"
	"os/user"
	"strconv"
	"syscall"
)

// peerUser returns the name of the user whose process has connected, or "uid" and the number of
// one without a name. The kernel says who it was at that moment (SO_PEERCRED, unix(7)).
func peerUser(c *net.UnixConn) (string, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return "", err
	}
	if failed != nil {
		return "", failed
	}
	id := strconv.FormatUint(uint64(peer.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username, nil
	}
	return "uid" + id, nil
}
