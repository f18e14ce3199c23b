package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store/boltstore"
)

const testSecret auth.Secret = "a root secret that only tests use: 0123456789"

var discard = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) {
	logging.Disable()
	defaultAdmin = "none" // tests run beside each other in one directory
	os.Exit(pgtest.Main(m.Run))
}

func TestWhatCannotBeDoneIsOneClearLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken.db")
	owner, err := boltstore.OpenOrCreate(taken, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	free := "bolt:" + filepath.Join(dir, "auth.db")
	file := func(text string) string { return storeFile(t, text) }
	shared := file("redis://u:hunter2@127.0.0.1:1")
	if err := os.Chmod(shared, 0o644); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		args []string
		exit int
		says string
	}{
		{"unknown flag", []string{"-port", "80"}, 2, "not defined: -port"},
		{"argument", []string{"redis://u:hunter2@db"}, 2, "takes flags only"},
		{"unknown store", []string{"-store", "mysql://u:hunter2@db/auth"}, 1, "unknown store; use"},
		{"no scheme", []string{"-store", "hunter2:db"}, 1, "unknown store"},
		{"no store", []string{"-store", ""}, 1, "-store: unknown store"},
		{"no name of a file", []string{"-store-file", ""}, 1, "-store-file: stat"},
		{"no store in the file", []string{"-store-file", file("\n")}, 1, "-store-file: unknown store"},
		{"bad URL in the file", []string{"-store-file", file("redis://u:hunter2@[")}, 1, "-store-file: redisstore: malformed URL"},
		{"store in both", []string{"-store", "memory", "-store-file", file("memory")}, 1, "exclude each other"},
		{"no such file", []string{"-store-file", filepath.Join(dir, "none")}, 1, "-store-file: stat"},
		{"file for others", []string{"-store-file", shared}, 1, "chmod 600"},
		{"bolt without path", []string{"-store", "bolt:"}, 1, "needs a path"},
		{"bad Redis URL", []string{"-store", "redis://u:hunter2@["}, 1, "malformed URL"},
		{"unknown kind of Redis", []string{"-store", "redis-ring://u:hunter2@db"}, 1, "must begin with redis"},
		{"Redis that is not there", []string{"-store", "redis://u:hunter2@127.0.0.1:1"}, 1, "connection refused"},
		{"cluster that is not there", []string{"-store", "redis-cluster://u:hunter2@127.0.0.1:1?addr=127.0.0.1:2"}, 1, "connection refused"},
		{"Sentinel that is not there", []string{"-store", "redis-sentinel://u:hunter2@127.0.0.1:1?master_name=m"}, 1, "connection refused"},
		{"bad URL of a PostgreSQL", []string{"-store", "postgres://u:hunter2@["}, 1, "-store: pgstore: "},
		{"PostgreSQL that is not there", []string{"-store", "postgres://u:hunter2@127.0.0.1:1,127.0.0.1:2/auth"}, 1, "connection refused"},
		{"PostgreSQL behind a socket that is not there", []string{"-store", "postgres://u:hunter2@/auth?host=/none"}, 1, "no such file"},
		{"bad network", []string{"-store", "memory", "-trusted-proxies", "10.0.0.0/8,10.0.0.1/33"}, 1, "10.0.0.1/33"},
		{"mapped network", []string{"-store", "memory", "-trusted-proxies", "::ffff:10.0.0.0/104"}, 1, "TrustedProxies"},
		{"bad URL", []string{"-store", "memory", "-url", "example.com"}, 1, "URL"},
		{"bad mail", []string{"-store", "memory", "-addr", "127.0.0.1:0", "-mail", "smtp://u:hunter2@mail"}, 1, "AUTH_SMTP_PASSWORD"},
		{"no mail to confirm with", []string{"-store", "memory", "-addr", "127.0.0.1:0", "-mail", "none", "-confirm-email"}, 1, "needs a Mailer"},
		{"no time to stay signed in", []string{"-store", "memory", "-addr", "127.0.0.1:0", "-refresh-after-expiry", "-1h"}, 1, "RefreshAfterExpiry"},
		{"bad administration", []string{"-store", "memory", "-admin", "auth.sock"}, 1, "use unix:PATH, HOST:PORT or none"},
		{"administration without a path", []string{"-store", "memory", "-admin", "unix:"}, 1, "needs a path"},
		{"administration for everybody", []string{"-store", "memory", "-admin", "127.0.0.1:0"}, 1, "AUTH_ADMIN_TOKEN has 0 bytes"},
		{"administration on a file", []string{"-store", "memory", "-addr", "127.0.0.1:0", "-admin", "unix:" + file("x")}, 1, "is no socket"},
		{"bad address", []string{"-store", free, "-addr", "nowhere"}, 1, "missing port"},
		{"busy port", []string{"-store", free, "-addr", busy.Addr().String()}, 1, "address already in use"},
		{"busy database", []string{"-store", "bolt:" + taken, "-lock-wait", "0s"}, 1, "in use by another process"},
		{"bad lock wait", []string{"-store", free, "-lock-wait", "-1s"}, 1, "LockWait"},
		{"no secret file", []string{"-store", free, "-secret-file", filepath.Join(dir, "none")}, 1, "-secret-file: stat"},
		{"short secret", []string{"-store", free, "-secret-file", file("0123456789\r\n")}, 1, "holds 10 bytes"},
		{"secret file for others", []string{"-store", free, "-secret-file", shared}, 1, "InsecureFileMode"},
		{"prefix without a Redis", []string{"-store", free, "-redis-prefix", "a:"}, 1, "-redis-prefix is for a Redis"},
		{"schema without a PostgreSQL", []string{"-store", free, "-postgres-schema", "a"}, 1, "-postgres-schema is for a PostgreSQL"},
		{"no schema", []string{"-store", "postgres://a", "-postgres-schema", ""}, 1, "-postgres-schema is empty"},
		{"Unix socket that is not there", []string{"-store", "unix://u:hunter2@/none/redis.sock"}, 1, "no such file"},
		{"relative Unix socket", []string{"-store", "unix://redis.sock"}, 1, "absolute path"},
		{"missing directory", []string{"-store", "bolt:" + filepath.Join(dir, "no", "auth.db")}, 1, "no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if exit := run(t.Context(), c.args, environment{secret: testSecret}, io.Discard, &stderr); exit != c.exit {
				t.Errorf("exit status %d, want %d", exit, c.exit)
			}
			text := stderr.String()
			if !strings.Contains(text, c.says) {
				t.Errorf("it says %q", text)
			}
			if strings.Contains(text, "hunter2") || strings.Contains(text, string(testSecret)) {
				t.Errorf("it tells a secret: %q", text)
			}
			var lines int
			for line := range strings.Lines(text) {
				if !strings.Contains(line, "level=") { // of the log
					lines++
				}
			}
			if c.exit == 1 && lines != 1 {
				t.Errorf("%d lines: %q", lines, text)
			}
		})
	}
}

// storeFile makes a file for -store-file.
func storeFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHelpIsNotAnError(t *testing.T) {
	var stderr bytes.Buffer
	if exit := run(t.Context(), []string{"-h"}, environment{}, io.Discard, &stderr); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
	for _, want := range []string{"-addr", "127.0.0.1:8080", "-store", "bolt:auth.db", "-store-file", "AUTH_STORE", "-redis-prefix", "-postgres-schema", "-trusted-proxies", "-url", "-mail", "AUTH_SMTP_PASSWORD", "-confirm-email", "-admin", "AUTH_ADMIN_TOKEN"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the help does not say %s", want)
		}
	}
}

func TestTheMemoryStoreWritesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &output{listening: make(chan string, 1)}
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"-addr", "127.0.0.1:0", "-store", "memory"}, environment{}, io.Discard, stderr)
	}()
	select {
	case addr := <-stderr.listening:
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
			t.Errorf("the log gives the address %q", addr)
		}
	case <-time.After(patience):
		t.Fatalf("it does not start: %s", stderr)
	}
	cancel()
	if got := <-exit; got != 0 {
		t.Errorf("exit status %d", got)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("it left %v (%v)", files, err)
	}
}
