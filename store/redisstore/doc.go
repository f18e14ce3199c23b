// Package redisstore keeps the records of package auth on Redis 6.2 or later, or
// what speaks its protocol: one server, a master that Sentinel watches, or a Redis
// Cluster. Any number of processes share them.
//
// # What survives
//
// An acknowledged Commit has been carried out in the memory of the master. What it
// survives beyond that is for the servers' configuration to say:
//
//   - The end of a process of the host: always.
//   - The end of the server: with an append-only file, and appendfsync always, yes;
//     with everysec, all but about the last second; without the file, whatever the
//     last snapshot held. Open logs a warning where there is no such file.
//   - A failover: Redis replicates after it acknowledges, so a Commit of the last
//     moments may be missing on the new master: a session that was ended is back, a
//     code that was spent can be spent again. With Options.Replicas a Commit is only
//     acknowledged when so many replicas have received it. It then survives if one of
//     these becomes the master: surely, where Replicas is all of them; as a rule,
//     where it is fewer, for the one that is furthest ahead is preferred. It costs a
//     round trip between the servers, and while too few replicas answer, every Commit
//     fails. Counters never wait.
//
// A master that is cut off goes on answering those it can still reach until it is
// told that it is one no more (about cluster-node-timeout, or for as long as the
// separation lasts under Sentinel): they read what was revoked elsewhere, and what
// they write is lost. min-replicas-to-write bounds the writing.
//
// A call whose reply is lost is never sent again: its error says that it may have
// taken effect, and the caller asks what is there.
//
// # What the host must see to
//
//   - maxmemory-policy noeviction. Open refuses a server that may evict, wherever it
//     is permitted to look. A server out of memory then fails what writes and goes on
//     with what only removes: logins stop, logouts do not.
//   - appendonly yes; with replicas, min-replicas-to-write 1 and
//     min-replicas-max-lag 10.
//   - A Redis of its own or, if it must be shared, the ACL below: whoever may read
//     the keys reads records, whoever may write them is every user.
//   - TLS (rediss:// and its siblings) wherever others share the network.
//   - Clocks that agree to within minutes. A record stays for ten minutes past its
//     expiry, by the server's clock.
//
// This ACL is enough for the prefix "auth:", on a cluster with +cluster|slots, and
// has no FLUSHALL and no KEYS in it:
//
//	ACL SETUSER auth on >PASSWORD ~auth:* +@read +@write +@scripting +@connection -@dangerous +time +wait +info +config|get
//
// # When servers fail
//
// Nothing is tried twice, so a server that is down costs a request no time. One that
// hangs costs each call up to 450 ms for a connection and 450 ms for the reply, unless
// the timeouts in redis.UniversalOptions say otherwise.
// Cancelling a context does not end a call that is already on the wire; its deadline
// does. A new master of Sentinel or of a cluster is followed as soon as there is one,
// a slot that is being moved without an error. A server that was down for long is
// tried again once a second.
//
// # Cost
//
// Get, List, Commit and Hit are one command and one round trip each. A partition is
// one key: about 800 bytes, and for every record its key, its value and about 150
// bytes, 130 more with an expiry. A counter is about 150 bytes until it ends.
package redisstore
