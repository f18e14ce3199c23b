package pgtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// A Server is one PostgreSQL server, seen from one of its databases: that with the name
// postgres, unless [Server.In] says otherwise. Its methods fail the test if they cannot do
// what they promise. Those with a statement may be called by any number of goroutines.
type Server struct {
	servertest.Server
	tb       testing.TB
	database string
	*node
}

// A node is what a server is, whichever test uses it.
type node struct {
	dir      string
	settings []string
	access   string  // host, or hostssl for TLS alone
	options  string  // of a URL
	primary  *Server // of a standby
	maxFile  int64   // 0 for no limit
}

// Start starts a server, and returns when it answers. The settings are those of
// postgresql.conf, name=value. The superuser postgres needs no password; any other role
// does.
//
// With fsync=off the server does not wait for the disk. A server that is killed loses
// nothing by that, as the system keeps what was written. Only the machine must not crash.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	n := &node{settings: settings}
	return start(tb, n, func() error { return newData(n.data()) })
}

// start makes a directory, in which fill makes the server's data, and starts the server.
func start(tb testing.TB, n *node, fill func() error) *Server {
	tb.Helper()
	dir, err := newDirectory()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	n.dir = dir
	if n.access == "" {
		n.access, n.options = "host", "sslmode=disable"
	}
	s := &Server{tb: tb, database: "postgres", node: n}
	if err := fill(); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	s.Server = servertest.Start(tb, servertest.Program{
		Dir:     dir,
		Command: s.command,
		Answers: s.answers,
		Ended:   s.freeMemory,
		AtEnd:   syscall.SIGQUIT, // the server ends at once, with its children
	})
	return s
}

func (n *node) data() string { return filepath.Join(n.dir, "data") }

// command writes the server's configuration and returns the command that runs it.
func (s *Server) command(port int) (*exec.Cmd, error) {
	conf := &strings.Builder{}
	for _, setting := range append([]string{
		"port=" + strconv.Itoa(port), "listen_addresses=127.0.0.1", "unix_socket_directories=",
		"max_connections=200", "shared_buffers=16MB", "fsync=off",
		"wal_keep_size=64MB",              // a standby that hangs can catch up
		"dynamic_shared_memory_type=mmap", // files that are removed with the others
	}, s.settings...) {
		name, value, _ := strings.Cut(setting, "=")
		fmt.Fprintf(conf, "%s = '%s'\n", name, strings.ReplaceAll(value, "'", "''"))
	}
	access := strings.ReplaceAll("? all postgres 127.0.0.1/32 trust\n? replication postgres 127.0.0.1/32 trust\n"+
		"? all all 127.0.0.1/32 scram-sha-256\n", "?", s.access)
	if err := errors.Join(s.write("postgresql.conf", conf.String()), s.write("pg_hba.conf", access)); err != nil {
		return nil, err
	}
	c := command("postgres", "-D", s.data())
	if s.maxFile > 0 {
		c = s.limited(c)
	}
	return c, nil
}

// write writes a file of the server's data.
func (n *node) write(name, text string) error {
	path := filepath.Join(n.data(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return give(path)
}

// answers returns nil if this server answers on the port, and not another one.
func (s *Server) answers(port int, _ *servertest.Process) error {
	data, err := Query(s.url(port, "postgres"), "SHOW data_directory")
	if err == nil && data != s.data() {
		err = errors.New("another server has the port")
	}
	return err
}

// freeMemory frees the shared memory by which a server knows that it runs only once. The
// system keeps that of a server that was killed.
func (s *Server) freeMemory() {
	text, _ := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	if len(lines) > 6 {
		if keyAndID := strings.Fields(lines[6]); len(keyAndID) == 2 {
			_ = exec.Command("ipcrm", "-m", keyAndID[1]).Run() //nolint:gosec // a number
		}
	}
}

// URL returns the address of the server's database, for the superuser.
func (s *Server) URL() string { return s.URLOf(s.database) }

// URLOf is URL for another database.
func (s *Server) URLOf(database string) string { return s.url(s.Port(), database) }

func (s *Server) url(port int, database string) string {
	return "postgres://postgres@" + servertest.Loopback(port) + "/" + url.PathEscape(database) + "?" + s.options
}

// In returns the server, seen from another database.
func (s *Server) In(database string) *Server {
	copied := *s
	copied.database = database
	return &copied
}

// NewDatabase creates a database and returns its name, which no other one on the server
// has. The options are those of CREATE DATABASE.
func (s *Server) NewDatabase(options string) string {
	s.tb.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	s.Exec("CREATE DATABASE " + name + " " + options)
	return name
}

var databases, standbys atomic.Int64

// Exec runs statements as the superuser. With args, which are $1 and so on, there may be
// one statement only.
func (s *Server) Exec(sql string, args ...any) {
	s.tb.Helper()
	s.Query(sql, args...)
}

// Try is Exec for statements that may fail.
func (s *Server) Try(sql string, args ...any) error {
	_, err := Query(s.URL(), sql, args...)
	return err
}

// Query is Exec, and returns the first value of the first row as text: "" for NULL and for
// no row.
func (s *Server) Query(sql string, args ...any) string {
	s.tb.Helper()
	value, err := Query(s.URL(), sql, args...)
	if err != nil {
		s.tb.Fatalf("pgtest: %s: %v", sql, err)
	}
	return value
}
