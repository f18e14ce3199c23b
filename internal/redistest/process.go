package redistest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// A process is a program that runs, or has run.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// launch starts the program with dir as its working directory, and writes its output to
// the file log there.
func launch(dir string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})} //nolint:gosec // redis-server, with what a test says
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	endWithParent(p.cmd)
	started := make(chan error)
	go func() { // until kill
		// Linux takes the thread that started a process for its parent, so this thread
		// has to live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		close(p.ended)
	}()
	return p, <-started
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as a crash would, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}
