package servertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// A Process is a program that runs, or has run, with its children.
type Process struct {
	cmd     *exec.Cmd
	log     string
	ended   chan struct{}
	hanging []int     // since Stop: the children, then the process
	watcher *exec.Cmd // since Stop
}

// Launch starts a command with dir as its working directory, and writes its output to
// the file log there. When the process of the test ends, Linux sends the command the
// signal.
func Launch(dir string, c *exec.Cmd, atEnd syscall.Signal) (*Process, error) {
	p := &Process{cmd: c, log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	endWithParent(c, atEnd)
	adopt()
	started := make(chan error)
	go func() { // until Kill
		// Linux takes the thread that started a process for its parent, so this thread
		// has to live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait()
		}
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive reports whether the process has not ended.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Log returns the end of what the process has written.
func (p *Process) Log() string {
	log, _ := os.ReadFile(p.log)
	return string(log[max(0, len(log)-2000):])
}

// Kill ends the process and its children as a crash would, and waits for their end.
func (p *Process) Kill() {
	if !p.Alive() {
		return
	}
	// A process that is stopped starts no child and sees none of them end.
	p.unwatch()
	children := p.halt()
	for _, c := range children {
		kill(c)
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	for _, c := range children {
		reap(c)
		for running(c) {
			<-time.After(time.Millisecond)
		}
	}
}

// unwatch ends the program that undoes Stop.
func (p *Process) unwatch() {
	if p.watcher != nil {
		_ = p.watcher.Process.Kill()
		_ = p.watcher.Wait()
		p.watcher = nil
	}
}
