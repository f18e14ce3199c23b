package pgstore_test

import (
	"fmt"
	"maps"
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
	if first { // these have the same types as those of the system
		maps.Copy(functions, map[string]string{
			"pg_is_in_recovery()": "boolean", "clock_timestamp()": "timestamptz", "now()": "timestamptz",
			"current_setting(a text)": "text", "has_table_privilege(a text, b text)": "boolean", "max(a integer)": "integer",
			"same(a text, b text)": "boolean", "same(a name, b text)": "boolean", "same(a name, b name)": "boolean", "same(a oid, b oid)": "boolean",
			"same(a smallint, b integer)": "boolean", "same(a boolean, b boolean)": "boolean", "same(a bytea, b bytea)": "boolean",
			"hashtext(a text)": "integer", "pg_try_advisory_xact_lock(a integer, b integer)": "boolean", "pg_advisory_xact_lock(a integer, b integer)": "text",
			"set_config(a text, b text, c boolean)": "text", "cardinality(a smallint[])": "integer", "pg_current_xact_id()": "xid8",
		})
		for _, types := range []string{"text", "boolean"} {
			operators = append(operators, "<> (FUNCTION = evil.same, LEFTARG = "+types+", RIGHTARG = "+types+")")
		}
		for _, types := range []string{"text text", "name text", "name name", "oid oid", "smallint integer", "bytea bytea"} {
			left, right, _ := strings.Cut(types, " ")
			for _, operator := range []string{"=", "<", ">", ">="} {
				operators = append(operators, operator+" (FUNCTION = evil.same, LEFTARG = "+left+", RIGHTARG = "+right+")")
			}
		}
	}
	for what, result := range functions {
		server.Exec(fmt.Sprintf("CREATE FUNCTION %s.%s RETURNS %s LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES ('%[2]s'); RETURN NULL; END $$", schema, what, result))
	}
	for _, operator := range operators {
		server.Exec("CREATE OPERATOR " + schema + "." + strings.ReplaceAll(operator, "evil", schema))
	}
	if first {
		server.Exec("CREATE DOMAIN evil.text AS pg_catalog.text CHECK (pg_catalog.length(value) < 0)")
		server.Exec("CREATE DOMAIN evil.bytea AS pg_catalog.bytea CHECK (pg_catalog.length(value) < 0)")
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
