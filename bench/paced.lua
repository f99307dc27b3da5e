-- SPDX-License-Identifier: Apache-2.0
-- Requests at a steady pace, counted as they are sent: what is under way when wrk stops was sent, too.
-- arguments: milliseconds that each connection waits between two requests, 0: none
local threads = {}
function setup(thread)
  table.insert(threads, thread)
end
function init(args)
  -- wrk asks for one request before it begins, to look at it.
  sent = -1
  pause = tonumber(args[1]) or 0
end
function delay()
  return pause
end
function request()
  sent = sent + 1
  return wrk.format()
end
function done(summary)
  local all = 0
  for _, thread in ipairs(threads) do
    all = all + thread:get('sent')
  end
  local e = summary.errors
  io.write(string.format('paced {"sent":%d,"answered":%d,"durationUs":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    all, summary.requests, summary.duration, e.connect, e.read, e.write, e.timeout))
end
