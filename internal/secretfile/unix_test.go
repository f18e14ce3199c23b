//go:build unix

package secretfile_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/secretfile"
)

// accepted opens path and returns what is logged about it.
func accepted(t *testing.T, path string, r secretfile.Rules) string {
	t.Helper()
	var log bytes.Buffer
	r.Logger = slog.New(slog.NewTextHandler(&log, nil))
	f, err := r.Open(path, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	must(t, f.Close())
	if _, err := (secretfile.Rules{Insecure: r.Insecure}).Read(path, 100); err != nil {
		t.Errorf("without a Logger: %v", err)
	}
	return log.String()
}

// modes returns every mode in which the owner may read and write.
func modes() (all []fs.FileMode) {
	for others := range fs.FileMode(0o100) {
		all = append(all, 0o600|others)
	}
	return all
}

// ST-3
func TestWhatOthersMayDoWithAFileDecidesWhetherItIsAccepted(t *testing.T) {
	path := write(t, "text")
	dir := filepath.Dir(path)
	info, err := os.Stat(path)
	must(t, err)
	ours := int(info.Sys().(*syscall.Stat_t).Gid)
	directories := map[string]struct {
		mode  fs.FileMode
		gid   int
		hands bool // on the group of the file
	}{
		"of its owner":          {0o700, ours, false},
		"that its group writes": {0o770, ours, false},
		"of Kubernetes":         {0o770 | fs.ModeSetgid, ours, true},
		"with the bit alone":    {0o750 | fs.ModeSetgid, ours, true},
		"of another group":      {0o770 | fs.ModeSetgid, 12345, false},
	}
	for name, d := range directories {
		if d.gid != ours && os.Geteuid() != 0 {
			continue // only root can make one
		}
		must(t, os.Chown(dir, -1, d.gid))
		must(t, os.Chmod(dir, d.mode))
		for _, mode := range modes() {
			must(t, os.Chmod(path, mode))
			t.Run(fmt.Sprintf("%#o in a directory %s", mode, name), func(t *testing.T) {
				switch {
				case mode&0o007 != 0:
					refused(t, path, fmt.Sprintf("mode %#o", mode), "every user", "chmod 600 "+path, "InsecureFileMode")
				case mode&0o020 != 0 && !d.hands:
					refused(t, path, fmt.Sprintf("mode %#o", mode), "its group write", "chmod 600 "+path, "InsecureFileMode")
				default:
					want := 0
					if mode != 0o600 {
						want = 1
					}
					if log := accepted(t, path, rules); strings.Count(log, "level=WARN") != want || want == 1 && !strings.Contains(log, path) {
						t.Errorf("it logged %q, want %d warnings", log, want)
					}
				}
				if log := accepted(t, path, secretfile.Rules{Insecure: true}); (log == "") != (mode == 0o600) {
					t.Errorf("insecurely it logged %q", log)
				}
			})
		}
	}
}

// A link from another directory says nothing of the one that the file is in, and the other way round.
func TestTheDirectoryOfAFileIsTheOneThatALinkLeadsTo(t *testing.T) {
	path := write(t, "text")
	must(t, os.Chmod(path, 0o660))
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	must(t, os.Chmod(filepath.Dir(link), 0o770|fs.ModeSetgid))
	refused(t, link, "its group write")
	must(t, os.Chmod(filepath.Dir(path), 0o770|fs.ModeSetgid))
	must(t, os.Chmod(filepath.Dir(link), 0o700))
	if log := accepted(t, link, rules); strings.Count(log, "level=WARN") != 1 {
		t.Errorf("it logged %q", log)
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
	if log := accepted(t, path, secretfile.Rules{Insecure: true}); !strings.Contains(log, "belongs to user 12345") {
		t.Errorf("insecurely it logged %q", log)
	}
	must(t, os.Chown(path, 0, -1))
	if _, err := rules.Read(path, 100); err != nil {
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
	for mode, accepted := range map[fs.FileMode]bool{0o440: true, 0o640: true, 0o444: false, 0o660: false, 0o400: false} {
		_ = os.Remove(path)
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
		if accepted && bytes.Contains(out, []byte("WARN")) {
			t.Errorf("mode %#o: there is no other way to mount it, and it is warned of: %s", mode, out)
		}
		if mode == 0o400 && !bytes.Contains(out, []byte("mount it with mode 0440 and that group")) {
			t.Errorf("the error does not say what to do: %s", out)
		}
		if mode&0o007 == 0 {
			continue
		}
		if !accepted && (!strings.Contains(string(out), "mount it with mode 0440 and group 12345") || strings.Contains(string(out), "chmod")) {
			t.Errorf("mode %#o: the user cannot change it, and the error does not say what to do: %s", mode, out)
		}
	}
}

// TestReadAsTheGroupOfASecret is what TestAMountedSecretOfRootIsAccepted runs as another user.
func TestReadAsTheGroupOfASecret(t *testing.T) {
	path := os.Getenv("SECRETFILE_PATH")
	if path == "" {
		return
	}
	if _, err := (secretfile.Rules{Logger: slog.Default()}).Read(path, 100); err != nil {
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
			f, err := rules.Open(path, os.O_RDWR)
			if err == nil {
				f.Close()
				t.Errorf("%s was opened", path)
			}
			if text, err := rules.Read(path, 100); err == nil {
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
