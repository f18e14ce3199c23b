-- Get: several records of a partition, as they are at one instant.
--
-- KEYS  1 the partition, laid out as in partition.go
-- ARGV  the names
--
-- Returns for each what it is stored as, or an empty string.
local found = {}
for i, name in ipairs(ARGV) do
  found[i] = redis.call('ZRANGE', KEYS[1], '[' .. name .. '\0', '(' .. name .. '\1', 'BYLEX', 'LIMIT', 0, 1)[1] or ''
end
return found
