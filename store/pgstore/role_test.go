package pgstore_test

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/internal/pgtest"
)

// asRole makes a role that may do nothing, and returns how it connects to the server's database.
func asRole(tb testing.TB, server *pgtest.Server, role string) *pgxpool.Config {
	tb.Helper()
	server.Exec("CREATE ROLE " + role + " LOGIN PASSWORD 'hunter2'")
	u, err := url.Parse(server.URL())
	must(tb, err)
	u.User = url.UserPassword(role, "hunter2")
	return at(tb, u.String())
}
