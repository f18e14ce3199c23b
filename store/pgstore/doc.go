// Package pgstore keeps the records of package auth on PostgreSQL 14 or later. Any number of
// processes share the records. docs/postgres.md says how to set a server up.
//
// # What survives
//
// An acknowledged Commit is on the disk of the server. It survives:
//
//   - The end of a process of your program, and of the server: always.
//   - A crash of the machine: with fsync and full_page_writes on, as they are by default.
//   - A failover: if the new primary was a synchronous standby (synchronous_standby_names, with
//     synchronous_commit on). A standby that is not synchronous may lack the Commits of the
//     last moments. Then a session that was ended is valid again, and a code that was spent can
//     be spent again.
//
// Each Commit sets synchronous_commit on for itself where it was turned off. If the wait for a
// synchronous standby is cancelled, by an operator or by a timeout, the server has committed
// and only warns. The Commit then returns an error, which says that it may have taken effect.
//
// Counters do not wait for the disk: a crash of the server can lose what was counted in the
// last second (three times wal_writer_delay), and a failover what the standby had not received.
//
// # One statement each
//
// Get, List, Commit and Hit are one statement each, and one round trip. A Commit calls a function
// of the schema, commit_1. It takes an advisory lock on the partition until the end of the
// transaction, checks the conditions, and writes. The isolation is read committed, so nothing
// fails to be serialized and has to be tried again. Different partitions do not wait for each
// other, unless they share a lock, with a probability of 2^-32.
//
// Every statement names the schema and the types of its arguments. So the search_path does not
// matter, and a pooler may give each statement another connection. No statement relies on a
// setting of the connection, but for bytea_output where pgx reads values as text: see [Open].
//
// With Options.MaxLag, what was read before takes no round trip while it has not changed. Each
// Commit then notes what it changes, which is a fifth of the server's time for it.
//
// # When the server fails
//
// Nothing is sent twice, so a server that is down delays no request. A call takes no longer than
// Options.Timeout, also if the server hangs. A call whose reply is lost returns an error, which
// says that it may have taken effect. A call whose time is over asks the server to cancel its
// statement. A Commit waits for a lock for a second at most, also if its process has gone.
//
// Cancelling a context does not end a statement that was sent, nor the wait for a connection that is
// being made. The context's deadline does, and costs the connection.
//
// A server that hung until another took its place does not know that when it wakes. A Store
// does not use it then. It makes new connections if the server was silent for 1.5 seconds: every
// failover takes longer. Each Store asks the server twice a second, so a service at rest
// keeps its connections. New connections go to a server that can be written to. With several
// hosts in the URL, the client library finds it. A pooler has connections of its own, on which
// none of this holds: it must be told of the failover.
//
// An old primary that is only cut off from the new one still answers the processes that reach
// it. They read what was revoked elsewhere. With a synchronous standby none of their Commits
// is acknowledged there. Whoever promotes a standby must first make sure that the old
// primary is down.
//
// # Poolers
//
// PgBouncer works in session and in transaction mode. Before version 1.21, and if its
// max_prepared_statements is 0, add default_query_exec_mode=exec to the URL: pgx prepares
// statements otherwise, which the pooler does not know of. In statement mode it works too, but
// the schema must be migrated without the pooler.
//
// # Expiry
//
// A record stays for ten minutes after its expiry, by the clock of the server and by that of the
// process that sweeps. Each process calls the sweeper twice a second. The server lets one at a
// time look at a range of pages. A pass over a table takes an hour at most, and no index is
// needed for it.
//
// # Versions
//
// Migrations are numbered and part of this package. Each is one transaction under an advisory
// lock. A new version of this package can use the schema once it is migrated, and the version before
// it still can: the functions that it calls stay. So processes are replaced one after the other.
package pgstore
