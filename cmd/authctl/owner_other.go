//go:build !unix

package main

import "io/fs"

// isAnothers reports whether a file is another user's than that of this process.
func isAnothers(fs.FileInfo) bool { return false }

func ownerName(fs.FileInfo) string { return "another user's" }
