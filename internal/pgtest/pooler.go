package pgtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// A Pooler is a PgBouncer before a server. Its methods fail the test if they cannot do
// what they promise.
type Pooler struct {
	servertest.Server
	to       *Server
	dir      string
	settings []string
}

// StartPooler starts a PgBouncer for all databases of the server, and returns when it
// answers. The mode says when a connection to the server goes back to the pool: session,
// transaction or statement. The settings are those of the section [pgbouncer], name=value.
// Roles need a password where the server wants one.
func StartPooler(tb testing.TB, to *Server, mode string, settings ...string) *Pooler {
	tb.Helper()
	dir, err := newDirectory()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &Pooler{to: to, dir: dir, settings: append([]string{"pool_mode=" + mode}, settings...)}
	p.Server = servertest.Start(tb, servertest.Program{Dir: dir, Command: p.command, Answers: p.answers, AtEnd: syscall.SIGKILL})
	return p
}

// pooler returns the program. Debian has it where ordinary users' PATH may not lead.
func pooler() string {
	const debian = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(debian); err == nil {
		return debian
	}
	return "pgbouncer"
}

// command writes the configuration and returns the command that runs the pooler.
func (p *Pooler) command(port int) (*exec.Cmd, error) {
	conf, access := &strings.Builder{}, filepath.Join(p.dir, "access")
	fmt.Fprintf(conf, "[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\n", p.to.Port())
	for _, setting := range append([]string{
		"listen_addr=127.0.0.1", fmt.Sprintf("listen_port=%d", port), "unix_socket_dir=", "admin_users=postgres," + p.name(),
		"auth_type=hba", "auth_hba_file=" + access, "auth_file=" + filepath.Join(p.dir, "users"), "auth_user=postgres",
	}, p.settings...) {
		fmt.Fprintln(conf, setting)
	}
	for name, text := range map[string]string{
		"conf":   conf.String(),
		"access": "host all postgres," + p.name() + " 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
		"users":  fmt.Sprintf("\"postgres\" \"\"\n%q \"\"\n", p.name()),
	} {
		path := filepath.Join(p.dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), give(path)); err != nil {
			return nil, err
		}
	}
	return ordinary(exec.Command(pooler(), "-q", "conf")), nil //nolint:gosec // PgBouncer
}

// name returns the name of a user that no other pooler has.
func (p *Pooler) name() string { return filepath.Base(p.dir) }

// answers returns nil if this pooler answers on the port, and not another one. The server
// need not answer.
func (p *Pooler) answers(port int, _ *servertest.Process) error {
	_, err := Query(p.url(port, p.name(), "pgbouncer"), "SHOW VERSION")
	return err
}

// URL returns the address of the database postgres by way of the pooler.
func (p *Pooler) URL() string { return p.URLOf("postgres") }

// URLOf is URL for another database. That with the name pgbouncer is the pooler's own.
func (p *Pooler) URLOf(database string) string { return p.url(p.Port(), "postgres", database) }

func (p *Pooler) url(port int, user, database string) string {
	return "postgres://" + user + "@" + servertest.Loopback(port) + "/" + url.PathEscape(database) + "?sslmode=disable"
}
