package pgtest

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A server that hangs is noticed after patience. A statement may take longer.
const (
	patience = 2 * time.Second
	longest  = 30 * time.Second
)

// Query runs a statement on a connection of its own, and returns the first value of its
// first row as text. There is a NULL or no row where it returns "". Without args, sql may
// be several statements.
func Query(url, sql string, args ...any) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return "", err
	}
	config.ConnectTimeout = patience
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx) //nolint:errcheck // the answer is known
	var results []*pgconn.Result
	if len(args) == 0 {
		results, err = c.Exec(ctx, sql).ReadAll()
	} else {
		result := c.ExecParams(ctx, sql, texts(args), nil, nil, nil).Read()
		results, err = []*pgconn.Result{result}, result.Err
	}
	if err != nil {
		return "", err
	}
	for _, r := range results {
		if len(r.Rows) > 0 && len(r.Rows[0]) > 0 {
			return string(r.Rows[0][0]), nil
		}
	}
	return "", nil
}

// texts returns arguments as the server reads them.
func texts(args []any) [][]byte {
	values := make([][]byte, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case nil:
		case []byte:
			values[i] = fmt.Appendf(nil, `\x%x`, a)
		case time.Time:
			values[i] = []byte(a.Format(time.RFC3339Nano))
		default:
			values[i] = fmt.Append(nil, a)
		}
	}
	return values
}
