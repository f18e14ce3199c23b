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

var rules secretfile.Rules // the strict ones

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
		f, err := rules.Open(path, flag)
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
	if text, err := rules.Read(path, 1<<10); err == nil || text != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestAFileOfItsOwnerAloneIsReadInWholeOrNotAtAll(t *testing.T) {
	path := write(t, "0123456789")
	for limit, ok := range map[int64]bool{9: false, 10: true, 11: true, 1 << 40: true} {
		text, err := rules.Read(path, limit)
		if (err == nil) != ok || ok && string(text) != "0123456789" || !ok && text != nil {
			t.Errorf("with a limit of %d: %q, %v", limit, text, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	if text, err := rules.Read(link, 100); err != nil || len(text) != 10 {
		t.Errorf("through a link: %q, %v", text, err)
	}
	f, err := rules.Open(path, os.O_RDWR)
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
	if _, err := rules.Open(missing, os.O_RDWR|os.O_CREATE); !errors.Is(err, fs.ErrNotExist) {
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

// What an editor, a shell or a tool of Kubernetes adds to a line is not part of a secret, and what is
// inside a line is.
func TestAFileOfOneLineIsReadWithoutWhatToolsAdd(t *testing.T) {
	for content, want := range map[string]string{
		"secret":                 "secret",
		"secret\n":               "secret",
		"secret\r\n":             "secret",
		"secret\n\n":             "secret",
		"\ufeffsecret":           "secret",
		"\ufeffsecret\r\n":       "secret",
		" sec ret \n":            " sec ret ",
		"a\nb\n":                 "a\nb",
		"\nsecret":               "\nsecret",
		"sec\ufeffret\ufeff":     "sec\ufeffret\ufeff",
		"\ufeff":                 "",
		"\r\n":                   "",
		"":                       "",
		"\xef\xbbsecret\x00\xff": "\xef\xbbsecret\x00\xff",
	} {
		got, err := rules.ReadText(write(t, content), 100)
		if err != nil || got != want {
			t.Errorf("%q is read as %q, %v, want %q", content, got, err, want)
		}
		if line := secretfile.Line(content); line != want {
			t.Errorf("the line of %q is %q, want %q", content, line, want)
		}
	}
	for _, content := range []string{"\xff\xfes\x00e\x00\r\x00\n\x00", "\xfe\xff\x00s\x00e"} {
		if got, err := rules.ReadText(write(t, content), 100); err == nil || !strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("%q is read as %q, %v", content, got, err)
		}
	}
	if got, err := rules.ReadText(write(t, "secret"), 5); err == nil {
		t.Errorf("beyond the limit: %q", got)
	}
}

func TestAFileIsPublishedWholeAndReplacesNone(t *testing.T) {
	here := t.TempDir()
	elsewhere := here // a file system that no link leads to from here
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		var err error
		elsewhere, err = os.MkdirTemp("/dev/shm", "secretfile")
		must(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(elsewhere) })
	}
	for name, dir := range map[string]string{"linked": here, "copied": elsewhere} {
		made, path := filepath.Join(dir, "made"), filepath.Join(here, name)
		must(t, os.WriteFile(made, []byte("complete"), 0o600))
		must(t, secretfile.Publish(made, path))
		if text, err := rules.Read(path, 100); err != nil || string(text) != "complete" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		must(t, os.WriteFile(made, []byte("another"), 0o600))
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		must(t, os.WriteFile(path, []byte("first"), 0o600))
		if err := secretfile.Publish(made, path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: over a file: %v", name, err)
		}
		if text, err := rules.Read(path, 100); err != nil || string(text) != "first" {
			t.Errorf("%s: it is now %q, %v", name, text, err)
		}
		if err := secretfile.Publish(made, filepath.Join(here, "missing", "path")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: into a missing directory: %v", name, err)
		}
	}
}
