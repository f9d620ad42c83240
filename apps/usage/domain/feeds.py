"""Which stream of usage counts, so that requests and a provider's totals never count twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from apps.core.domain.months import Month


class Feed(StrEnum):
    """How usage arrives: as single requests, or as totals that the provider gives (buckets)."""

    REQUEST = "request"
    BUCKET = "bucket"


class Stream(NamedTuple):
    """Usage of one model of one provider account, booked in a month, as it arrived by a feed."""

    provider: str
    account: str
    model: str
    month: Month
    feed: str


Declared = Callable[[Stream], str | None]
"""Tells which feed is declared to count for a stream's scope; None when nobody said."""


def undeclared(stream: Stream) -> str | None:
    """Tell that nobody said which feed counts."""
    del stream
    return None


@dataclass(frozen=True, slots=True)
class FeedRule:
    """Decides what counts: the declared feed; undeclared, requests, else the provider's totals.

    `requests` are the scopes (provider, account, model, month) that have usage by requests.
    """

    declared: Declared
    requests: frozenset[tuple[str, str, str, Month]]

    @classmethod
    def over(cls, streams: Iterable[Stream], declared: Declared = undeclared) -> FeedRule:
        """Return the rule over all streams that there are."""
        found = {stream[:4] for stream in streams if stream.feed == REQUEST}
        return cls(declared, frozenset(found))

    def counts(self, stream: Stream) -> bool:
        """Tell whether usage counts that arrived by a stream."""
        said = self.declared(stream)
        if said is not None:
            return stream.feed == said
        return stream.feed == REQUEST or stream[:4] not in self.requests


REQUEST: Final = Feed.REQUEST.value
"""The feed of everything that names none."""

FEEDS: Final = tuple(feed.value for feed in Feed)
