-- SPDX-License-Identifier: Apache-2.0
-- wrk calls this once, at the end; with no other hook defined the load itself runs no Lua.
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'report {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
