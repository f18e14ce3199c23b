//go:build unix

package openstore

import (
	"errors"
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
			p, shared := Place{Path: filepath.Join(dir, "auth.db")}, filepath.Join(dir, "auth.secret")
			for _, path := range []string{p.Path + ".secret", shared} {
				if err := c.make(path); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := p.Secrets(""); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("beside the database: %v", err)
				}
				if _, err := SharedSecret(t.Context(), memstore.New(), "", shared, secretfile.Rules{}); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("in the working directory: %v", err)
				}
			}()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("it still waits")
			}
		})
	}
}
