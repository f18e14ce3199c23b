-- List: records of a partition in order.
--
-- KEYS  1 the partition, laid out as in partition.go
-- ARGV  1 where to begin, 2 where to end, as in ZRANGE BYLEX, 3 how many at most
return demoted() or redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'BYLEX', 'LIMIT', '0', ARGV[3])
