package secretfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/secretfile"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write returns the path of a new file, alone in its directory.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// refused holds that path is neither opened nor read, and that the error names it and
// says every one of words.
func refused(t *testing.T, path string, words ...string) {
	t.Helper()
	for _, flag := range []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE} {
		f, err := secretfile.Open(path, flag)
		if err == nil {
			f.Close()
			t.Fatalf("opened with flag %#x", flag)
		}
		for _, word := range append(words, path) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not say %q: %v", word, err)
			}
		}
		if in := (*fs.PathError)(nil); !errors.As(err, &in) || in.Path != path {
			t.Errorf("no PathError of the path: %#v", err)
		}
	}
	if text, err := secretfile.Read(path, 1<<10); err == nil || text != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestAFileOfItsOwnerAloneIsReadInWholeOrNotAtAll(t *testing.T) {
	path := write(t, "0123456789")
	for limit, ok := range map[int64]bool{9: false, 10: true, 11: true, 1 << 40: true} {
		text, err := secretfile.Read(path, limit)
		if (err == nil) != ok || ok && string(text) != "0123456789" || !ok && text != nil {
			t.Errorf("with a limit of %d: %q, %v", limit, text, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	if text, err := secretfile.Read(link, 100); err != nil || len(text) != 10 {
		t.Errorf("through a link: %q, %v", text, err)
	}
	f, err := secretfile.Open(path, os.O_RDWR)
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, errors.Join(err, f.Close()))
	if text, err := os.ReadFile(path); err != nil || string(text) != "x123456789" {
		t.Errorf("after writing: %q, %v", text, err)
	}
}

func TestWhatIsNoFileIsRefusedAndNoneIsMade(t *testing.T) {
	dir := t.TempDir()
	refused(t, dir, "not a regular file")
	missing := filepath.Join(dir, "missing")
	refused(t, missing, "no such file")
	if _, err := secretfile.Open(missing, os.O_RDWR|os.O_CREATE); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("Open made %v", names)
	}
	must(t, secretfile.SyncDir(dir))
	if err := secretfile.SyncDir(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SyncDir of a missing directory: %v", err)
	}
}
