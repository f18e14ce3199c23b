//go:build unix

package secretfile

import (
	"io/fs"
	"syscall"
)

// nonblock makes opening a FIFO return at once. It changes nothing about a regular file.
const nonblock = syscall.O_NONBLOCK

func ownerOf(info fs.FileInfo) (uid, gid int, known bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}
