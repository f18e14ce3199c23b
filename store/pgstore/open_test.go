package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/storetest"
)

// wantRefused demands that Open fails soon, says why and repeats no password.
func wantRefused(t *testing.T, c *pgxpool.Config, o pgstore.Options, why string) error {
	t.Helper()
	var err error
	servertest.Within(t, recovery, func() error {
		begin := time.Now()
		var s *pgstore.Store
		if s, err = pgstore.Open(ever, c, o); err == nil {
			s.Close()
			t.Fatalf("Open succeeded, want an error that says %q", why)
		}
		if d := time.Since(begin); d > time.Second+margin {
			t.Errorf("Open took %v to fail", d)
		}
		if errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), why) {
			return err // the machine is busy
		}
		return nil
	})
	if text := fmt.Sprintf("%+v", err); !strings.Contains(text, why) || strings.Count(text, "pgstore: ") != 1 || strings.Contains(text, "hunter2") {
		t.Errorf("Open: error %q, want one that says %q", text, why)
	}
	return err
}

func TestOptionsOutsideTheirRangesAreRefused(t *testing.T) {
	for why, change := range map[string]func(*pgstore.Options){
		"Schema must":        func(o *pgstore.Options) { o.Schema = "Auth" },
		"Schema must be":     func(o *pgstore.Options) { o.Schema = "pg_auth" },
		"Schema must be 1":   func(o *pgstore.Options) { o.Schema = "1auth" },
		"Schema must be 1 t": func(o *pgstore.Options) { o.Schema = `a"b` },
		"to 63":              func(o *pgstore.Options) { o.Schema = strings.Repeat("a", 64) },
		"Timeout must":       func(o *pgstore.Options) { o.Timeout = -1 },
		"Timeout must be":    func(o *pgstore.Options) { o.Timeout = 49 * time.Millisecond },
		"Timeout must be 0":  func(o *pgstore.Options) { o.Timeout = time.Second + 1 },
		"MaxLag must":        func(o *pgstore.Options) { o.MaxLag = -1 },
		"MaxLag must be":     func(o *pgstore.Options) { o.MaxLag = time.Millisecond },
		"MaxLag must be 0":   func(o *pgstore.Options) { o.MaxLag = time.Second + 1 },
	} {
		o := pgstore.Options{Logger: quiet}
		change(&o)
		wantRefused(t, at(t, "postgres://localhost:1/d"), o, why)
	}
	wantRefused(t, nil, pgstore.Options{}, "no configuration")
}

// parameter returns a parameter of a URL. The client library does not take + for a space.
func parameter(name, value string) string {
	return "&" + name + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

func TestASettingThatBreaksTheContractIsRefused(t *testing.T) { // ST-9
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	mustOpen(t, at(t, server.URL()), o)
	for i, c := range []struct{ setting, why string }{
		{"synchronous_commit=off", "synchronous_commit off"},
		{"default_transaction_isolation=repeatable\\ read", "must be read committed"},
		{"default_transaction_isolation=serializable", "must be read committed"},
		{"default_transaction_read_only=on", "read only"},
	} {
		name, value, _ := strings.Cut(strings.ReplaceAll(c.setting, "\\", ""), "=")
		t.Run("in the URL: "+c.setting, func(t *testing.T) {
			wantRefused(t, at(t, server.URL()+parameter("options", "-c "+c.setting)), o, c.why)
			wantRefused(t, at(t, server.URL()+parameter(name, value)), o, c.why)
		})
		t.Run("of the role: "+c.setting, func(t *testing.T) {
			role := fmt.Sprint("setting", i)
			u := asRole(t, server, role)
			server.Exec(fmt.Sprintf("ALTER ROLE %s SET %s = '%s'", role, name, value))
			wantRefused(t, u, fresh(), "") // there is no such schema: what follows is not for that
			server.Exec(fmt.Sprintf("GRANT ALL ON SCHEMA %s TO %s", o.Schema, role))
			server.Exec(fmt.Sprintf("GRANT ALL ON ALL TABLES IN SCHEMA %s TO %s", o.Schema, role))
			wantRefused(t, u, o, c.why)
		})
		t.Run("of the database: "+c.setting, func(t *testing.T) {
			in := server.In(server.NewDatabase(""))
			mustOpen(t, at(t, in.URL()), o)
			server.Exec(fmt.Sprintf("ALTER DATABASE %s SET %s = '%s'", in.Query("SELECT current_database()"), name, value))
			wantRefused(t, at(t, in.URL()), o, c.why)
		})
	}
}

func TestAServerThatIsDownOrHangsIsRefusedSoon(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	wantRefused(t, at(t, "postgres://auth:hunter2@"+servertest.Loopback(servertest.FreePort(t))+"/d?sslmode=disable"), fresh(), "connection refused")
	server := pgtest.Shared(t)
	p := startProxy(t, server)
	p.freeze()
	wantRefused(t, p.at(t, server), fresh(), "deadline exceeded")
}

func TestAWrongPasswordIsRefusedAndNotRepeated(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	u := asRole(t, server, "password")
	u.ConnConfig.Password = "hunter2hunter2"
	wantRefused(t, u, fresh(), "password authentication failed")
	if err := pgstore.Migrate(ever, u, fresh()); err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
		t.Errorf("Migrate: %v, want an error without the password", err)
	}
}

func TestASchemaThatIsNotThereIsNotMadeByOpen(t *testing.T) { // ST-7
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	c := at(t, server.URL())
	wantNone := func() {
		t.Helper()
		if err := wantRefused(t, c, o, "no store in the schema"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is no fs.ErrNotExist", err)
		}
	}
	wantNone()
	server.Exec("CREATE SCHEMA " + o.Schema) // one of its own that is empty
	wantNone()
	var log bytes.Buffer
	logged := o
	logged.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		must(t, pgstore.Migrate(ever, c, logged))
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "WARN") || !strings.Contains(text, "new and empty") {
		t.Errorf("Migrate of a schema without a store said %q", text)
	}
	s, err := pgstore.Open(ever, c, o)
	must(t, err)
	must(t, s.Close())
	server.Exec("INSERT INTO " + o.Schema + ".versions (version, usable_from) VALUES (1000, 1)")
	mustOpen(t, c, o)
	server.Exec("INSERT INTO " + o.Schema + ".versions (version, usable_from) VALUES (1001, 1000)")
	wantRefused(t, c, o, "needs a later version of this program")
	if err := pgstore.Migrate(ever, c, o); err == nil || !strings.Contains(err.Error(), "needs a later version of this program") {
		t.Errorf("Migrate of a schema that is too new: %v", err)
	}
	server.Exec("DELETE FROM " + o.Schema + ".versions") // as of a dump that has no data, or is not yet restored to its end
	wantNone()
	if err := pgstore.Migrate(ever, c, o); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("Migrate of tables without a version: %v, want that they exist", err)
	}
	server.Exec("DROP SCHEMA " + o.Schema + " CASCADE")
	wantNone()
}

func TestFiftyProcessesMayMigrateAtOnce(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	c, o := at(t, server.URLOf(server.NewDatabase(""))), fresh()
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 50 {
		all.Go(func() {
			<-start
			if err := pgstore.Migrate(ever, c, o); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	s := mustOpen(t, c, o)
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	wantValue(t, s, "p/k", "v")
}

// service makes an owner, who migrates the schema of o, and the role of a service, with the
// privileges that docs/postgres.md gives it. It returns how the service connects.
func service(tb testing.TB, server *pgtest.Server, o pgstore.Options) *pgxpool.Config {
	tb.Helper()
	owner, name := asRole(tb, server, o.Schema+"_owner"), o.Schema+"_service"
	c := asRole(tb, server, name)
	server.Exec("CREATE SCHEMA " + o.Schema + " AUTHORIZATION " + o.Schema + "_owner")
	server.Exec("GRANT USAGE ON SCHEMA " + o.Schema + " TO " + name)
	for _, privileges := range []string{"SELECT, INSERT, UPDATE, DELETE ON TABLES", "EXECUTE ON FUNCTIONS"} {
		server.Exec(fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s_owner IN SCHEMA %[1]s GRANT %s TO %s", o.Schema, privileges, name))
	}
	must(tb, pgstore.Migrate(ever, owner, o))
	return c
}

func TestAServiceNeedsNoMoreThanTheDocumentedPrivileges(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	server.Exec("REVOKE SELECT ON pg_catalog.pg_roles, pg_catalog.pg_database FROM PUBLIC") // some servers hide them
	adaptertest.KeepsRules(t, everyStatement, func(tb testing.TB) storetest.Place {
		o := fresh()
		o.MaxLag = lag
		c := service(tb, server, o)
		open := func() (store.Store, error) { return pgstore.OpenOrCreate(ever, c, o) }
		s := mustOpen(tb, c, o)
		adaptertest.Known(tb, s, "p")
		return storetest.Place{Store: s, Reopen: open, Join: open, Lag: lag}
	})
}

func TestOpenNamesThePrivilegeThatIsMissing(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	o := fresh()
	c := service(t, server, o)
	role := o.Schema + "_service"
	mustOpen(t, c, o)
	refusals := func(privilege, on, public, why string) {
		t.Helper()
		server.Exec(fmt.Sprintf("REVOKE %s ON %s FROM %s%s", privilege, on, role, public))
		wantRefused(t, c, o, why)
		server.Exec(fmt.Sprintf("GRANT %s ON %s TO %s", privilege, on, role))
		s, err := pgstore.Open(ever, c, o)
		must(t, err)
		must(t, s.Close())
	}
	for privilege, on := range map[string]string{"USAGE": "SCHEMA " + o.Schema, "SELECT": "TABLE " + o.Schema + ".versions"} {
		server.Exec("REVOKE " + privilege + " ON " + on + " FROM " + role)
		err := pgstore.Migrate(ever, c, o) // nothing is left to do, so its owner is of no help
		if err == nil || !strings.Contains(err.Error(), "may not read the schema") || strings.Contains(err.Error(), "owner") {
			t.Errorf("Migrate without %s: %v", privilege, err)
		}
		refusals(privilege, on, "", "permission denied")
	}
	for table, privileges := range map[string][]string{
		"records": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "counters": {"SELECT", "INSERT", "UPDATE", "DELETE"},
		"changes": {"SELECT", "INSERT", "DELETE"}, "epochs": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "sweeps": {"SELECT", "UPDATE"},
	} {
		for _, privilege := range privileges {
			refusals(privilege, "TABLE "+o.Schema+"."+table, "", privilege+" on "+table)
		}
	}
	for _, f := range []string{"commit_1", "hit_1", "sweep_1", "changes_1", "epoch_1", "epoch_name_1", "commits_1"} {
		refusals("EXECUTE", "FUNCTION "+o.Schema+"."+f, ", PUBLIC", "EXECUTE on "+o.Schema+"."+f)
	}
}

// The functions of a schema name it. Reads would be of one schema, and changes of another.
func TestASchemaThatWasRenamedIsRefused(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	c, renamed := at(t, server.URL()), fresh()
	mustOpen(t, c, o)
	server.Exec("ALTER SCHEMA " + o.Schema + " RENAME TO " + renamed.Schema)
	wantRefused(t, c, renamed, "the schema was renamed")
	mustOpen(t, c, o) // a new one
	wantRefused(t, c, renamed, "the schema was renamed")
	server.Exec("DROP SCHEMA " + o.Schema + " CASCADE; ALTER SCHEMA " + renamed.Schema + " RENAME TO " + o.Schema)
	mustOpen(t, c, o)
}

// Row-level security without a policy hides every row from who does not own the table. A Get would find
// nothing, and a Delete of what is there would succeed. Some hosted services ask for it.
func TestTablesWhoseRowsAreHiddenAreRefused(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	o := fresh()
	c := service(t, server, o)
	for _, table := range []string{"versions", "records", "counters", "changes", "epochs", "sweeps"} {
		server.Exec("ALTER TABLE " + o.Schema + "." + table + " ENABLE ROW LEVEL SECURITY")
		if err := wantRefused(t, c, o, "BYPASSRLS on "+table); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is an fs.ErrNotExist", err)
		}
		server.Exec("ALTER ROLE " + o.Schema + "_service BYPASSRLS")
		mustOpen(t, c, o)
		server.Exec("ALTER ROLE " + o.Schema + "_service NOBYPASSRLS; ALTER TABLE " + o.Schema + "." + table + " DISABLE ROW LEVEL SECURITY")
	}
	mustOpen(t, c, o)
}

// The order of the keys is that of their bytes, whatever the database is like.
func TestEveryDatabaseKeepsTheContract(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	for name, options := range map[string]string{
		"Danish":    "LOCALE_PROVIDER icu ICU_LOCALE 'da-DK' LOCALE 'C' ENCODING 'UTF8' TEMPLATE template0",
		"SQL_ASCII": "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",
		"LATIN1":    "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server.URLOf(server.NewDatabase(options))
			adaptertest.KeepsRules(t, ofText, places(url, 0))
		})
	}
}

func TestSettingsOfTheRoleChangeNothing(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	in := server.In(server.NewDatabase(""))
	u := asRole(t, in, "odd")
	server.Exec("GRANT CREATE ON DATABASE " + in.Query("SELECT current_database()") + " TO odd")
	for _, setting := range []string{
		"DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "bytea_output = 'escape'", "extra_float_digits = -15",
		"standard_conforming_strings = off", "search_path = 'nowhere'", "client_encoding = 'LATIN1'", "TimeZone = 'Asia/Kathmandu'",
		"transform_null_equals = on", "array_nulls = off", "quote_all_identifiers = on",
		"enable_indexscan = off", "enable_tidscan = off", "plan_cache_mode = 'force_generic_plan'",
		"backslash_quote = off", "check_function_bodies = off", "plpgsql.extra_warnings = 'all'", "default_transaction_deferrable = on",
		"row_security = off", "xmloption = 'document'", "escape_string_warning = on",
	} {
		in.Exec("ALTER ROLE odd SET " + setting)
	}
	t.Run("lc_messages", func(t *testing.T) { in.Exec("ALTER ROLE odd SET lc_messages = 'C.utf8'") })
	adaptertest.KeepsRules(t, everyStatement, func(tb testing.TB) storetest.Place {
		o := fresh()
		open := func() (store.Store, error) { return pgstore.OpenOrCreate(ever, u, o) }
		return storetest.Place{Store: mustOpen(tb, u, o), Reopen: open, Join: open}
	})
}

// A hook has the time that it needs, and leaves no connection without a deadline.
func TestAHookOfTheCallerAndACallKnowNothingOfEachOther(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Start(t), fresh()
	o.Timeout = 400 * time.Millisecond
	config := at(t, server.URL())
	config.MaxConns = 1
	var slow atomic.Bool
	hooks := make(chan error, 1000)
	config.AfterRelease = func(c *pgx.Conn) bool {
		if slow.Load() {
			_, err := c.Exec(ever, "SELECT pg_sleep(0.45)")
			hooks <- err
			return err == nil
		}
		ctx, cancel := context.WithCancel(ever) // the client library ends a deadline for a context that was cancelled
		rows, err := c.Query(ctx, "SELECT 1")
		must(t, err)
		rows.Next()
		cancel()
		<-ctx.Done()
		rows.Close()
		return true
	}
	s := mustOpen(t, config, o)
	get := func() error { _, err := s.Get(ever, "p/k"); return err }
	slow.Store(true)
	servertest.Within(t, recovery, get) // the hook may be at work for the sweeper
	must(t, <-hooks)
	slow.Store(false)
	for range 3 {
		servertest.Within(t, recovery, get)
	}
	server.Stop()
	defer server.Continue()
	defer time.AfterFunc(recovery, server.Continue).Stop()
	begin := time.Now()
	wantUndecided(t, "Get", get())
	if d := time.Since(begin); d > o.Timeout+margin {
		t.Errorf("Get took %v", d)
	}
}

// A backup can be restored in part.
func TestASchemaThatLacksAFunctionIsRefused(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	c := at(t, server.URL())
	must(t, pgstore.Migrate(ever, c, o))
	for _, f := range []string{
		"commit_1(text, text[], smallint[], bytea[], smallint[], bytea[], bigint[])", "hit_1(text, bigint, bigint, bigint)",
		"sweep_1(bigint)", "changes_1(text)", "epoch_1()", "epoch_name_1(uuid)", "commits_1()",
	} {
		name, arguments, _ := strings.Cut(f, "(")
		server.Exec(fmt.Sprintf("ALTER FUNCTION %s.%s RENAME TO hidden", o.Schema, f))
		server.Exec(fmt.Sprintf("CREATE FUNCTION %s.%s(a boolean) RETURNS integer LANGUAGE sql AS 'SELECT 1'", o.Schema, name)) // somebody else's
		wantRefused(t, c, o, "lacks functions, as when a part of a backup was restored; restore all of it: "+name+"(")
		server.Exec(fmt.Sprintf("ALTER FUNCTION %s.hidden(%s RENAME TO %s", o.Schema, arguments, name))
	}
	mustOpen(t, c, o)
}

// warnings opens a Store and returns what Open logs, line by line.
func warnings(t *testing.T, c *pgxpool.Config, o pgstore.Options) []string {
	t.Helper()
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := pgstore.Open(ever, c, o)
	must(t, err)
	must(t, s.Close())
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the password is logged: %s", &log)
	}
	return slices.Collect(strings.Lines(log.String()))
}

func TestOpenWarnsOfWhatPutsRecordsAtRisk(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t, "fsync=on")
	o := fresh()
	mustOpen(t, at(t, server.URL()), o)
	says := func(url string, want ...string) {
		t.Helper()
		log := warnings(t, at(t, url), o)
		if len(log) != len(want) {
			t.Fatalf("Open said %q, want %d warnings", log, len(want))
		}
		for i := range want {
			if !strings.Contains(log[i], want[i]) {
				t.Errorf("Open said %q, want %q", log[i], want[i])
			}
		}
	}
	says(server.URL())
	says(strings.Replace(server.URL(), "127.0.0.1", "localhost", 1))
	with := func(setting string) string { return server.URL() + parameter("options", "-c "+setting) }
	says(with("synchronous_commit=local")) // there is no standby
	for setting, want := range map[string]string{
		"fsync=off":            "with fsync off",
		"full_page_writes=off": "with full_page_writes off",
	} {
		name, value, _ := strings.Cut(setting, "=")
		server.Exec("ALTER SYSTEM SET " + name + " = " + value)
		reload(t, server, name, value)
		says(server.URL(), want)
		server.Exec("ALTER SYSTEM RESET " + name)
		reload(t, server, name, "on")
	}
	server.Exec("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	reload(t, server, "synchronous_standby_names", "nobody")
	says(with("synchronous_commit=local"), "with synchronous_commit local")
	says(with("synchronous_commit=remote_write"), "with synchronous_commit remote_write")
}

// Whoever made the schema can drop the tables and functions that another role made in it, and make
// others. The two roles of docs/postgres.md are no reason to warn.
func TestOpenWarnsOfASchemaThatHasTwoOwners(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	o := fresh()
	c := service(t, server, o)
	owner, stranger := o.Schema+"_owner", o.Schema+"_stranger"
	server.Exec("CREATE ROLE " + stranger)
	server.Exec("REVOKE SELECT ON pg_catalog.pg_roles, pg_catalog.pg_database FROM PUBLIC") // of this database alone
	says := func(warns bool, after string) {
		t.Helper()
		server.Exec(after)
		log := strings.Join(warnings(t, c, o), "")
		if warns != strings.Contains(log, "can replace what the service reads and runs: "+stranger+";") || !warns && strings.Contains(log, "owner") {
			t.Errorf("after %s Open said %q; want a warning of %s: %v", after, log, stranger, warns)
		}
	}
	says(false, "SELECT")
	for _, part := range []string{"SCHEMA " + o.Schema, "TABLE " + o.Schema + ".sweeps", "FUNCTION " + o.Schema + ".hit_1"} {
		says(true, "ALTER "+part+" OWNER TO "+stranger)
		says(false, "GRANT "+owner+" TO "+stranger)
		says(true, "REVOKE "+owner+" FROM "+stranger)
		says(false, "ALTER "+part+" OWNER TO postgres")
		says(false, "ALTER "+part+" OWNER TO "+owner)
	}
	says(false, "ALTER SCHEMA "+o.Schema+" OWNER TO pg_database_owner")
	server.Exec("ALTER DATABASE " + server.Query("SELECT current_database()") + " OWNER TO " + stranger)
	says(false, "ALTER SCHEMA "+o.Schema+" OWNER TO "+stranger)
	says(true, "ALTER TABLE "+o.Schema+".sweeps OWNER TO "+stranger)
}

// reload returns when connections have a new setting.
func reload(t *testing.T, server *pgtest.Server, name, value string) {
	t.Helper()
	server.Exec("SELECT pg_reload_conf()")
	servertest.Within(t, recovery, func() error {
		if got := server.Query("SHOW " + name); got != value {
			return fmt.Errorf("%s is %s", name, got)
		}
		return nil
	})
}
