//go:build !linux

package servertest

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent does nothing on this system: a server outlives a test process that is
// killed.
func endWithParent(*exec.Cmd, syscall.Signal) {}

// The first process of the system is the parent of those whose parent has ended.
func adopt()   {}
func reap(int) {}

// children returns the processes that the process has started.
func children(pid int) (found []int) {
	out, _ := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=").Output()
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == strconv.Itoa(pid) {
			c, _ := strconv.Atoi(f[0])
			found = append(found, c)
		}
	}
	return found
}

// running reports whether the process has not ended; stopped, whether it does nothing.
func running(pid int) bool { s := state(pid); return s != "" && s[0] != 'Z' }
func stopped(pid int) bool { s := state(pid); return s == "" || s[0] == 'T' || s[0] == 'Z' }

func state(pid int) string {
	out, _ := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return strings.TrimSpace(string(out))
}
