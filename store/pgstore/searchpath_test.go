package pgstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// Others may create functions and operators in public, if the database was made by version 14 or
// before. One with nearer types than that of the system is preferred, wherever it is. It would
// run as the role of the service, or as the one that migrates.
func TestNoFunctionOfOthersIsCalled(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	server.Exec("CREATE TABLE public.called (what text); GRANT ALL ON public.called TO PUBLIC")
	for what, result := range map[string]string{
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
	} {
		server.Exec(fmt.Sprintf("CREATE FUNCTION public.%s RETURNS %s LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES ('%[1]s'); RETURN NULL; END $$", what, result))
	}
	for _, operator := range []string{
		"* (FUNCTION = public.times, LEFTARG = numeric, RIGHTARG = integer)",
		"|| (FUNCTION = public.joined, LEFTARG = regproc, RIGHTARG = regproc)",
		"|| (FUNCTION = public.joined, LEFTARG = varchar, RIGHTARG = text)",
		"= (FUNCTION = public.same, LEFTARG = name, RIGHTARG = varchar)",
	} {
		server.Exec("CREATE OPERATOR public." + operator)
	}

	o := watching()
	must(t, pgstore.Migrate(ever, at(t, server.URL()), o))
	s, err := pgstore.Open(ever, at(t, server.URL()), o)
	if err == nil {
		defer s.Close()
		known(t, s, "p")
		allWork(t, s)
		must(t, s.Commit(ever, store.Put("p/k", []byte("v")), store.Check("p/l").Absent()))
		_, err = s.Hit(ever, "p/h", hourly, -1, time.Now())
		must(t, err)
		_, err = s.Examine(ever)
	}
	if called := server.Query("SELECT string_agg(what, ', ') FROM public.called"); err != nil || called != "" {
		t.Errorf("error %v; these were called: %s", err, called)
	}
}
