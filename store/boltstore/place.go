package boltstore

import (
	"errors"
	"io/fs"
	"os"
)

// inPlace fails the Store if its path no longer leads to the open file. If that cannot be
// seen, the file counts as being in place: a directory that this process may not search
// any more is no reason to stop.
func (s *Store) inPlace() error {
	same, err := leadsTo(s.place, s.opened)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !same {
		return s.fail(ErrReplaced)
	}
	return nil
}

// statLeadsTo is leadsTo for every system.
func statLeadsTo(path string, file os.FileInfo) (bool, error) {
	there, err := os.Stat(path)
	return err == nil && os.SameFile(there, file), err
}
