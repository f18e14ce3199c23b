//go:build unix

package servertest

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Stop makes the process and its children hang until [Process.Continue].
func (p *Process) Stop() error {
	children := p.halt()
	for _, c := range children {
		halt(c)
	}
	p.hanging = append(slices.Clone(children), p.PID())
	return p.watch()
}

// watch starts a program that undoes Stop if the process of the test ends first. A child
// that is stopped would never learn that its parent has ended.
func (p *Process) watch() (err error) {
	p.watcher = exec.Command("sh", "-c", `read -r _; kill -CONT "$@"`, "sh")
	for _, pid := range p.hanging {
		p.watcher.Args = append(p.watcher.Args, strconv.Itoa(pid))
	}
	p.watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's interrupt ends the test alone
	if _, err = p.watcher.StdinPipe(); err != nil {             // which the system closes with the process
		return err
	}
	return p.watcher.Start()
}

// Continue undoes Stop.
func (p *Process) Continue() error {
	p.unwatch()
	for _, pid := range p.hanging {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			return fmt.Errorf("process %d: %w", pid, err)
		}
	}
	p.hanging = nil
	return nil
}

// halt stops the process, but not its children, and returns these.
func (p *Process) halt() []int {
	halt(p.PID())
	return children(p.PID())
}

// halt stops a process and waits until it does nothing more.
func halt(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for !stopped(pid) {
		<-time.After(time.Millisecond)
	}
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
