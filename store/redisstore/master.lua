-- Whatever a script answers without a write of its own, it answers as `demoted() or …`. Plain commands have the same before
-- them, see Store.read.
--
-- A server that was demoted answers reads from its last state. It refuses a write before it looks at anything else, so
-- demoted tries one that changes nothing: on every call, on a connection of any age. Whatever else refuses that write, such as
-- a full disk or too few replicas, is no reason not to read. A script that has tried is not refused for want of memory any
-- more, so one that is going to write must not try.
local function demoted()
  local tried = redis.pcall('ZREM', KEYS[1], '')
  if type(tried) == 'table' and tried.err and tried.err:find('READONLY', 1, true) then
    return redis.error_reply('READONLY the server is a replica, so its master is the one to connect to')
  end
end
