//go:build !linux

package boltstore

import "os"

func remoteFileSystem(*os.File) string { return "" }
