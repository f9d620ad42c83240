"""Writers that send what a generator made, again and again until each batch is acknowledged."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import httpx

DUPLICATES = 0.3
BATCH = 100
MOST_TRIES = 400


@dataclass
class Traffic:
    """Events by id, as they were made; the truth that the platform is held to."""

    name: str
    events: dict[str, dict[str, Any]] = field(default_factory=dict)

    def batches(self, count: int, chance: random.Random) -> Iterator[list[dict[str, Any]]]:
        """Yield batches of which three in ten events were sent before."""
        repeated = int(BATCH * DUPLICATES)
        for _ in range(count):
            old = list(self.events.values())
            again = chance.sample(old, min(repeated, len(old)))
            new = [self._event(chance) for _ in range(BATCH - len(again))]
            batch = [*new, *again]
            chance.shuffle(batch)
            yield batch

    def _event(self, chance: random.Random) -> dict[str, Any]:
        number = len(self.events)
        event = {
            "id": f"{self.name}-{number:06}",
            "source": "faults",
            "time": f"2026-01-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:15:00Z",
            "provider": "openai",
            "model": chance.choice(("gpt-4o", "gpt-4o-mini", "unheard-of")),
            "usage": {
                "input_tokens": chance.randint(100, 10_000),
                "output_tokens": chance.randint(1, 2_000),
            },
            "tags": {"team": chance.choice(("search", "ads")), "feature": chance.choice("abc")},
        }
        self.events[event["id"]] = event
        return event


def truth(*traffics: Traffic) -> dict[str, Any]:
    """Return ids and sums of everything that was made."""
    events = [event for traffic in traffics for event in traffic.events.values()]
    sums: Counter[str] = Counter()
    for event in events:
        sums.update(event["usage"])
        sums["requests"] += 1
    return {"ids": sorted(event["id"] for event in events), "sums": dict(sums)}


class Writers:
    """Sends traffic from threads to whatever port is served at the moment."""

    def __init__(self, *, port: Callable[[], int], key: str) -> None:
        self._port = port
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        self._lock = Lock()
        self.answers: Counter[str] = Counter()
        self.acknowledged: set[str] = set()

    def send(self, traffics: list[Traffic], *, batches: int) -> None:
        """Send from one thread a traffic; returns when every batch is acknowledged."""
        with ThreadPoolExecutor(len(traffics)) as pool:
            list(pool.map(lambda traffic: self._write(traffic, batches), traffics))

    def _write(self, traffic: Traffic, batches: int) -> None:
        chance = random.Random(traffic.name)
        with httpx.Client(headers=self._headers, timeout=15) as http:
            for batch in traffic.batches(batches, chance):
                self._insist(http, gzip.compress(json.dumps(batch).encode(), 1))
                with self._lock:
                    self.acknowledged.update(event["id"] for event in batch)

    def _insist(self, http: httpx.Client, body: bytes) -> None:
        for _ in range(MOST_TRIES):
            wait = self._try(http, body)
            if wait is None:
                return
            time.sleep(wait)
        raise AssertionError(f"a batch was never acknowledged: {dict(self.answers)}")

    def _try(self, http: httpx.Client, body: bytes) -> float | None:
        """Send once; None when it is acknowledged, else the seconds to wait."""
        url = f"http://127.0.0.1:{self._port()}/api/v1/usage/events"
        try:
            answer = http.post(url, content=body)
        except httpx.HTTPError as error:
            self._note(type(error).__name__)
            return 0.1
        self._note(str(answer.status_code))
        if answer.status_code in (429, 503):
            assert int(answer.headers["Retry-After"]) >= 1
            return 0.2  # sooner than told: tests are short
        assert answer.status_code == 200, answer.text
        receipt = answer.json()
        assert (receipt["conflicts"], receipt["rejected"]) == (0, 0), receipt
        return None

    def _note(self, what: str) -> None:
        with self._lock:
            self.answers[what] += 1
