package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Migrations are numbered from 1. One that has been released does not change any more.
//
//go:embed migrations
var migrationFiles embed.FS

// version is that of the schema that this package uses.
const version = 1

// usableFrom has, for each version, the earliest one whose package can use that schema. So the
// processes of a service can be replaced one after the other. A function that a process may
// still call stays, and a new form of it gets another number in its name.
var usableFrom = [version + 1]int{1: 1}

// insufficientPrivilege is the SQLSTATE of what a role may not do.
const insufficientPrivilege = "42501"

// Migrate makes the schema of o if there is none, and brings one of an earlier version up to
// date. It does nothing if the schema is up to date, or later and usable by this version, and
// refuses one that needs a later version of this package. Each step is one transaction. Any number
// of processes may call it at once. It takes one connection, and as long as ctx permits.
//
// A role other than the one of the service may do this, which then owns what it makes. Its role
// needs CREATE on the database, or a schema of its own that is empty.
func Migrate(ctx context.Context, config *pgxpool.Config, o Options) error {
	if err := o.complete(config); err != nil {
		return err
	}
	conn := config.ConnConfig.Copy()
	conn.ValidateConnect = both(conn.ValidateConnect, validatePrimary)
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, conn); err != nil {
			return describe(ctx, err)
		}
	}
	if conn.ConnectTimeout <= 0 {
		conn.ConnectTimeout = 10 * time.Second
	}
	c, err := pgx.ConnectConfig(ctx, conn)
	if err != nil {
		return describe(ctx, err)
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // every statement was answered
	if config.AfterConnect != nil {
		if err := config.AfterConnect(ctx, c); err != nil {
			return describe(ctx, err)
		}
	}
	for {
		if done, err := migrateOnce(ctx, c, o); done || err != nil {
			return err
		}
	}
}

// validatePrimary is that of the client library, which calls the function that the search_path
// finds first.
func validatePrimary(ctx context.Context, c *pgconn.PgConn) error {
	results, err := c.Exec(ctx, "SELECT pg_catalog.pg_is_in_recovery()").ReadAll()
	if err == nil && string(results[0].Rows[0][0]) == "t" {
		err = pgconn.ErrStandbyConnection
	}
	return err
}

// migrateOnce carries out the next migration, if there is one to carry out.
func migrateOnce(ctx context.Context, c *pgx.Conn, o Options) (done bool, err error) {
	// Most calls find that there is nothing to do, which needs no lock.
	at, err := readVersion(ctx, c, o.Schema)
	if err != nil {
		return true, explain(describe(ctx, err), "the role may not read the schema "+o.Schema+": give it USAGE there, and the privileges on the tables")
	}
	if at.number >= version {
		return true, at.check(o.Schema)
	}
	tx, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return true, describe(ctx, err)
	}
	defer func() {
		if done || err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
	}()
	exec := func(text string) {
		if err == nil {
			_, err = tx.Exec(ctx, inSchema(text, o.Schema), pgx.QueryExecModeSimpleProtocol)
		}
	}
	exec(`SET LOCAL search_path = pg_catalog, pg_temp`) // as in ofSystem
	exec(`SELECT pg_advisory_xact_lock(hashtextextended('{schema}', 0))`)
	if err == nil { // only a later statement sees what another process did before it let go of the lock
		at, err = readVersion(ctx, tx, o.Schema)
	}
	if err != nil {
		return true, describe(ctx, err)
	}
	if at.number >= version {
		return true, at.check(o.Schema)
	}
	if at.number == 0 {
		err = createVersions(ctx, tx, o.Schema)
	}
	next := at.number + 1
	text, missing := migrationFiles.ReadFile(fmt.Sprintf("migrations/%d.sql", next))
	if missing != nil {
		return true, missing
	}
	exec(string(text))
	exec(fmt.Sprintf(`INSERT INTO {schema}.versions (version, usable_from) VALUES (%d, %d)`, next, usableFrom[next]))
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		return true, explain(describe(ctx, err), "the role may not make or migrate the schema "+o.Schema+", so let its owner do that: authctl migrate")
	}
	if at.number == 0 {
		o.Logger.Warn("pgstore: new and empty: the schema had no store before", "schema", o.Schema)
	} else {
		o.Logger.Info("pgstore: the schema was brought to a new version", "schema", o.Schema, "version", next)
	}
	return false, nil
}

// explain adds to an error what the role may not do, if the error is that it lacks a privilege.
func explain(err error, why string) error {
	if denied := new(pgconn.PgError); errors.As(err, &denied) && denied.Code == insufficientPrivilege {
		return fmt.Errorf("%w; %s", err, why)
	}
	return err
}

// createVersions makes the table of versions, and the schema if there is none. CREATE SCHEMA IF
// NOT EXISTS asks for a privilege even if the schema exists.
func createVersions(ctx context.Context, tx pgx.Tx, schema string) error {
	var exists bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1::text)`, schema).Scan(&exists)
	if err != nil {
		return err
	}
	text := `CREATE TABLE {schema}.versions (
		version     integer PRIMARY KEY,
		usable_from integer NOT NULL, -- the earliest version whose package can use the schema
		applied     timestamptz NOT NULL DEFAULT now()
	)`
	if !exists {
		text = `CREATE SCHEMA {schema}; ` + text
	}
	_, err = tx.Exec(ctx, inSchema(text, schema), pgx.QueryExecModeSimpleProtocol)
	return err
}

// A versionRow is the version of a schema. Zero is a schema that has no store.
type versionRow struct{ number, usableFrom int }

// check returns nil if this version of the package can use the schema.
func (v versionRow) check(schema string) error {
	switch {
	case v.number == 0:
		return fmt.Errorf("pgstore: no store in the schema %s: %w", schema, fs.ErrNotExist)
	case v.number < version:
		return fmt.Errorf("pgstore: the schema %s has version %d, and this program needs %d: call OpenOrCreate or Migrate, or run authctl migrate", schema, v.number, version)
	case v.usableFrom > version:
		return fmt.Errorf("pgstore: the schema %s has version %d, which needs a later version of this program", schema, v.number)
	}
	return nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readVersion returns the version of the schema.
func readVersion(ctx context.Context, q querier, schema string) (v versionRow, err error) {
	var there bool
	err = q.QueryRow(ctx, ofSystem.Replace(`SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1::text AND c.relname = 'versions')`), schema).Scan(&there)
	if err != nil || !there {
		return v, err
	}
	var hidden bool
	err = q.QueryRow(ctx, inSchema(`SELECT coalesce(pg_catalog.max(version), 0), coalesce(pg_catalog.max(usable_from), 0),
		pg_catalog.row_security_active('{schema}.versions') FROM {schema}.versions`, schema)).Scan(&v.number, &v.usableFrom, &hidden)
	if err == nil && hidden { // with no rows it would seem that there is no store
		err = errors.New("the role lacks privileges: BYPASSRLS on versions, unless its row-level security is turned off")
	}
	return v, err
}
