"""Decoding and validating 1,000 events against `orjson.loads` of the same body, unchecked.

    python -m benchmarks.decode

Ours are typed events with every limit checked, times in UTC, tokens and tags bounded; then the
same with meters made disjoint and the digest taken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

import orjson

from benchmarks.ingest import Traffic
from benchmarks.rounds import interleaved

EVENTS: Final = 1_000
REPEATED: Final = 10
ROUNDS: Final = 9


def main() -> None:
    from apps.usage.domain.decode import Form, decode_events
    from apps.usage.domain.digest import digests_v1
    from apps.usage.domain.drafts import Draft
    from apps.usage.domain.normalize import meters_of

    traffic = Traffic(models_a_tag_set=1)
    events = [traffic._event() for _ in range(EVENTS)]
    body = json.dumps(events).encode()
    lines = b"\n".join(json.dumps(event).encode() for event in events)

    def decoded() -> list[Draft]:
        return [one for one in decode_events(body=body, form=Form.JSON) if isinstance(one, Draft)]

    def metered() -> None:
        drafts = decoded()
        for draft in drafts:
            meters_of(draft)
        digests_v1(drafts)

    assert len(decoded()) == EVENTS
    cases = {
        "decode and validate": lambda: _rate(decoded),
        "decode and validate, an event a line": lambda: _rate(
            lambda: decode_events(body=lines, form=Form.LINES)
        ),
        "decode, validate, disjoint meters, digest": lambda: _rate(metered),
    }
    for ratio in interleaved(lambda: _rate(lambda: orjson.loads(body)), cases, rounds=ROUNDS):
        print(f"{ratio}  [{len(body) // EVENTS} bytes an event]")


def _rate(case: Callable[[], object]) -> float:
    begin = time.process_time()
    for _ in range(REPEATED):
        case()
    return EVENTS * REPEATED / (time.process_time() - begin)


if __name__ == "__main__":
    main()
