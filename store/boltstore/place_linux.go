package boltstore

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// leadsTo reports whether path leads to the file. It does not ask for the times of the
// file. From Linux 6.13 on, the write after such a question stores its time more exactly,
// and then the sync has to write the journal of the file system as well.
func leadsTo(path string, file os.FileInfo) (bool, error) {
	var there unix.Statx_t
	opened, ok := file.Sys().(*syscall.Stat_t)
	if !ok || unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO, &there) != nil { // not allowed, or no such file
		return statLeadsTo(path, file)
	}
	return there.Ino == opened.Ino && unix.Mkdev(there.Dev_major, there.Dev_minor) == uint64(opened.Dev), nil //nolint:unconvert // 32 bits on mips
}
