"""Token buckets in Valkey, shared by every process: one script call takes from several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import redis
from django.conf import settings

from apps.core.domain.errors import Unavailable
from apps.core.domain.limits import Pace

PATIENCE: Final = 0.25
"""Seconds: a limiter that hangs is worse than none."""

_TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local levels, admitted = {}, 1
for i, key in ipairs(KEYS) do
  local rate, cap = tonumber(ARGV[i * 4 - 3]), tonumber(ARGV[i * 4 - 2]) * 1000000
  local kept = redis.call('HMGET', key, 'level', 'at')
  local level, at = tonumber(kept[1]) or cap, tonumber(kept[2]) or now
  level = math.min(cap, level + math.max(0, now - at) * rate)
  levels[i] = level - tonumber(ARGV[i * 4 - 1]) * 1000000
  if levels[i] < 1000000 then admitted = 0 end
end
for i, key in ipairs(KEYS) do
  local rate, cap = tonumber(ARGV[i * 4 - 3]), tonumber(ARGV[i * 4 - 2]) * 1000000
  if admitted == 1 then levels[i] = levels[i] - tonumber(ARGV[i * 4]) * 1000000 end
  redis.call('HSET', key, 'level', string.format('%.0f', levels[i]),
    'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, math.ceil((cap - levels[i]) / rate / 1000) + 60000)
  levels[i] = string.format('%.0f', levels[i])
end
return {admitted, levels}
"""


class BucketsUnavailable(Unavailable):
    """Valkey does not answer."""

    default_code = "limiter_unavailable"


@dataclass(frozen=True, slots=True)
class Draw:
    """What to take from one bucket: `spent` was admitted already, `wanted` is asked for now."""

    name: str
    pace: Pace
    spent: int
    wanted: int


def draw(draws: Sequence[Draw]) -> tuple[bool, list[int]]:
    """Book what was spent and, where all admit it, take what is wanted from all buckets or none.

    Returns whether it was admitted, and the levels afterwards. The clock is Valkey's own.

    :raises BucketsUnavailable: when Valkey does not answer within a quarter of a second.
    """
    arguments = [
        number
        for one in draws
        for number in (one.pace.per_second, one.pace.capacity, one.spent, one.wanted)
    ]
    script = _script(settings.RATE_LIMIT_URL)
    try:
        admitted, levels = script(keys=[one.name for one in draws], args=arguments)
    except redis.RedisError as error:
        raise BucketsUnavailable(str(error)) from error
    return bool(admitted), [int(level) for level in levels]


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    client = redis.Redis.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=None
    )
    return client.register_script(_TAKE)
