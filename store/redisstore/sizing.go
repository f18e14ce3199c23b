// # Sizing
//
// Redis keeps everything in memory. What package auth writes takes this many bytes
// each, the address, the organization and the keys of Redis included, without
// counters (Redis 7.0, jemalloc; 300,000 users with two sessions and two keys each,
// three million records; make scale USERS=300000 measures it, in about ten minutes,
// and the other column with LISTPACK=1024):
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
