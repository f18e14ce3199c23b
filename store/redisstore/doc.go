// Package redisstore keeps the records of package auth on Redis 6.2 or later, or on a
// server that speaks its protocol: one server, a master with Sentinel, or a Redis
// Cluster. Any number of processes share the records.
//
// # What survives
//
// An acknowledged Commit has been carried out in the memory of the master. What it
// survives beyond that depends on the configuration of the servers:
//
//   - The end of a process of your program: always.
//   - The end of the server: yes, with an append-only file and appendfsync always. With
//     everysec, about the last second is lost. Without the file, everything since the
//     last snapshot is lost; Open then logs a warning.
//   - A failover: not always. Redis replicates after it acknowledges, so a Commit of
//     the last moments may be missing on the new master. Then a session that was ended
//     is valid again, and a code that was spent can be spent again. Options.Replicas
//     guards against that.
//
// With Options.Replicas a Commit is acknowledged only when so many replicas have
// received it. It survives if one of these becomes the master. If Replicas is all of
// them, that is certain. If it is fewer, it is the rule, because the replica that is
// furthest ahead is preferred. The price is one round trip between the servers for each
// Commit, and every Commit fails while too few replicas answer. Counters never wait.
//
// This holds for a master that dies. If an operator has Sentinel replace a living
// master (SENTINEL FAILOVER), a replica that is not chosen still acknowledges to the
// old master for a moment. With two replicas and Replicas 1, thousands of Commits were
// undone in a test. So stop the master instead, or let Replicas be all of them
// meanwhile.
//
// The next table shows how much a failover undoes without Options.Replicas, measured on
// loopback (make window). For each line ten masters were killed while 16 writers in
// four clients committed:
//
//	                                  kills that undid a Commit    the most     the oldest
//	                                  Sentinel        Cluster      at one kill  before it
//	2,000 a second                    1 of 10         1 of 10      1            < 0.1 ms
//	as many as they can               1 of 10         3 of 10      7            0.1 ms
//	replicas hung for a second        3 of 10         1 of 10      1            < 0.1 ms
//	replicas cut off for a second     10 of 10        10 of 10     all          1 s
//
// When a process is killed, the kernel still sends what the process has handed to it.
// So a replica that is only slow still receives that, up to the size of the sockets'
// buffers, a few MB. When a machine dies, its buffers are lost too: everything that the
// replica has not received. That is half a round trip if the replica keeps up, and all
// of its lag if it does not (INFO replication). Only min-replicas-max-lag bounds this
// lag.
//
// A master that is cut off from the other servers still answers the clients that reach
// it. This lasts for about cluster-node-timeout in a cluster, and for as long as the
// separation under Sentinel. These clients read what was revoked elsewhere, and what
// they write is lost. min-replicas-to-write bounds the writing.
//
// A master that hung until another took its place still acts as a master when it wakes:
// for some milliseconds in a cluster, for ten seconds or more under Sentinel. A Store
// sends it no call then. It does not use connections again that were idle for a second,
// and makes new ones to the present master. There is one exception: if the only
// Sentinel that answers hung as well, it names the old master until it has heard from
// another Sentinel. A call that was sent while the master hung has failed by then. It
// may still take effect there, where it is lost.
//
// A call whose reply is lost is never sent again. Its error says that it may have taken
// effect, and the caller reads the current state. If a Commit failed only because too
// few replicas answered, that state is the master's: a failover can still restore a
// record that reads as absent.
//
// A master that was demoted still answers connected clients, from its last state: one
// that an operator demotes (REPLICAOF), or the old server behind the one address of a
// hosted Redis. Sentinel ends their connections, others do not. So every call tries a
// write that changes nothing, which a replica refuses. That costs 0.3 µs of the server's
// time and no round trip. The call fails, its connection is closed, and the next call on a
// new one goes where the address leads by then. This needs replica-read-only yes, the
// default.
//
// # What the operator must set up
//
// Set up all of this, including the ACL, on every server and replica, and in its
// configuration file (CONFIG REWRITE, ACL SAVE). Redis replicates no settings, and Open
// asks only masters.
//
//   - maxmemory-policy noeviction. Open refuses a server that may evict, if the ACL
//     lets it see that. A server out of memory then fails commands that write, but not
//     those that only remove: logins stop, logouts do not.
//   - cluster-require-full-coverage no. With yes, every partition is unavailable while
//     the slots of one master are.
//   - appendonly yes; with replicas, min-replicas-to-write 1 and
//     min-replicas-max-lag 10.
//   - zset-max-listpack-value 1024, which saves 60 % of the memory; see Sizing.
//   - A Redis of its own or, if it must be shared, the ACL below. A client that may
//     read the keys reads the records; a client that may write them can act as every
//     user.
//   - TLS (rediss:// and the like) if others share the network. Without it Open logs a
//     warning, unless the server is on this machine.
//   - Clocks that agree to within minutes. A record stays for ten minutes after its
//     expiry, by the server's clock.
//
// This ACL is enough for the prefix "auth:" (on a cluster add +cluster|slots). It
// permits neither FLUSHALL nor KEYS:
//
//	ACL SETUSER auth on >PASSWORD ~auth:{* ~auth:format ~auth:probe resetchannels +@read +@write +@scripting +@connection -@dangerous +time +wait +info +config|get
//
// The keys are as narrow as they can be: ~auth:* would also cover the prefix "auth:x" of
// another service. Open logs a warning if its user may touch such keys. SCAN is not
// narrowed by keys, so the user sees the names of all keys of the database, and no values.
//
// Some servers, and proxies before them, lack commands, or their administrator has renamed
// them. Open logs a warning for each of these that it cannot use, and what then is not
// known: HELLO, INFO, TIME. It cannot do without these: GET, SETNX, ZRANGE, ZREM, EVALSHA
// and EVAL, and in scripts ZRANGE, ZREM, ZADD, ZCARD, ZLEXCOUNT, GET, SET, DEL, PEXPIREAT,
// PERSIST and TIME. WAIT is for Replicas, SCAN for Walk, and SELECT for a database other than 0.
//
// Options.MaxLag needs in addition:
//
//	ACL SETUSER auth +subscribe +publish +client|tracking &__redis__:invalidate &auth:beat:*
//
// # Replicas to wait for
//
// A Commit fails while fewer than Options.Replicas replicas answer in time, although
// the master has carried it out. Its error says that it may have taken effect. Get,
// List and Hit are not affected. So have one replica more for each master than Replicas
// says:
//
//   - With a master, two replicas and Replicas 1, any one server may be down. With two
//     down no Commit is acknowledged. With Replicas 2 no Commit is acknowledged while
//     any server is down; choose it only if stopping is better than losing a Commit.
//   - With one replica for each master, Replicas 1 stops every Commit of that master's
//     slots while either server is down. A failover does not help, since the new master
//     has no replica.
//
// The default ReplicaTimeout of 225 ms is ample between zones. A Commit takes one more
// round trip between the servers: 0.06 ms on loopback, 43 ms where a round trip takes
// 40 ms. Of 320 Commits none failed with a round trip of 200 ms, 90 failed with 240 ms.
// A longer default is not possible: Redis may end a WAIT 100 ms late, and the reply
// must arrive within the ReadTimeout of 450 ms. For replicas that are further away, set
// ReadTimeout to a second; half of it is then the default.
//
// min-replicas-to-write is the other half. A replica whose connection is closed stops
// counting at once, one that hangs after min-replicas-max-lag and a second. With too
// few replicas left, the master refuses every write before it carries it out, including
// counters and Commits that only remove. Then there is no login and no logout, only Get
// and List. So a master that is cut off loses writes only for that time. This too needs
// two replicas for each master. With one, the new master refuses all writes after a
// failover until the old one is back.
//
// # When servers fail
//
// Nothing is tried twice, so a server that is down delays no request. One that hangs
// delays each call by up to 450 ms for a connection (500 ms under Sentinel) and 450 ms
// for the reply, unless redis.UniversalOptions has other timeouts. Cancelling a context
// does not end a call that was already sent; the context's deadline does. A new master
// of Sentinel or of a cluster is used as soon as there is one. Moving a slot causes no
// error. A server that was down for long is tried again once a second.
//
// # Cost
//
// Get, List, Commit and Hit are one round trip each. With
// Options.MaxLag, what was read before takes no round trip. While stamps are in use,
// each Store publishes about four messages per MaxLag and receives the name of every
// key that changes. Connections are made when calls need them, up to PoolSize for each
// server. The server permits 10,000 in all (maxclients).
//
// A partition is one key. By default it takes about 950 bytes. Each record takes its
// key, its value and about 150 bytes, 130 more with an expiry. With
// zset-max-listpack-value 1024 these numbers are about 200, 40 and 30. A counter takes
// about 150 bytes until it ends.
//
// # Sizing
//
// Redis keeps everything in memory. The table shows the bytes that package auth takes,
// including the address, the organization and the keys of Redis, without counters. It
// was measured on Redis 7.0 with jemalloc and three million records: 300,000 users with
// two sessions and two keys each. (make scale STORE=redis measures it with fewer, and
// the second column with LISTPACK=1024.)
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
// With 1024 a single line may be off by 100 bytes, since a partition grows in the steps
// of the allocator. The sum of several lines is right.
//
// So set zset-max-listpack-value 1024 on the servers (before 7.0:
// zset-max-ziplist-value). It keeps small partitions as one block, which nearly all
// are, and a user takes 40 % of the memory. It affects only what is written from then
// on. With up to 20 records in a partition the server is as fast as with the default.
// With 60, a Get takes twice the time and a Commit one and a half times. Some
// partitions are kept as by default: those with a record of over 1024 bytes, and those
// with more than 128 entries. A record with an expiry is two entries.
//
// Count one session for every login of the last 30 days (auth.Config.SessionTTL)
// without a logout, up to 100 (MaxSessions) for each user.
//
// A user with two sessions and a key takes 1.6 kB with 1024 and 4.1 kB by default:
//
//	                  records          memory to buy, twice that
//	10 million        16 GB (41 GB)    32 GB (82 GB)
//	100 million       161 GB (408 GB)  322 GB (816 GB)
//
// Buy twice the memory: a snapshot or a rewrite of the append-only file copies what
// changes meanwhile, and replication and fragmentation need some. Keep a master at 25
// GB of records or less, otherwise a restart and a new replica take minutes. So 10
// million users fit on one master (two by default), and 100 million on a cluster of
// seven (seventeen), each with replicas of the same size. Counters take about 150 bytes
// for each address and account that is being tried.
package redisstore
