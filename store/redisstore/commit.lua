-- Commit: carries out operations on one partition, all or nothing.
--
-- KEYS  1 the partition, laid out as in partition.go
-- ARGV  1 how long a record is kept past its expiry, in milliseconds; then six for each operation:
--       name, condition (0 always, 1 absent, 2 equal), old value, write (0 none, 1 set, 2 remove), expiry (15 digits),
--       value
--
-- Returns 1 if it was carried out, 0 if a condition did not hold.
--
-- A script that fails is not undone, so whatever can fail comes before the first write: arguments, conditions, the type
-- of the key. Open tries it out, so the ACL permits it. One ZADD comes before the ZREM: a server that is out of memory, has too few replicas or cannot save
-- refuses a script's first write, and none after it. What only removes needs no memory and is carried out even so.
local key, grace = KEYS[1], tonumber(ARGV[1])
local never = '999999999999999'
local bad = redis.error_reply('ERR redisstore: bad arguments')

local function find(name)
  return redis.call('ZRANGE', key, '[' .. name .. '\0', '(' .. name .. '\1', 'BYLEX', 'LIMIT', 0, 1)[1]
end

if not grace or #ARGV % 6 ~= 1 then return bad end
local add, remove = {}, {}
for i = 2, #ARGV, 6 do
  local name, when, old, what, expiry, value = unpack(ARGV, i, i + 5)
  if not (when:find('^[012]$') and what:find('^[012]$') and #expiry == 15 and expiry:find('^%d+$')) then return bad end
  local have = find(name)
  if have and #have < #name + 16 then return redis.error_reply('DAMAGED not a record') end
  if when == '1' and have then return 0 end
  if when == '2' and not (have and have:sub(#name + 17) == old) then return 0 end
  local now = what == '1' and name .. '\0' .. expiry .. value
  if now and now ~= have then
    add[#add + 1] = 0
    add[#add + 1] = now
    if expiry ~= never then
      add[#add + 1] = 0
      add[#add + 1] = '\1' .. expiry .. name
    end
  end
  if have and what ~= '0' and now ~= have then
    remove[#remove + 1] = have
    local was = have:sub(#name + 2, #name + 16)
    if was ~= never and not (now and was == expiry) then remove[#remove + 1] = '\1' .. was .. name end
  end
end
if #add == 0 and #remove == 0 then return 1 end
local size = redis.call('ZCARD', key)
if #add > 0 then size = size + redis.call('ZADD', key, unpack(add)) end
if #remove > 0 then size = size - redis.call('ZREM', key, unpack(remove)) end

-- A key that was emptied is gone, and is not looked at again: while its slot is being moved that is an error.
if size == 0 then return 1 end

-- Every write drops a few records whose time has passed.
local time = redis.call('TIME')
local now = string.format('%015.0f', time[1] * 1000 + math.floor(time[2] / 1000) - grace)
for _, due in ipairs(redis.call('ZRANGE', key, '[\1', '(\1' .. now, 'BYLEX', 'LIMIT', 0, 16)) do
  local name = due:sub(17)
  local have = find(name)
  if have and have:sub(#name + 2, #name + 16) ~= due:sub(2, 16) then have = nil end
  size = size - redis.call('ZREM', key, due, have or due)
  if size == 0 then return 1 end
end

-- Where every record has an expiry the server drops the partition after the last of them, also if nobody writes again.
local due = redis.call('ZLEXCOUNT', key, '[\1', '(\2')
if due > 0 and size == 2 * due then
  local last = redis.call('ZRANGE', key, '(\2', '[\1', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
  redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last:sub(2, 16)) + grace))
elseif redis.call('PTTL', key) >= 0 then
  redis.call('PERSIST', key)
end
return 1
