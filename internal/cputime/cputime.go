//go:build unix

// Package cputime reports the processor time that the process has used. Unlike the time
// on a clock, it does not grow with the work of other processes. It is for tests.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Used returns the processor time of all threads of the process until now.
func Used(tb testing.TB) time.Duration {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
