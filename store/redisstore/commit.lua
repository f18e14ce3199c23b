-- Commit: carries out operations on one partition, all or nothing.
--
-- KEYS  1 the partition, laid out as in partition.go
-- ARGV  four for each operation: name, condition (0 always, 1 absent, 2 equal), old value, and what the record is to be
--       stored as: '' not at all, '-' as it is
-- keep  how long a record is kept past its expiry, in milliseconds
--
-- Returns 1 if it was carried out, 0 if a condition did not hold.
--
-- A script that fails is not undone, so whatever can fail comes before the first write: arguments, conditions, the type
-- of the key. Open tries it out, so the ACL permits it. One ZADD comes before the ZREM: a server that is out of memory,
-- has too few replicas or cannot save refuses a script's first write, and none after it. What only removes needs no
-- memory and is carried out even so.
--
-- Most of a script's time goes not into its commands but around them. Lua hashes each byte of every string that is made,
-- so none is made of a value; and a number is printed for the command that it is passed to, so these are text.
local call, key = redis.call, KEYS[1]
local never = '999999999999999'

local function find(name)
  return call('ZRANGE', key, '[' .. name .. '\0', '(' .. name .. '\1', 'BYLEX')[1]
end

if #ARGV % 4 ~= 0 then return redis.error_reply('ERR redisstore: bad arguments') end
local add, remove = {}, {}
for i = 1, #ARGV, 4 do
  local name, when, old, new = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local have = find(name)
  if have and #have < #name + 16 then return redis.error_reply('DAMAGED not a record') end
  if when == '1' then
    if have then return demoted() or 0 end
  elseif when == '2' then
    if not (have and #have == #name + 16 + #old and have:find(old, #name + 17, true)) then return demoted() or 0 end
  elseif when ~= '0' then
    return redis.error_reply('ERR redisstore: bad arguments')
  end
  if new ~= '-' and new ~= (have or '') then
    local was, till = never, never
    if have then
      was = have:sub(#name + 2, #name + 16)
      remove[#remove + 1] = have
    end
    if new ~= '' then
      till = new:sub(#name + 2, #name + 16)
      add[#add + 1] = '0'
      add[#add + 1] = new
    end
    if till ~= never then
      if not (#till == 15 and till:find('^%d+$')) then return redis.error_reply('ERR redisstore: bad arguments') end
      add[#add + 1] = '0'
      add[#add + 1] = '\1' .. till .. name
    end
    if was ~= never and was ~= till then remove[#remove + 1] = '\1' .. was .. name end
  end
end
if #add == 0 and #remove == 0 then return demoted() or 1 end
local size = call('ZCARD', key)
if #add > 0 then size = size + call('ZADD', key, unpack(add)) end
if #remove > 0 then size = size - call('ZREM', key, unpack(remove)) end

-- A key that was emptied is gone, and is not looked at again: while its slot is being moved that is an error.
if size == 0 then return 1 end

-- Every write drops a few records whose time has passed.
local first, past
for _ = 1, 16 do
  first = call('ZRANGE', key, '[\1', '(\2', 'BYLEX', 'LIMIT', '0', '1')[1]
  if not first then break end
  if not past then
    local time = call('TIME')
    past = time[1] * 1000 + time[2] / 1000 - keep
  end
  if (tonumber(first:sub(2, 16)) or 0) >= past then break end
  local name = first:sub(17)
  local have = find(name)
  if have and have:sub(#name + 2, #name + 16) ~= first:sub(2, 16) then have = nil end
  size = size - call('ZREM', key, first, have or first)
  if size == 0 then return 1 end
end

-- Where every record has an expiry the server drops the partition after the last of them, also if nobody writes again.
if first and size == 2 * call('ZLEXCOUNT', key, '[\1', '(\2') then
  local last = call('ZRANGE', key, '(\2', '[\1', 'BYLEX', 'REV', 'LIMIT', '0', '1')[1]
  call('PEXPIREAT', key, tonumber(last:sub(2, 16)) + keep)
else
  call('PERSIST', key)
end
return 1
