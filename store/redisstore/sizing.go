// # Sizing
//
// Redis keeps everything in memory. What package auth writes takes this many bytes
// each, the address, the organization and the keys of Redis included (Redis 7.0,
// jemalloc; 200,000 users by default settings and 20,000 by the other, which is the
// same within a few percent; make scale measures it):
//
//	                      zset-max-listpack-value
//	                      64 (default)       1024
//	an account                    2652        851
//	its first session              576        374
//	each further session           495        251
//	its first API key              480        295
//	each further API key           372        257
//	a second factor                455        424
//
// So set zset-max-listpack-value 1024 on the servers (zset-max-ziplist-value before
// 7.0): it keeps small partitions, which nearly all are, as one block. It holds for
// what is written from then on, and changes nothing else.
//
// A user with two sessions and a key takes 1.8 kB by that and 4.2 kB by default:
//
//	                  records          memory to buy, twice that
//	10 million        18 GB (42 GB)    36 GB (84 GB)
//	100 million       177 GB (420 GB)  354 GB (840 GB)
//
// Twice, since a snapshot or a rewrite of the append-only file copies what changes
// meanwhile, and replication and fragmentation need room. Keep a master at 25 GB of
// records or less, or a restart and a new replica take minutes: 10 million users fit
// on one master, 100 million on a cluster of eight (seventeen by default), each with
// a replica of the same size. Counters come and go, with about 150 bytes for each
// address and account that is being tried.
package redisstore
