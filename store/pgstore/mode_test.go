package pgstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
)

// A pooler may permit only some of the ways in which the client library sends a statement.
func TestEveryQueryModeOfTheClientWorks(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	url := pgtest.Shared(t).URL() + parameter("options", "-c array_nulls=off") // a list sent as text has no nulls then
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			config, o := at(t, url), fresh()
			config.ConnConfig.DefaultQueryExecMode = mode
			o.MaxLag = 20 * time.Millisecond
			s := mustOpen(t, config, o)

			odd := []byte(`\x00'"{}\` + "\x00\xff")
			later := time.Now().Add(time.Hour)
			must(t, s.Commit(ever, store.Put("u.1/odd", odd).Absent().Until(later), store.Put("u.1/empty", nil), store.Put("u.1/'", odd)))
			must(t, s.Commit(ever, store.Put("u.1/odd", odd).Equal(odd).Until(later), store.Check("u.1/empty").Equal(nil), store.Delete("u.1/'")))
			if err := s.Commit(ever, store.Put("u.1/odd", nil).Equal(nil)); !errors.Is(err, store.ErrConflict) {
				t.Errorf("a condition that does not hold: %v", err)
			}
			values, err := s.Get(ever, "u.1/none", "u.1/odd", "u.1/empty")
			must(t, err)
			if values[0] != nil || string(values[1]) != string(odd) || values[2] == nil || len(values[2]) != 0 {
				t.Errorf("Get: %q", values)
			}
			items, err := s.List(ever, "u.1/", "u.1/empty", 10)
			must(t, err)
			if len(items) != 1 || items[0].Key != "u.1/odd" || string(items[0].Value) != string(odd) {
				t.Errorf("List: %q", items)
			}
			limit := store.Limit{Burst: 1, Every: time.Hour}
			for i, ok := range []bool{true, false} {
				if d, err := s.Hit(ever, "u.1/hits", limit, 1, time.Now()); err != nil || d.OK != ok {
					t.Errorf("Hit %d: %+v, %v", i+1, d, err)
				}
			}
			page, err := s.Walk(ever, "")
			must(t, err)
			if len(page.Records) != 2 || !page.Records[0].Expires.IsZero() || page.Records[1].Expires.IsZero() {
				t.Errorf("Walk: %v", page.Records)
			}
			servertest.Within(t, 10*time.Second, func() error {
				if _, known := s.Stamp("u.1"); !known {
					return errors.New("no stamp is known")
				}
				return nil
			})
		})
	}
}

// These modes read values as text, for which a role or a database can have a form of its own.
func TestAFormOfValuesThatAModeCannotReadIsRefused(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	c := at(t, server.URL()+parameter("options", "-c bytea_output=escape"))
	allWork(t, mustOpen(t, c, o))
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		c.ConnConfig.DefaultQueryExecMode = mode
		wantRefused(t, c, o, "set it to hex")
	}
}

// A null is not equal to a record, and compares as neither true nor false.
func TestAConditionWithoutItsValueDoesNotHold(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	for _, olds := range []string{"NULL", "'{NULL}'", "'{}'"} {
		if met := server.Query("SELECT " + o.Schema + ".commit_1('p', '{k}', '{2}', " + olds + ", '{1}', '{w}', NULL)"); met != "f" {
			t.Errorf("with %s: %s", olds, met)
		}
	}
	wantValue(t, s, "p/k", "v")
}
