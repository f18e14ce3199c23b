package pgstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store/pgstore"
)

// The server compiles a plan that it takes for expensive, which takes it 0.3 seconds. Without
// scans of a whole table, one of the smallest table counts as that.
func TestNoStatementIsCompiled(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	o, url := fresh(), pgtest.Shared(t).URL()
	must(t, pgstore.Migrate(ever, at(t, url), o))
	config, err := pgconn.ParseConfig(url)
	must(t, err)
	var plans strings.Builder
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Fprintln(&plans, n.Message) }
	c, err := pgconn.ConnectConfig(ever, config)
	must(t, err)
	defer c.Close(ever)
	run := func(sql string) string {
		plans.Reset()
		_, err := c.Exec(ever, strings.ReplaceAll(sql, "{schema}", o.Schema)).ReadAll()
		must(t, err)
		return plans.String()
	}
	run(`LOAD 'auto_explain'; SET auto_explain.log_level = notice; SET auto_explain.log_min_duration = 0;
		SET auto_explain.log_analyze = on; SET auto_explain.log_nested_statements = on`)
	if !strings.Contains(run(`SET jit_above_cost = 0; SELECT 1; SET jit_above_cost = 100000`), "JIT:") {
		t.Log("the server cannot compile")
	}
	for call, statements := range map[string]int{
		`commit_1('p', '{a,b}', '{1,0}', '{"",""}', '{1,2}', '{x,""}', NULL)`: 5,
		`hit_1('p/k', 1, 3, 1)`:  2,
		`hit_1('p/k', 1, 3, -1)`: 3,
		`epoch_1()`:              2,
		`changes_1('')`:          1,
		`changes_1('1:9:3')`:     1,
		`sweep_1(0)`:             2,
		`sweep_1(1800000000000)`: 2, // each time, another table has its turn
		`sweep_1(1800000000001)`: 2,
		`sweep_1(1800000000002)`: 2,
	} {
		said := run(`UPDATE {schema}.sweeps SET swept = 'epoch'; SELECT {schema}.` + call)
		if n := strings.Count(said, "Query Text:"); n < statements || strings.Contains(said, "JIT:") {
			t.Errorf("%s has %d plans:\n%s", call, n, said)
		}
	}
}
