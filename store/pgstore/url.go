package pgstore

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// defaultPool is the size of a pool whose URL names none. PostgreSQL permits 100 connections in
// all by default, and several processes share them.
const defaultPool = 16

// ParseURL returns the configuration of a pool for
//
//	postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full
//
// with postgresql:// as well. The rest is as in libpq. There may be several hosts, separated by
// commas. The directory of a Unix socket is the parameter host. TLS has sslmode, sslrootcert,
// sslcert and sslkey. Defaults are from the environment: PGHOST, PGPASSWORD, PGPASSFILE and so
// on. Special characters in a password must be percent-encoded. A pool has pool_max_conns connections at
// most, and 16 if the URL does not say. default_query_exec_mode is for poolers, see the package
// comment.
//
// Its errors repeat nothing of the URL, since any part of a malformed one may be a password.
func ParseURL(text string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return nil, errors.New("pgstore: URL must begin with postgres:// or postgresql://")
	}
	malformed := errors.New("pgstore: malformed URL; special characters in a password must be percent-encoded")
	_, query, _ := strings.Cut(text, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, malformed
	}
	switch parameters.Get("target_session_attrs") {
	case "", "any", "read-write", "primary":
	default:
		return nil, errors.New("pgstore: target_session_attrs in URL: only a primary will do; leave it out")
	}
	config, err := pgxpool.ParseConfig(text)
	if file := new(fs.PathError); errors.As(err, &file) {
		return nil, fmt.Errorf("pgstore: a file that the URL names cannot be read (sslrootcert, sslcert or sslkey): %w", file.Err)
	}
	if err != nil {
		return nil, malformed
	}
	if !parameters.Has("pool_max_conns") {
		config.MaxConns = defaultPool
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "auth"
	}
	return config, nil
}
