-- Hit: the sums of store.Limit.Apply, in microseconds, which a Lua number holds exactly until the year 2255.
--
-- KEYS  1 the counter: an instant
-- ARGV  1 now, 2 one interval, 3 the whole burst of intervals (microseconds), 4 how many hits,
--       5 how long the counter is kept past its end, in milliseconds
--
-- Returns whether the hits were counted (1 or 0), how many more would be, and how long to wait, in microseconds.
--
-- No counter is without a time to live, for it is set with the value. It is the distance from now and not an instant,
-- so that it does not matter whether the server's clock agrees with the callers'.
local now, every, span, n, keep = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if not (now and every and span and n and keep) or every < 1 then
  return redis.error_reply('ERR redisstore: bad arguments')
end
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
if not stored or stored ~= stored then return redis.error_reply('DAMAGED a counter is not a number') end

local function left(state) return math.floor(math.max(0, now + span - state) / every) end
local function put(state)
  if state > now then
    redis.call('SET', KEYS[1], string.format('%.0f', state), 'PX', string.format('%.0f', math.ceil((state - now) / 1000) + keep))
  else
    redis.call('DEL', KEYS[1])
  end
end

-- Further ahead than a whole burst it is only if the clock went back: that must not lock for as long.
local state = math.max(math.min(stored, now + span), now)
local next = math.max(state + n * every, now)
local wait = next - (now + span)
if n > 0 and wait > 0 then
  if state < stored then put(state) end
  return { 0, left(state), wait }
end
put(next)
return { 1, left(next), 0 }
