package pgstore_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
)

// With TLS, and as a role with a password, both over the URL.
func TestAURLWithTLSAndAPasswordIsKeptTo(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, authority := pgtest.StartTLS(t)
	_, other := pgtest.StartTLS(t)
	role := asRole(t, server, "app").ConnConfig
	server.Exec("GRANT CREATE ON DATABASE postgres TO app")
	with := func(password, options string) string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(role.User, password), Host: server.Addr(), Path: "/postgres", RawQuery: options}
		return u.String()
	}
	verified := "sslmode=verify-full&sslrootcert=" + url.QueryEscape(authority)
	o := fresh()
	s := mustOpen(t, at(t, with("hunter2", verified)), o)
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	wantValue(t, s, "p/k", "v")
	if n := server.Query("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'app' AND ssl"); n == "0" {
		t.Error("no connection of the role has TLS")
	}

	wantRefused(t, at(t, with("hunter2wrong", verified)), o, "password authentication failed")
	wantRefused(t, at(t, with("hunter2", "sslmode=verify-full&sslrootcert="+url.QueryEscape(other))), o, "certificate")
	wantRefused(t, at(t, with("hunter2", "sslmode=disable")), o, "no encryption")
	// The certificate is for 127.0.0.1 and localhost.
	wantRefused(t, at(t, strings.Replace(with("hunter2", verified), "127.0.0.1", "127.0.0.2", 1)), o, "")
	wantRefused(t, at(t, strings.Replace(with("hunter2", verified), "127.0.0.1", "127.1", 1)), o, "")
	mustOpen(t, at(t, strings.Replace(with("hunter2", verified), "127.0.0.1", "localhost", 1)), o)
}

// A host name can lead anywhere. Open warns of each way that proves nothing.
func TestOpenWarnsOfAConnectionThatIsNotVerified(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, authority := pgtest.StartTLS(t, "fsync=on")
	plain := pgtest.Start(t, "fsync=on")
	o := fresh()
	mustOpen(t, at(t, server.URL()), o)
	mustOpen(t, at(t, plain.URL()), o)
	root := "&sslrootcert=" + url.QueryEscape(authority)
	for options, want := range map[string]string{
		"sslmode=verify-full" + root: "",
		"sslmode=verify-ca" + root:   "",
		"sslmode=require":            "is not verified",
		"sslmode=prefer":             "is not verified", // and falls back to none
		"sslmode=allow":              "may have no TLS",
		"sslmode=disable":            "may have no TLS",
	} {
		to := server
		if options == "sslmode=disable" {
			to = plain
		}
		u := "postgres://postgres@db.example:5432/postgres?" + options
		c := at(t, u)
		c.ConnConfig.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
		c.ConnConfig.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, to.Addr())
		}
		if c.ConnConfig.TLSConfig != nil && c.ConnConfig.TLSConfig.ServerName != "" {
			c.ConnConfig.TLSConfig.ServerName = "localhost"
		}
		log := warnings(t, c, o)
		switch {
		case want == "" && len(log) != 0:
			t.Errorf("%s: Open said %q", options, log)
		case want != "" && (len(log) != 1 || !strings.Contains(log[0], want) || !strings.Contains(log[0], "db.example")):
			t.Errorf("%s: Open said %q, want %q", options, log, want)
		}
	}
}
