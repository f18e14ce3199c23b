package pgstore

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the texts that a Store sends. Each names every schema, so the search_path of
// the role or of a pooler's connection does not matter, and says the types of its arguments,
// so every mode of pgx sends the same.
//
// Each that reads asks first whether the server is a standby. A standby can be promoted while a
// statement runs, which then goes on with what the standby had before. To ask last would be too late.
type statements struct {
	get [4]string // by the number of keys less one

	getMany, list, commit, hit, walk, walkCounters, sweep, changes, commits, epoch, inspect string
}

func newStatements(schema string) statements {
	in := func(text string) string { return inSchema(ofSystem.Replace(text), schema) }
	return statements{
		get: [...]string{in(getFew(1)), in(getFew(2)), in(getFew(3)), in(getFew(4))},
		getMany: in(`SELECT pg_catalog.pg_is_in_recovery(), ARRAY(SELECT (SELECT r.value FROM {schema}.records r WHERE r.partition = $1::text AND r.name = n)
			FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY AS u (n, i) ORDER BY i)`),
		list: in(`SELECT true, '', '' WHERE pg_catalog.pg_is_in_recovery() UNION ALL (SELECT false, name, value FROM {schema}.records
			WHERE partition = $1::text AND name >= $2::text AND name < $3::text AND name > $4::text
			ORDER BY name LIMIT $5::bigint)`),
		commit:  in(`SELECT {schema}.commit_1($1::text, $2::text[], $3::smallint[], $4::bytea[], $5::smallint[], $6::bytea[], $7::bigint[])`),
		hit:     in(`SELECT {schema}.hit_1($1::text, $2::bigint, $3::bigint, $4::bigint)`),
		sweep:   in(`SELECT {schema}.sweep_1($1::bigint)`),
		changes: in(`SELECT now, coalesce(epoch, ''), coalesce(idle, 0), drops, coalesce(partitions, '{}') FROM {schema}.changes_1($1::text)`),
		inspect: in(inspection),
		commits: in(`SELECT {schema}.commits_1()`),
		epoch:   in(`SELECT {schema}.epoch_1()`),
		walk: in(`SELECT true, '', '', '', 0 WHERE pg_catalog.pg_is_in_recovery()
			UNION ALL (SELECT false, partition, name, value, coalesce(expires, 0) FROM {schema}.records
			WHERE (partition, name) > ($1::text, $2::text) ORDER BY partition, name LIMIT $3::bigint)`),
		walkCounters: in(`SELECT true, '', 0 WHERE pg_catalog.pg_is_in_recovery()
			UNION ALL (SELECT false, key, until FROM {schema}.counters WHERE key > $1::text ORDER BY key LIMIT $2::bigint)`),
	}
}

// getFew is the statement that reads n keys. Its one row has their values, which are null where there
// is no record. It looks into the index once for each name. With name = ANY($2) a plan for any
// argument may read the whole partition, as most are small.
func getFew(n int) string {
	var text strings.Builder
	text.WriteString("SELECT pg_catalog.pg_is_in_recovery()")
	for i := range n {
		fmt.Fprintf(&text, ", (SELECT r.value FROM {schema}.records r WHERE r.partition = $1::text AND r.name = $%d::text)", i+2)
	}
	return text.String()
}

// ofSystem names the schema of types and operators. A search_path can lead to those of others
// first, which would run as this role (CVE-2018-1058). The rest of a statement names it itself.
var ofSystem = strings.NewReplacer(
	"::text", "::pg_catalog.text", "::bytea", "::pg_catalog.bytea",
	" = ", " OPERATOR(pg_catalog.=) ", " < ", " OPERATOR(pg_catalog.<) ", " > ", " OPERATOR(pg_catalog.>) ", " >= ", " OPERATOR(pg_catalog.>=) ",
)

// inSchema puts the quoted name of the schema into a text.
func inSchema(text, schema string) string {
	return strings.ReplaceAll(text, "{schema}", pgx.Identifier{schema}.Sanitize())
}
