//go:build !linux

package main

import (
	"net"
	"os/user"
)

// peerUser returns the name of the user of this process, since the standard library asks no other
// kernel than Linux who has connected. The mode of the socket lets nobody else connect but the
// superuser, who has this name too then.
func peerUser(*net.UnixConn) (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
