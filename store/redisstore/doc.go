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
//     fails. Counters never wait. This is about a master that dies. Where an operator
//     has Sentinel replace one that lives (SENTINEL FAILOVER), a replica that is not
//     chosen goes on acknowledging to the old master for a moment: of two replicas
//     with Replicas 1, thousands of Commits were undone. So stop the master instead,
//     or have Replicas be all of them while you do it.
//
// How much a failover undoes without Options.Replicas, measured on loopback: ten
// masters were killed for each line, while 16 writers in four clients committed to it
// (make window measures it):
//
//	                                  kills that undid a Commit    the most     the oldest
//	                                  Sentinel        Cluster      at one kill  before it
//	2,000 a second                    1 of 10         1 of 10      1            < 0.1 ms
//	as many as they can               1 of 10         3 of 10      7            0.1 ms
//	replicas hung for a second        3 of 10         1 of 10      1            < 0.1 ms
//	replicas cut off for a second     10 of 10        10 of 10     all          1 s
//
// A process that is killed leaves with the kernel what it has sent, so a replica that
// is merely slow still gets it, for as long as the sockets' buffers hold it, a few MB.
// A machine that dies takes these along: everything since what the replica has
// received, which is half a round trip on a good day and all of its lag on a bad one
// (INFO replication). Only min-replicas-max-lag bounds that.
//
// A master that is cut off goes on answering those it can still reach until it is
// told that it is one no more (about cluster-node-timeout, or for as long as the
// separation lasts under Sentinel): they read what was revoked elsewhere, and what
// they write is lost. min-replicas-to-write bounds the writing.
//
// A master that hung until another took its place, and is woken, believes to be one
// until it is told: for some milliseconds in a cluster, for ten seconds or more under
// Sentinel. No call of a Store is sent to it then, for connections that were idle for
// a second are not used again, and a new one is made to the master that there is by
// then; unless the only Sentinel that answers has hung as well, until it has heard
// from another. A call that was sent while it hung has failed by then, and may still
// take effect there, where it is lost.
//
// A call whose reply is lost is never sent again: its error says that it may have
// taken effect, and the caller asks what is there. After a Commit that failed only for
// want of replicas, what is there is what the master has: that a record is absent can
// still be undone by a failover.
//
// A master that somebody demotes by hand (REPLICAOF) goes on answering those who are
// connected, from what it last knew. Sentinel ends their connections; who does it by
// hand must do so too: CLIENT KILL TYPE normal.
//
// # What the host must see to
//
// All of this, the ACL included, on every server, replicas too, and in its
// configuration file (CONFIG REWRITE, ACL SAVE): Redis replicates no settings, and Open
// asks masters only.
//
//   - maxmemory-policy noeviction. Open refuses a server that may evict, wherever it
//     is permitted to look. A server out of memory then fails what writes and goes on
//     with what only removes: logins stop, logouts do not.
//   - cluster-require-full-coverage no. With yes, every partition is unavailable while
//     the slots of one master are.
//   - appendonly yes; with replicas, min-replicas-to-write 1 and
//     min-replicas-max-lag 10.
//   - zset-max-listpack-value 1024, which saves 60 % of the memory; see Sizing.
//   - A Redis of its own or, if it must be shared, the ACL below: whoever may read
//     the keys reads records, whoever may write them is every user.
//   - TLS (rediss:// and its siblings) wherever others share the network.
//   - Clocks that agree to within minutes. A record stays for ten minutes past its
//     expiry, by the server's clock.
//
// This ACL is enough for the prefix "auth:" (on a cluster add +cluster|slots), and
// has no FLUSHALL and no KEYS in it:
//
//	ACL SETUSER auth on >PASSWORD ~auth:* +@read +@write +@scripting +@connection -@dangerous +time +wait +info +config|get
//
// Options.MaxLag needs +subscribe, +publish, +client|tracking and the channels
// &__redis__:invalidate and &auth:* besides.
//
// # Replicas to wait for
//
// A Commit fails while fewer than Options.Replicas replicas answer in time, although
// the master has carried it out: its error says that it may have taken effect. Get,
// List and Hit go on. So have one replica more for each master than Replicas says:
//
//   - Of a master and two replicas, with Replicas 1, any one server may be down. With
//     two down no Commit is acknowledged. With Replicas 2 none is while any is down,
//     so it is for those who would rather stop than lose.
//   - With one replica for each master, Replicas 1 stops every Commit there from the
//     loss of either until it is back: a failover alone does not help, for the new
//     master has no replica.
//
// The default ReplicaTimeout of 225 ms is ample between zones: a Commit takes one
// round trip between the servers more (0.06 ms on loopback; 43 ms where it is 40 ms),
// and of 320 none failed with a round trip of 200 ms, 90 with 240 ms. More would not
// fit: Redis may be 100 ms late to give up, and the reply has to be there within the
// ReadTimeout of 450 ms. For replicas that are further away, make that a second, so
// that half of it is waited.
//
// min-replicas-to-write is the other half. Once so few replicas report, at once where
// their connections are closed and after min-replicas-max-lag and a second where they
// hang, the master refuses every write before it carries it out: counters too, and a
// Commit that only removes. There is no login and no logout then, only Get and List.
// So a master that is cut off goes on writing, and losing what it writes, for no
// longer than that. Have two replicas for each master here as well: with one, the new
// master refuses all writes after a failover until the old one is back.
//
// # When servers fail
//
// Nothing is tried twice, so a server that is down costs a request no time. One that
// hangs costs each call up to 450 ms for a connection, 500 ms under Sentinel, and 450 ms
// for the reply, unless the timeouts in redis.UniversalOptions say otherwise.
// Cancelling a context does not end a call that is already on the wire; its deadline
// does. A new master of Sentinel or of a cluster is followed as soon as there is one,
// a slot that is being moved without an error. A server that was down for long is
// tried again once a second.
//
// # Cost
//
// Get, List, Commit and Hit are one command and one round trip each. With
// Options.MaxLag, what was read before takes none; while stamps are asked for, each
// Store then publishes four messages in every MaxLag, and is told the name of every
// key that changes. Connections are made as calls need them, up to PoolSize for each
// server, which permits 10,000 in all (maxclients).
//
// A partition is
// one key: by default about 950 bytes, and for every record its key, its value and
// about 150 bytes, 130 more with an expiry. With zset-max-listpack-value 1024 it is
// about 200 bytes, and for every record about 40 and 30. A counter is about 150 bytes
// until it ends.
//
// # Sizing
//
// Redis keeps everything in memory. What package auth writes takes this many bytes
// each, the address, the organization and the keys of Redis included, without
// counters (Redis 7.0, jemalloc; 300,000 users with two sessions and two keys each,
// three million records; make scale STORE=redis measures it with fewer, and the other
// column with LISTPACK=1024):
//
//	                      zset-max-listpack-value
//	                      64 (default)       1024
//	an account                    2637        829
//	its first session              575        367
//	each further session           495        257
//	its first API key              369        154
//	each further API key           372        256
//	a second factor                475        386
//
// With 1024 one line may be 100 bytes off, since a partition grows in the allocator's
// steps; what several lines add up to holds.
//
// So set zset-max-listpack-value 1024 on the servers (zset-max-ziplist-value before
// 7.0): it keeps small partitions, which nearly all are, as one block, and a user in
// 40 % of the memory. It holds for what is written from then on. Up to 20 records in a
// partition the server is as fast as without, with 60 it takes twice the time for a
// Get and half as much again for a Commit; a partition of more than 128 entries, two
// for a record with an expiry, or with a record of over 1024 bytes is kept as by
// default.
//
// Count a session for every login of the last 30 days (auth.Config.SessionTTL) that was
// not followed by a logout, up to 100 (MaxSessions) for each user.
//
// A user with two sessions and a key takes 1.6 kB by that and 4.1 kB by default:
//
//	                  records          memory to buy, twice that
//	10 million        16 GB (41 GB)    32 GB (82 GB)
//	100 million       161 GB (408 GB)  322 GB (816 GB)
//
// Twice, since a snapshot or a rewrite of the append-only file copies what changes
// meanwhile, and replication and fragmentation need room. Keep a master at 25 GB of
// records or less, or a restart and a new replica take minutes: 10 million users fit
// on one master (two by default), 100 million on a cluster of seven (seventeen), each
// with replicas of the same size. Counters come and go, with about 150 bytes for each
// address and account that is being tried.
package redisstore
