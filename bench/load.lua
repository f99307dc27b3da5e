-- SPDX-License-Identifier: Apache-2.0
-- usage: wrk ... -s load.lua URL [-- varied]
-- Without `varied` the load itself runs no Lua.

local NUMBER = "00000000"

-- Every head has a number of its own in the places of NUMBER.
local function vary(template)
  local parts, from, count = {}, 1, 0
  while true do
    local first, last = template:find(NUMBER, from, true)
    if first == nil then break end
    parts[#parts + 1] = template:sub(from, first - 1)
    from = last + 1
  end
  assert(#parts == 2, "not two numbers in the head")
  local before, between, behind = parts[1], parts[2], template:sub(from)
  return function()
    count = count + 1
    local number = string.format("%08d", count)
    return before .. number .. between .. number .. behind
  end
end

function init(args)
  if args[1] == "varied" then request = vary(wrk.format()) end
end

-- wrk calls this once, at the end.
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'report {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
