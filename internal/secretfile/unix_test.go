//go:build unix

package secretfile_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/secretfile"
)

// ST-3
func TestAFileThatIsNotItsOwnersAloneIsRefused(t *testing.T) {
	path := write(t, "text")
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o601, 0o666} {
		must(t, os.Chmod(path, mode))
		refused(t, path, fmt.Sprintf("mode %#o", mode), "chmod 600 "+path)
	}
}

// ST-3
func TestAFileOfAnotherUserIsRefusedEvenByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can make a file of another user")
		return
	}
	path := write(t, "text")
	must(t, os.Chown(path, 12345, -1))
	refused(t, path, "belongs to user 12345", "runs as user 0", "chown 0 "+path, "as user 12345")
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	refused(t, link, "belongs to user 12345")
	must(t, os.Chown(path, 0, -1))
	if _, err := secretfile.Read(path, 100); err != nil {
		t.Errorf("given back: %v", err)
	}
}

// Kubernetes mounts a secret as a file of root that the group of the process may read.
func TestAMountedSecretOfRootIsAccepted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can make a file of root for another user")
		return
	}
	dir, err := os.MkdirTemp("", "secretfile")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	self, err := os.ReadFile(os.Args[0])
	must(t, err)
	program := filepath.Join(dir, "program") // go test's own is in a directory of root
	must(t, os.WriteFile(program, self, 0o755))
	path := filepath.Join(dir, "secret")
	for mode, accepted := range map[fs.FileMode]bool{0o440: true, 0o640: true, 0o444: false, 0o660: false} {
		must(t, os.WriteFile(path, []byte("text"), 0o600))
		must(t, os.Chown(path, 0, 12345))
		must(t, os.Chmod(path, mode))
		c := exec.Command(program, "-test.run=^TestReadAsTheGroupOfASecret$")
		c.Env = append(os.Environ(), "SECRETFILE_PATH="+path)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
		c.Dir = "/"
		out, err := c.CombinedOutput()
		if (err == nil) != accepted {
			t.Errorf("mode %#o: %v, want accepted %v: %s", mode, err, accepted, out)
		}
		if !accepted && (!strings.Contains(string(out), "mount it with mode 0440 and group 12345") || strings.Contains(string(out), "chmod")) {
			t.Errorf("mode %#o: the user cannot change it, and the error does not say what to do: %s", mode, out)
		}
		must(t, os.Remove(path))
	}
}

// TestReadAsTheGroupOfASecret is what TestAMountedSecretOfRootIsAccepted runs as another user.
func TestReadAsTheGroupOfASecret(t *testing.T) {
	path := os.Getenv("SECRETFILE_PATH")
	if path == "" {
		return
	}
	if _, err := secretfile.Read(path, 100); err != nil {
		t.Fatal(err)
	}
}

// Opening a FIFO waits for somebody at its other end, and opening a device can do
// something: /dev/watchdog restarts the machine.
func TestAFIFOADeviceAndASocketAreRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	fifo, link, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "socket")
	must(t, syscall.Mkfifo(fifo, 0o600))
	must(t, os.Symlink(fifo, link))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	defer syscall.Close(fd)
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket}))

	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, path := range []string{fifo, link, socket, "/dev/null", "/dev/tty"} {
			f, err := secretfile.Open(path, os.O_RDWR)
			if err == nil {
				f.Close()
				t.Errorf("%s was opened", path)
			}
			if text, err := secretfile.Read(path, 100); err == nil {
				t.Errorf("%s was read: %q", path, text)
			}
		}
		if err := secretfile.SyncDir(fifo); err == nil {
			t.Error("a FIFO was synced as a directory")
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it still waits")
	}
}
