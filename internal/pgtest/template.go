package pgtest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// initdb makes the files of a new server. Segments of 1 MB make them half as large.
var initdb = []string{"--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--wal-segsize=1"}

// newData makes the directory data of a new server. It takes a second to make one, so it
// is made once and kept as an archive, which all processes of this user share.
func newData(data string) error {
	archive, err := openTemplate()
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if err := give(data); err != nil {
		return err
	}
	unpack := ordinary(exec.Command("tar", "-C", data, "-xf", "-")) //nolint:gosec // a directory of the test
	unpack.Stdin = archive
	return run(unpack)
}

// openTemplate opens the archive, and makes it if there is none. It is a single file, so
// that it is complete or missing whoever tidies the directory for temporary files.
func openTemplate() (*os.File, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("pgtest-%s-%d.tar", templateKey(), os.Geteuid()))
	archive, err := os.Open(path)
	if err == nil {
		if stat, err := archive.Stat(); err == nil && ours(stat) { // others may write here too
			return archive, nil
		}
		archive.Close()
		return makeTemplate("")
	}
	return makeTemplate(path)
}

// templateKey is another one for another version or other arguments.
func templateKey() string {
	h := sha256.New()
	fmt.Fprint(h, directory(), initdb)
	if program, err := os.Stat(filepath.Join(directory(), "postgres")); err == nil {
		fmt.Fprint(h, program.Size(), program.ModTime())
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// makeTemplate makes the archive, and moves it to the path if there is one.
func makeTemplate(path string) (archive *os.File, err error) {
	dir, err := newDirectory()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left there harms nobody
	data := filepath.Join(dir, "data")
	if err := run(command("initdb", append([]string{"--pgdata=" + data}, initdb...)...)); err != nil {
		return nil, err
	}
	if archive, err = os.CreateTemp("", "pgtest"); err != nil {
		return nil, err
	}
	pack := ordinary(exec.Command("tar", "-C", data, "-cf", "-", ".")) //nolint:gosec // the same
	pack.Stdout = archive
	err = run(pack)
	if err == nil {
		_, err = archive.Seek(0, 0)
	}
	if err == nil && path != "" {
		err = os.Rename(archive.Name(), path)
	} else {
		_ = os.Remove(archive.Name()) // what is open can be read
	}
	if err != nil {
		archive.Close()
		return nil, err
	}
	return archive, nil
}

// newDirectory makes a directory of the ordinary user. One of testing.TB would be inside
// of another that only its owner may pass through.
func newDirectory() (string, error) {
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return "", err
	}
	return dir, give(dir)
}

// run runs a command, and returns what it wrote if it fails.
func run(c *exec.Cmd) error {
	var text strings.Builder
	if c.Stderr = &text; c.Stdout == nil {
		c.Stdout = &text
	}
	c.Dir = "/" // the user may not be allowed to be where this process is
	if err := c.Run(); err != nil {
		return fmt.Errorf("%v: %w\n%s", c.Args, err, text.String())
	}
	return nil
}
