package pgstore

import (
	"strings"
	"testing"
)

// A statement that asks last would be answered by a standby that is promoted while it runs, with
// what was revoked meanwhile.
func TestAReadAsksFirstWhetherTheServerIsAStandby(t *testing.T) {
	sql := newStatements("s")
	for _, text := range append(sql.get[:], sql.getMany, sql.list, sql.walk, sql.walkCounters) {
		asks, reads := strings.Index(text, "pg_is_in_recovery()"), strings.Index(text, `FROM "s".`)
		if asks < 0 || reads < 0 || asks > reads {
			t.Errorf("it reads first: %s", text)
		}
	}
}
