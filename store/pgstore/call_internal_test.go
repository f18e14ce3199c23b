package pgstore

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// A pooler before version 1.21 leads to them, as soon as two clients share a connection.
func TestAnErrorOfPreparedStatementsSaysWhatAPoolerNeeds(t *testing.T) {
	for code, want := range map[string]bool{"42P05": true, "26000": true, "42501": false} {
		err := describe(context.Background(), &pgconn.PgError{Severity: "ERROR", Message: "it is so", Code: code})
		if text := err.Error(); strings.Contains(text, "default_query_exec_mode=exec") != want || !strings.HasPrefix(text, "pgstore: ERROR: it is so") {
			t.Errorf("with SQLSTATE %s: %q", code, text)
		}
	}
}
