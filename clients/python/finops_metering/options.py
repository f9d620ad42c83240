"""How a client keeps and sends events, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WhenFull = Literal["drop_new", "drop_old", "block"]


@dataclass(frozen=True)
class Stats:
    """What became of events, counted since the client was made (in this process)."""

    recorded: int = 0
    accepted: int = 0
    duplicates: int = 0
    unpriced: int = 0
    refused: int = 0
    dropped: int = 0
    spooled: int = 0
    retries: int = 0
    queued: int = 0


@dataclass(frozen=True)
class Options:
    """How much is kept and how it is sent; times in seconds."""

    batch_size: int
    batch_bytes: int
    interval: float
    queue_size: int
    queue_bytes: int
    when_full: WhenFull
    block_timeout: float
