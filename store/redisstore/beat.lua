-- Beat: a heartbeat, see watch.go.
--
-- KEYS  1 any key under the prefix
-- ARGV  1 the channel, 2 the heartbeat
return demoted() or redis.call('PUBLISH', ARGV[1], ARGV[2])
