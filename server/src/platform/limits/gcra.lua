-- One step of the generic cell rate algorithm, by Redis' own clock, so that no node's clock counts.
-- KEYS[1]: whom; ARGV: microseconds after which one more is free, and the burst.
-- Answers 0 and counts one, or after how many microseconds one is free, and counts nothing.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = tonumber(ARGV[1])
local whole = interval * tonumber(ARGV[2])
local due = tonumber(redis.call('GET', KEYS[1])) or now
-- Never in the past; nor further ahead than a whole burst, should the clock or the settings have moved.
due = math.min(math.max(due, now), now + whole)
local wait = due + interval - whole - now
if wait > 0 then
  return math.ceil(wait)
end
due = due + interval
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000))
return 0
