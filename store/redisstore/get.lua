-- Get: several records of a partition, as they are at one instant.
--
-- KEYS  1 the partition, laid out as in partition.go
-- ARGV  the names
--
-- Returns for each what it is stored as, or an empty string.
local call, key, found = redis.call, KEYS[1], {}
for i, name in ipairs(ARGV) do
  found[i] = call('ZRANGE', key, '[' .. name .. '\0', '(' .. name .. '\1', 'BYLEX')[1] or ''
end
return demoted() or found
