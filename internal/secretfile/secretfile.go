// Package secretfile opens files that hold secrets. It accepts only a regular file of the
// user of this process, or of root, that not every user may read or write. It also makes such
// files, complete or not at all.
package secretfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Rules say which files are accepted, and who hears of those that more users than one may
// use.
type Rules struct {
	// Insecure accepts every regular file, whoever may use it and whoever owns it. It is for
	// file systems on which modes mean nothing.
	Insecure bool

	// Logger receives one warning for a file that is accepted although others may use it.
	// nil logs nothing.
	Logger *slog.Logger
}

// Open opens an existing file for reading (os.O_RDONLY) or for both (os.O_RDWR). It
// follows symbolic links, and it never waits. It refuses:
//
//   - A FIFO, a device, a socket and a directory. None of them is opened, since opening a
//     FIFO waits and opening a device may do something.
//   - A file that every user may read or write.
//   - A file that its group may write. It is accepted in a directory with the set-group-ID
//     bit and the same group, with a warning. Kubernetes makes both for an fsGroup, and
//     whoever may write in the directory can replace the file anyway.
//   - A file of another user, even if this process is root. Its owner could read it and
//     change it at any time.
//
// A file that its group may read is accepted with a warning. Only its owner or root can have
// given it that mode and that group. There is no warning for a file of root, since this process
// needs the group to read it: that is how Kubernetes mounts secrets.
//
// Modes and owners are not checked on Windows, nor with r.Insecure. The error is a
// [*fs.PathError] that says what to do.
func (r Rules) Open(path string, flag int) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, refuse(path, errNotRegular)
	}
	f, err := os.OpenFile(path, flag&^os.O_CREATE|nonblock, 0) // it may have been replaced by a FIFO
	if err != nil {
		return nil, explain(path, info, err)
	}
	if err := r.check(f); err != nil {
		return nil, errors.Join(refuse(path, err), f.Close())
	}
	return f, nil
}

// Read returns the content of a file that Open accepts. A file of more than limit bytes is
// an error.
func (r Rules) Read(path string, limit int64) ([]byte, error) {
	f, err := r.Open(path, os.O_RDONLY)
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

// ReadText is Read for a file of one line. It leaves out what editors and shells add: the
// line breaks at its end, and a byte order mark at its beginning. A text in UTF-16, which
// PowerShell writes, is an error.
func (r Rules) ReadText(path string, limit int64) (string, error) {
	content, err := r.Read(path, limit)
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return "", refuse(path, errors.New("it is in UTF-16; write it in UTF-8 or ASCII"))
	}
	return Line(string(content)), nil
}

// Line returns a text of one line without the line breaks at its end, and without a byte
// order mark at its beginning.
func Line(text string) string {
	return strings.TrimRight(strings.TrimPrefix(text, "\ufeff"), "\r\n")
}

// Publish gives the complete file at made the name path as well. It never replaces a file: if
// there is one, the error is [fs.ErrExist]. A file system without hard links, such as FAT,
// gets a copy. If the machine stops meanwhile, what is left of it must be deleted by hand.
func Publish(made, path string) error {
	err := os.Link(made, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	content, err := os.ReadFile(made)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
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

// check returns an error if f is not accepted. Its mode is that of the open file, so nobody
// can exchange it after this.
func (r Rules) check(f *os.File) error {
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
	err = verdict(f.Name(), info)
	mode := info.Mode().Perm()
	switch owner, group, known := ownerOf(info); {
	case err != nil && r.Insecure:
		r.warn("secretfile: InsecureFileMode accepts a file that other users may use", "path", f.Name(), "why", err)
		return nil
	case err != nil:
		return fmt.Errorf("%w. A file system without modes (FAT, SMB, /mnt of WSL) is mounted with uid=%d,umask=077 or file_mode=0600; InsecureFileMode (the flag -insecure-file-mode) accepts the file as it is", err, os.Geteuid())
	case mode&0o070 != 0 && (owner == os.Geteuid() || mode&0o020 != 0 || !known):
		r.warn("secretfile: the group of this file may use it, so everybody in it sees what is in it; unless Kubernetes gave it the group, run chmod 600",
			"path", f.Name(), "mode", fmt.Sprintf("%#o", mode), "group", group)
	}
	return nil
}

func (r Rules) warn(text string, args ...any) {
	if r.Logger != nil {
		r.Logger.Warn(text, args...)
	}
}

// verdict returns why a file is refused, and what to do about it.
func verdict(path string, info fs.FileInfo) error {
	owner, group, known := ownerOf(info)
	mode, self := info.Mode().Perm(), os.Geteuid()
	if known && owner != self && owner != root {
		return fmt.Errorf("it belongs to user %[1]d, and this process runs as user %[2]d; run: chown %[2]d %[3]s (or run the process as user %[1]d)",
			owner, self, path)
	}
	switch {
	case mode&0o007 != 0 && known && owner != self: // this process is not the owner, so it cannot change the mode
		return fmt.Errorf("mode %#o gives access to every user; mount it with mode 0440 and group %d, which is that of this process", mode, os.Getegid())
	case mode&0o007 != 0:
		return fmt.Errorf("mode %#o gives access to every user; run: chmod 600 %s", mode, path)
	case mode&0o020 != 0 && !(known && inGroupDirectory(path, group)):
		return fmt.Errorf("mode %#o lets its group write, and its directory is not one of that group (with the set-group-ID bit); run: chmod 600 %s", mode, path)
	}
	return nil
}

// inGroupDirectory reports whether the directory that the file is really in hands its group
// on to what is made in it, and this is group.
func inGroupDirectory(path string, group int) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	dir, err := os.Stat(filepath.Dir(real))
	if err != nil || dir.Mode()&fs.ModeSetgid == 0 {
		return false
	}
	_, g, known := ownerOf(dir)
	return known && g == group
}

// explain adds to err what to do if this process may not read the file.
func explain(path string, info fs.FileInfo, err error) error {
	owner, group, known := ownerOf(info)
	if !known || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return refuse(path, fmt.Errorf("%w: mode %#o, user %d, group %d, and this process is user %d in group %d; mount it with mode 0440 and that group, or give it to this user",
		fs.ErrPermission, info.Mode().Perm(), owner, group, os.Geteuid(), os.Getegid()))
}

const root = 0 // the user that may read every file

func refuse(path string, why error) error { return &fs.PathError{Op: "open", Path: path, Err: why} }
