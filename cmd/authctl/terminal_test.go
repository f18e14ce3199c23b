package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// A reader that never returns by itself is a pipe or a FIFO. In a bubble, waiting for it for ever fails.
func TestASignalEndsWhatWaitsForInput(t *testing.T) {
	for want, args := range map[int][]string{2: {"keys", "scan", "-"}, 1: {"-admin", "unix:none", "create-admin", "ada@example.com"}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, signalled := context.WithCancel(t.Context())
			release := make(chan struct{})
			defer close(release)
			var errs strings.Builder
			env := environment{stdout: io.Discard, stderr: &errs, stdin: readerFunc(func([]byte) (int, error) {
				signalled()
				<-release
				return 0, io.EOF
			})}
			if exit := run(ctx, args, env); exit != want || !strings.Contains(errs.String(), "interrupted") {
				t.Errorf("%q: exit status %d, %q", args, exit, errs.String())
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
