//go:build unix

package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The kubelet gives a volume to the fsGroup of a pod before each start.
func TestAVolumeOfKubernetesIsUsedAgain(t *testing.T) { // ST-3
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.db")
	start := func() string {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		log := &output{listening: make(chan string, 1)}
		exit := make(chan int)
		go func() {
			exit <- run(ctx, []string{"-addr", "127.0.0.1:0", "-store", "bolt:" + path}, environment{}, io.Discard, log)
		}()
		select {
		case <-log.listening:
			stop()
			if status := <-exit; status != 0 {
				t.Errorf("exit status %d", status)
			}
		case status := <-exit:
			t.Fatalf("exit status %d: %s", status, log)
		}
		return log.String()
	}
	if text := start(); strings.Contains(text, "secretfile") {
		t.Errorf("at the first start it says %q", text)
	}
	if err := os.Chmod(dir, 0o770|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + ".secret"} {
		if err := os.Chmod(file, 0o660); err != nil {
			t.Fatal(err)
		}
	}
	text := start()
	for _, file := range []string{path, path + ".secret"} {
		if strings.Count(text, "path="+file+" ") != 1 {
			t.Errorf("it does not warn once of %s: %q", file, text)
		}
	}
}
