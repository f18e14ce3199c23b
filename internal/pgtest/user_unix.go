//go:build unix

package pgtest

import (
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// ordinary makes a command run as an ordinary user.
func ordinary(c *exec.Cmd) *exec.Cmd {
	if uid, gid := account(); uid != 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	return c
}

// give gives a file to the ordinary user.
func give(path string) error {
	if uid, gid := account(); uid != 0 {
		return os.Chown(path, uid, gid)
	}
	return nil
}

// account returns the user that the servers run as, or 0 for the user of this process.
var account = sync.OnceValues(func() (uid, gid int) {
	if os.Geteuid() != 0 {
		return 0, 0
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
			return uid, gid
		}
	}
	return 0, 0
})

// ours reports whether the file belongs to the user of this process.
func ours(file fs.FileInfo) bool {
	stat, ok := file.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
