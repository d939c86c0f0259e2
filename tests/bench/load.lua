-- The load: requests of a list by turns. Arguments: FILE with a line "PATH KEY" for each, TAG, and for POST a BODY file.
-- With a body every request has an Idempotency-Key of its own: the tag of the run, the thread, a number.
-- With a fourth argument, the number of connections, each request is sent once, and the run ends with the last answer.

local ffi = require("ffi")
ffi.cdef([[
  struct instant { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct instant *now);
  int getpid(void);
  int kill(int process, int signal);
]])
local MONOTONIC, INTERRUPT, NEVER_MS = 1, 2, 3600000
local workers = {}
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
  workers[threads] = thread
end

local before, after, count = {}, {}, 0
local turn = 0
local prefix

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function microseconds()
  local now = ffi.new("struct instant")
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) * 1e6 + tonumber(now.nanoseconds) / 1e3
end

-- A connection asks how long to wait when its last answer is there: past the end of the list, for ever.
local function once(connections)
  local asked = 0
  return function()
    began = began or microseconds()
    asked = asked + 1
    if asked <= count then
      return 0
    end
    if asked == count + connections then
      took = microseconds() - began
      ffi.C.kill(ffi.C.getpid(), INTERRUPT)
    end
    return NEVER_MS
  end
end

function init(args)
  local body = args[3] and read(args[3])
  prefix = args[2] .. "-" .. thread_number .. "-"
  for path, key in read(args[1]):gmatch("(%S+) (%S+)\n") do
    local headers = { ["Authorization"] = "Bearer " .. key }
    if body then
      headers["Content-Type"] = "application/json"
      headers["Idempotency-Key"] = "@KEY@"
    end
    local whole = wrk.format(body and "POST" or "GET", path, headers, body)
    count = count + 1
    local first, last = whole:find("@KEY@", 1, true)
    before[count] = first and whole:sub(1, first - 1) or whole
    after[count] = last and whole:sub(last + 1)
  end
  assert(count > 0, "no requests")
  if args[4] then
    delay = once(tonumber(args[4]))
  end
end

function request()
  turn = turn + 1
  local which = turn % count + 1
  local rest = after[which]
  if rest then
    return before[which] .. prefix .. turn .. rest
  end
  return before[which]
end

function done(summary, latency, requests)
  local errors = summary.errors
  local took = workers[1]:get("took") or summary.duration
  io.write(string.format(
    '\n@DONE@ {"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, '
      .. '"refused": %d, "broken": %d, "late": %d}\n',
    summary.requests, took, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
