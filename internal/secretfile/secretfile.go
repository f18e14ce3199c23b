// Package secretfile opens files that hold secrets. It accepts only a regular file that
// belongs to the user of this process, or to root, and that no other user may read or write.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// Open opens an existing file for reading (os.O_RDONLY) or for both (os.O_RDWR). It
// follows symbolic links, and it never waits. It refuses:
//
//   - A FIFO, a device, a socket and a directory. None of them is opened, since opening a
//     FIFO waits and opening a device may do something.
//   - A file that others than its owner may read or write.
//   - A file of another user, even if this process is root. Its owner could read it and
//     change it at any time. A file of root is accepted, also if its group may read it: that
//     is how Kubernetes mounts secrets.
//
// The last two are not checked on Windows. The error is a [*fs.PathError] that says what
// to do.
func Open(path string, flag int) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, refuse(path, errNotRegular)
	}
	f, err := os.OpenFile(path, flag&^os.O_CREATE|nonblock, 0) // it may have been replaced by a FIFO
	if err != nil {
		return nil, err
	}
	if err := check(f); err != nil {
		return nil, errors.Join(refuse(path, err), f.Close())
	}
	return f, nil
}

// Read returns the content of a file that Open accepts. A file of more than limit bytes is
// an error.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, refuse(path, fmt.Errorf("it has more than %d bytes", limit))
	}
	return content, nil
}

// SyncDir makes the names of new files in dir as durable as their content. Like Open it
// never waits, whatever dir is.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there, and need not be
		return nil
	}
	d, err := os.OpenFile(dir, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

var errNotRegular = errors.New("not a regular file")

func check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNotRegular
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	owner, known := ownerOf(info)
	forbidden := fs.FileMode(0o077)
	if known && owner == root && owner != os.Geteuid() {
		forbidden &^= 0o040 // a secret that an orchestrator mounts for the group of the process
	}
	mode := info.Mode().Perm()
	switch {
	case mode&forbidden == 0:
	case forbidden&0o040 == 0: // this process is not the owner, so it cannot change the mode
		return fmt.Errorf("mode %#o gives access to every user; mount it with mode 0440 and group %d, which is that of this process", mode, os.Getegid())
	default:
		return fmt.Errorf("mode %#o gives access to users other than its owner; run: chmod 600 %s", mode, f.Name())
	}
	if known && owner != os.Geteuid() && owner != root {
		return fmt.Errorf("it belongs to user %[1]d, and this process runs as user %[2]d; run: chown %[2]d %[3]s (or run the process as user %[1]d)",
			owner, os.Geteuid(), f.Name())
	}
	return nil
}

const root = 0 // the user that may read every file

func refuse(path string, why error) error { return &fs.PathError{Op: "open", Path: path, Err: why} }
