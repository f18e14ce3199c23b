package servertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func endWithParent(c *exec.Cmd, atEnd syscall.Signal) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = new(syscall.SysProcAttr)
	}
	c.SysProcAttr.Pdeathsig = atEnd
}

// adopt makes the process of the test the parent of those whose parent has ended, so that
// it can reap them. The first process of a container may leave them for ever.
func adopt() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// reap waits for the end of a process that has no other parent any more.
func reap(pid int) { _, _ = unix.Wait4(pid, nil, 0, nil) }

// stat returns a process's state, a letter, and its parent; 'X' and 0 if there is none.
func stat(pid int) (state byte, parent int) {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	// The name of the program is in parentheses and may have any byte.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return 'X', 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0][0], parent
}

// children returns the processes that the process has started.
func children(pid int) (found []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if c, err := strconv.Atoi(e.Name()); err == nil {
			if _, parent := stat(c); parent == pid {
				found = append(found, c)
			}
		}
	}
	return found
}

// running reports whether the process has not ended; stopped, whether it does nothing.
func running(pid int) bool { state, _ := stat(pid); return state != 'X' && state != 'Z' }
func stopped(pid int) bool {
	state, _ := stat(pid)
	return state == 'T' || state == 'Z' || state == 'X'
}
