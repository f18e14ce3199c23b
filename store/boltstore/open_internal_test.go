//go:build unix

package boltstore

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestAFileSystemThatCannotLockOrMapIsNamed(t *testing.T) {
	for err, named := range map[error]bool{
		&os.SyscallError{Syscall: "mmap", Err: syscall.ENODEV}: true,
		syscall.ENOLCK:     true,
		syscall.ENOSYS:     true,
		syscall.EOPNOTSUPP: true,
		syscall.ENOSPC:     false,
		syscall.EIO:        false,
		ErrDamaged:         false,
	} {
		got := explain(err)
		if !errors.Is(got, err) || strings.Contains(got.Error(), "local disk") != named {
			t.Errorf("%v is explained as %v", err, got)
		}
	}
	if explain(nil) != nil {
		t.Error("nothing is explained")
	}
}
