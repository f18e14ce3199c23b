//go:build !linux

package boltstore

import "os"

// leadsTo reports whether path leads to the file.
func leadsTo(path string, file os.FileInfo) (bool, error) { return statLeadsTo(path, file) }
