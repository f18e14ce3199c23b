package pgstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// Others may create functions and operators in public, if the database was made by version 14 or
// before. One with nearer types than that of the system is preferred, wherever it is. It would
// run as the role of the service, or as the one that migrates. The owner of a database can also
// have a schema of another name searched before that of the system.
func TestNoFunctionOfOthersIsCalled(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	for _, path := range []string{"public", "evil, pg_catalog"} {
		t.Run(path, func(t *testing.T) { neverCalls(t, path) })
	}
}

func neverCalls(t *testing.T, path string) {
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	schema, _, first := strings.Cut(path, ", ")
	server.Exec("CREATE SCHEMA IF NOT EXISTS " + schema + "; GRANT USAGE ON SCHEMA " + schema + " TO PUBLIC")
	server.Exec("CREATE TABLE public.called (what text); GRANT ALL ON public.called TO PUBLIC")
	functions := map[string]string{
		"hashtext(a varchar)":                         "integer",
		"hashtextextended(a text, b integer)":         "bigint",
		"pg_advisory_xact_lock(a integer)":            "bigint",
		"current_setting(a varchar)":                  "text",
		"set_config(a varchar, b varchar, c boolean)": "text",
		"has_function_privilege(a regproc, b text)":   "boolean",
		"has_table_privilege(a varchar, b text)":      "boolean",
		"unnest(a regproc[])":                         "regproc",
		"max(a smallint)":                             "smallint",
		"times(a numeric, b integer)":                 "numeric",
		"joined(a regproc, b regproc)":                "text",
		"joined(a varchar, b text)":                   "text",
		"same(a name, b varchar)":                     "boolean",
	}
	operators := []string{
		"* (FUNCTION = evil.times, LEFTARG = numeric, RIGHTARG = integer)",
		"|| (FUNCTION = evil.joined, LEFTARG = regproc, RIGHTARG = regproc)",
		"|| (FUNCTION = evil.joined, LEFTARG = varchar, RIGHTARG = text)",
		"= (FUNCTION = evil.same, LEFTARG = name, RIGHTARG = varchar)",
	}
	for what, result := range functions {
		server.Exec(fmt.Sprintf("CREATE FUNCTION %s.%s RETURNS %s LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES ('%[2]s'); RETURN NULL; END $$", schema, what, result))
	}
	for _, operator := range operators {
		server.Exec("CREATE OPERATOR " + schema + "." + strings.ReplaceAll(operator, "evil", schema))
	}
	if first {
		server.Exec(doubles)
		if n := server.Query("SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace"); len(n) < 4 {
			t.Fatalf("only %s functions of the system have a double", n)
		}
	}
	server.Exec("ALTER DATABASE " + server.Query("SELECT current_database()") + " SET search_path = " + path)

	o := watching()
	must(t, pgstore.Migrate(ever, at(t, server.URL()), o))
	s, err := pgstore.Open(ever, at(t, server.URL()), o)
	if err == nil {
		defer s.Close()
		adaptertest.Known(t, s, "p")
		allWork(t, s)
		must(t, s.Commit(ever, store.Put("p/k", []byte("v")), store.Check("p/l").Absent()))
		_, err = s.Hit(ever, "p/h", hourly, -1, time.Now())
		must(t, err)
		_, err = s.Examine(ever)
		server.Exec("SET synchronous_commit = off; SET client_min_messages = error; " + // a Commit sets both right
			"SELECT " + o.Schema + ".commit_1('p', '{k,l}', '{2,0}', '{v,NULL}', '{1,2}', '{w,NULL}', NULL)")
		wantValue(t, s, "p/k", "w")
	}
	if called := server.Query("SELECT pg_catalog.string_agg(what, ', ') FROM public.called"); err != nil || called != "" {
		t.Errorf("error %v; these were called: %s", err, called)
	}
}

// doubles makes a double of each function, operator and type of the system, with the same arguments. Some
// cannot be made, such as those that take a C string.
const doubles = `DO $do$
DECLARE
	f record;
BEGIN
	FOR f IN SELECT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
			FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
		UNION ALL SELECT 'operator' || o.oid, concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype), o.oprresult::regtype::text
			FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO public.called VALUES (%L); RETURN NULL; END $f$',
				f.name, f.arguments, CASE f.result WHEN 'void' THEN 'text' ELSE f.result END, format('%s(%s)', f.name, f.arguments));
		EXCEPTION WHEN others THEN NULL;
		END;
	END LOOP;
	FOR f IN SELECT o.oid, o.oprname AS name, nullif(o.oprleft, 0)::regtype AS l, o.oprright::regtype AS r
			FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace LOOP
		BEGIN
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.operator%s, %s RIGHTARG = %s)', f.name, f.oid, 'LEFTARG = ' || f.l || ',', f.r);
		EXCEPTION WHEN others THEN NULL;
		END;
	END LOOP;
	FOR f IN SELECT typname AS name FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0 LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%1$I CHECK (pg_catalog.length(pg_catalog.concat(value)) < 0)', f.name);
	END LOOP;
END $do$`

// Whoever may create in the schema, as everybody may in the schema public of version 14, could add
// functions with the names of ours.
func TestNoFunctionWithANameOfOursIsCalled(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), watching()
	s := mustOpen(t, at(t, server.URL()), o)
	server.Exec("CREATE TABLE " + o.Schema + ".called (what text)")
	for _, f := range []string{
		"commit_1(a varchar, b varchar[], c integer[], d text[], e integer[], f text[], g integer[])", "hit_1(a varchar, b integer, c integer, d integer)",
		"epoch_name_1(a text)", "changes_1(a varchar)", "sweep_1(a integer)",
	} {
		server.Exec(fmt.Sprintf("CREATE FUNCTION %[1]s.%s RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO %[1]s.called VALUES ('%[2]s'); RETURN NULL; END $$", o.Schema, f))
	}
	adaptertest.Known(t, s, "p")
	allWork(t, s)
	must(t, mustOpen(t, at(t, server.URL()), o).Close())
	server.Exec(fmt.Sprintf("UPDATE %[1]s.sweeps SET swept = swept - interval '1 hour' WHERE relation = 'changes'; SELECT %[1]s.sweep_1(0::bigint)", o.Schema))
	if called := server.Query("SELECT string_agg(what, ', ') FROM " + o.Schema + ".called"); called != "" {
		t.Errorf("these were called: %s", called)
	}
}
