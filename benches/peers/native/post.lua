-- wrk: requests that append EVENTS new visits each, of a thousand known customers, RUN in front of every key.
local events, run, count = tonumber(os.getenv("EVENTS")), os.getenv("RUN"), 0
local form = '{"type": "SITE_VISIT", "verb": "NEW", "key": "%s-%x", "event_time": "2018-05-06T12:45:52.041Z",'
  .. ' "customer_id": "c%d", "tags": [{"key7": "value7"}]}'

request = function()
  local lines = {}
  for line = 1, events do
    count = count + 1
    lines[line] = form:format(run, count, count % 1000)
  end
  return wrk.format("POST", "/v1/events", nil, table.concat(lines, "\n"))
end

done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\n{\"requests\": %d, \"us\": %d, \"failed\": %d, \"p50\": %d, \"p99\": %d}\n",
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
