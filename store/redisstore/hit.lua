-- Hit: the sums of store.Limit.Apply, in microseconds, which a Lua number holds exactly until the year 2255.
--
-- KEYS  1 the counter: an instant
-- ARGV  1 now, 2 now and the whole burst of intervals, 3 as many intervals as there are hits
-- keep  how long the counter is kept past its end, in milliseconds
--
-- Returns the counter as the hits found it, cut to lie between 1 and 2. The caller does the same sums to know what
-- became of them.
--
-- No counter is without a time to live, for it is set with the value. It is the distance from now and not an instant,
-- so that it does not matter whether the server's clock agrees with the callers'.
local now, full, hits = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not (now and full and hits) then return redis.error_reply('ERR redisstore: bad arguments') end
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
if not stored or stored ~= stored then return redis.error_reply('DAMAGED a counter is not a number') end

-- It is more than a whole burst ahead only if the clock went back, which must not lock for as long.
local state = math.max(math.min(stored, full), now)
local next = math.max(state + hits, now)
if next > full then next = state end -- none is counted
if next <= now then
  redis.call('DEL', KEYS[1])
elseif next ~= stored then
  redis.call('SET', KEYS[1], next, 'PX', math.ceil((next - now) / 1000) + keep)
end
return state
