package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxAhead is how far ahead the clock of the server may be: half of what the sweeper keeps.
const maxAhead = 5 * time.Minute

// A condition is what the server says of itself, as settings of a connection of the Store.
type condition struct {
	version                          int
	name                             string
	standby                          bool
	clock                            time.Time
	isolation, synchronous, standbys string
	fsync, fullPageWrites            bool
	escaped                          bool     // values that are sent as text, by bytea_output
	renamed                          bool     // the schema, since its functions were made
	lacking                          []string // functions
	missing                          []string // privileges
	strangers                        []string // roles that own a part of the schema
}

var inspection = `SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_setting('server_version'),
	pg_catalog.pg_is_in_recovery(), (extract(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::bigint,
	pg_catalog.current_setting('transaction_isolation'), pg_catalog.current_setting('synchronous_commit'),
	pg_catalog.current_setting('synchronous_standby_names'),
	pg_catalog.current_setting('fsync')::boolean, pg_catalog.current_setting('full_page_writes')::boolean,
	pg_catalog.current_setting('bytea_output') = 'escape',
	EXISTS (SELECT FROM pg_catalog.pg_proc p, ` + ofFunctions + ` f WHERE p.oid = f.id::pg_catalog.oid
		AND p.proname = 'commit_1' AND pg_catalog.strpos(p.prosrc, '{schema}') = 0),
	ARRAY(SELECT f.signature FROM ` + ofFunctions + ` f WHERE f.id IS NULL),
	ARRAY(SELECT pg_catalog.concat(p, ' on ', t) FROM (VALUES
		('records', 'SELECT'), ('records', 'INSERT'), ('records', 'UPDATE'), ('records', 'DELETE'),
		('counters', 'SELECT'), ('counters', 'INSERT'), ('counters', 'UPDATE'), ('counters', 'DELETE'),
		('changes', 'SELECT'), ('changes', 'INSERT'), ('changes', 'DELETE'), ('epochs', 'SELECT'), ('epochs', 'INSERT'), ('epochs', 'UPDATE'), ('epochs', 'DELETE'),
		('sweeps', 'SELECT'), ('sweeps', 'UPDATE')) AS needed (t, p)
		WHERE NOT pg_catalog.has_table_privilege(pg_catalog.concat('{schema}.', t), p)
		UNION ALL SELECT pg_catalog.concat('EXECUTE on ', f.id) FROM ` + ofFunctions + ` f WHERE NOT pg_catalog.has_function_privilege(f.id, 'EXECUTE')
		UNION ALL SELECT pg_catalog.concat('BYPASSRLS on ', t, ', unless its row-level security is turned off') FROM pg_catalog.unnest('{records,counters,changes,epochs,sweeps}'::text[]) t
			WHERE pg_catalog.row_security_active(pg_catalog.concat('{schema}.', t))), ` + ofStrangers

// functions are those that the Store calls and their arguments. Whoever may create in the schema can add
// others of the same names.
var functions = []string{
	"commit_1(pg_catalog.text, pg_catalog.text[], smallint[], pg_catalog.bytea[], smallint[], pg_catalog.bytea[], bigint[])",
	"hit_1(pg_catalog.text, bigint, bigint, bigint)", "sweep_1(bigint)", "changes_1(pg_catalog.text)",
	"epoch_1()", "epoch_name_1(pg_catalog.uuid)", "commits_1()",
}

// ofFunctions has the functions. The id is null where there is none.
var ofFunctions = `(SELECT f AS signature, pg_catalog.to_regprocedure(pg_catalog.concat('{schema}.', f)) AS id
	FROM pg_catalog.unnest(ARRAY['` + strings.Join(functions, "', '") + `']) f)`

// ofStrangers has the roles beside the owner of the records that own the schema, a table or a function
// of it. A superuser can replace all of it anyway, and so can a member of the role that owns the
// records. The owner of the database often makes the schema, and could as well drop the database. No
// list of roles or databases is read, as some servers hide those.
var ofStrangers = `ARRAY(SELECT DISTINCT pg_catalog.pg_get_userbyid(o.owner)::text FROM pg_catalog.pg_class r,
	LATERAL (SELECT n.nspowner AS owner FROM pg_catalog.pg_namespace n WHERE n.oid = r.relnamespace
			AND NOT pg_catalog.pg_has_role(n.nspowner, pg_catalog.to_regrole('pg_database_owner')::pg_catalog.oid, 'MEMBER')
		UNION ALL SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.relnamespace = r.relnamespace
			AND c.relname = ANY('{versions,records,counters,changes,epochs,sweeps}'::pg_catalog.name[])
		UNION ALL SELECT p.proowner FROM pg_catalog.pg_proc p, ` + ofFunctions + ` f WHERE p.oid = f.id::pg_catalog.oid) o
	WHERE r.oid = '{schema}.records'::pg_catalog.regclass AND NOT pg_catalog.pg_has_role(o.owner, r.relowner, 'MEMBER'))`

func (s *Store) condition(ctx context.Context) (c condition, err error) {
	var us int64
	err = s.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.inspect).Scan(&c.version, &c.name, &c.standby, &us,
			&c.isolation, &c.synchronous, &c.standbys, &c.fsync, &c.fullPageWrites, &c.escaped, &c.renamed, &c.lacking, &c.missing, &c.strangers)
	})
	c.clock = time.UnixMicro(us)
	return c, err
}

// check returns an error if the contract cannot be kept.
func (c condition) check() error {
	switch ahead := time.Until(c.clock); {
	case c.version < 140000:
		return fmt.Errorf("pgstore: the server has version %s; 14 or later is needed", c.name)
	case c.standby:
		return errStandby
	case c.synchronous == "off":
		return errors.New("pgstore: with synchronous_commit off the server acknowledges what it can lose; set it to on")
	case c.isolation != "read committed":
		return errors.New("pgstore: the isolation of transactions must be read committed: set default_transaction_isolation")
	case ahead >= maxAhead:
		return fmt.Errorf("pgstore: the clock of the server is %v ahead of this one's, so it would drop records too early", ahead.Round(time.Second))
	case c.renamed:
		return errors.New("pgstore: the schema was renamed, and its functions still change the one of the name before; rename it back")
	case len(c.lacking) > 0:
		return errors.New("pgstore: the schema lacks functions, as when a part of a backup was restored; restore all of it: " + strings.Join(c.lacking, ", "))
	case len(c.missing) > 0:
		return errors.New("pgstore: the role lacks privileges: " + strings.Join(c.missing, ", "))
	}
	return nil
}

// warnings says what may lose records, each without its full stop.
func (c condition) warnings() (all []string) {
	if !c.fsync {
		all = append(all, "with fsync off a crash of the machine can lose or damage every record; set it to on")
	}
	if !c.fullPageWrites {
		all = append(all, "with full_page_writes off a crash of the machine can damage records; set it to on")
	}
	if c.standbys != "" && (c.synchronous == "local" || c.synchronous == "remote_write") {
		all = append(all, "with synchronous_commit "+c.synchronous+" a failover can lose what was acknowledged; set it to on")
	}
	if len(c.strangers) > 0 {
		all = append(all, "roles beside the owner of the records own the schema or a part of it, and can replace what the service reads and runs: "+
			strings.Join(c.strangers, ", ")+"; give all of it to one role with ALTER … OWNER TO")
	}
	return all
}

// inspect checks that records are safe on the server, and that the schema is there.
func (s *Store) inspect(ctx context.Context, config *pgx.ConnConfig, schema string) error {
	var at versionRow
	err := s.call(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		at, err = readVersion(ctx, c, schema)
		return err
	})
	if err != nil {
		return err
	}
	if err := at.check(schema); err != nil {
		return err
	}
	c, err := s.condition(ctx)
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if mode := config.DefaultQueryExecMode; c.escaped && (mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol) {
		return fmt.Errorf("pgstore: with default_query_exec_mode %v values can be read only if bytea_output is hex; set it to hex", mode)
	}
	for _, text := range c.warnings() {
		s.log.Warn("pgstore: " + text)
	}
	if host, how := exposed(config); host != "" {
		s.log.Warn("pgstore: "+how+"; use sslmode=verify-full", "server", host)
	}
	return s.try(ctx)
}

// try makes each kind of call that needs the privilege of a function, or a setting that only
// the function sees, and changes nothing.
func (s *Store) try(ctx context.Context) error {
	return s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var met bool
		none, numbers := []string{}, []int16{}
		if err := c.QueryRow(ctx, s.sql.commit, "probe", none, numbers, [][]byte{}, numbers, [][]byte{}, []int64{}).Scan(&met); err != nil {
			return err
		}
		var state int64
		return c.QueryRow(ctx, s.sql.hit, "probe/probe", 1, 2, -1).Scan(&state)
	})
}

// exposed returns an address that is reached over a network without a certificate that was
// verified, and what that means. A host name other than localhost counts as one of the network.
func exposed(c *pgx.ConnConfig) (host, how string) {
	all := []*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}
	for _, e := range append(all, c.Fallbacks...) {
		ip, err := netip.ParseAddr(e.Host)
		here := e.Host == "" || strings.HasPrefix(e.Host, "/") || strings.HasPrefix(e.Host, "@") ||
			strings.EqualFold(e.Host, "localhost") || err == nil && ip.Unmap().IsLoopback()
		switch {
		case here:
		case e.TLSConfig == nil:
			return e.Host, "a connection may have no TLS: anyone on the network path can read every record, and change records"
		case e.TLSConfig.InsecureSkipVerify && e.TLSConfig.VerifyPeerCertificate == nil && e.TLSConfig.VerifyConnection == nil:
			return e.Host, "the certificate of the server is not verified: who pretends to be the server can read every record, and change records"
		}
	}
	return "", ""
}
