//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store/memstore"
)

// ST-3
func TestASecretThatIsNotThisUsersOwnFileIsRefusedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"a FIFO":      {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		"a directory": {func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"a device":    {func(path string) error { return os.Symlink("/dev/zero", path) }, "not a regular file"},
		"huge":        {func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) }, "more than"},
		"another user's": {func(path string) error {
			if err := os.WriteFile(path, []byte(testSecret), 0o600); err != nil || os.Geteuid() != 0 {
				return errors.Join(err, os.Chmod(path, 0o644)) // only root can make one
			}
			return os.Chown(path, 12345, -1)
		}, "run: ch"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p, shared := place{path: filepath.Join(dir, "auth.db")}, filepath.Join(dir, "auth.secret")
			for _, path := range []string{p.path + ".secret", shared} {
				if err := c.make(path); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := p.secrets(""); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("beside the database: %v", err)
				}
				if _, err := sharedSecret(t.Context(), memstore.New(), "", shared, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("in the working directory: %v", err)
				}
			}()
			select {
			case <-done:
			case <-time.After(patience):
				t.Fatal("it still waits")
			}
		})
	}
}

// The kubelet gives a volume to the fsGroup of a pod before each start.
func TestAVolumeOfKubernetesIsUsedAgain(t *testing.T) { // ST-3
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.db")
	start := func() string {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		log := &output{listening: make(chan string, 1)}
		exit := make(chan int)
		go func() {
			exit <- run(ctx, []string{"-addr", "127.0.0.1:0", "-store", "bolt:" + path}, environment{}, io.Discard, log)
		}()
		select {
		case <-log.listening:
			stop()
			if status := <-exit; status != 0 {
				t.Errorf("exit status %d", status)
			}
		case status := <-exit:
			t.Fatalf("exit status %d: %s", status, log)
		}
		return log.String()
	}
	if text := start(); strings.Contains(text, "secretfile") {
		t.Errorf("at the first start it says %q", text)
	}
	if err := os.Chmod(dir, 0o770|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + ".secret"} {
		if err := os.Chmod(file, 0o660); err != nil {
			t.Fatal(err)
		}
	}
	text := start()
	for _, file := range []string{path, path + ".secret"} {
		if strings.Count(text, "path="+file+" ") != 1 {
			t.Errorf("it does not warn once of %s: %q", file, text)
		}
	}
}
