"""Questions about usage; answers are frozen values."""

from apps.usage.domain.facts import EventFacts, RatedEvent, RatedMeter
from apps.usage.domain.summary import Summary
from apps.usage.selectors.costs import EventCost, costs_of
from apps.usage.selectors.days import DayCost, costs_by_day
from apps.usage.selectors.event import EventMissing, event
from apps.usage.selectors.events import EventFilters, EventPage, events
from apps.usage.selectors.feeds import FedSum, has_buckets, streams_of, sums_by_feed
from apps.usage.selectors.log import LogEntry, LogPage, SentNames, event_owner, log, sent_names
from apps.usage.selectors.outcomes import OutcomeFacts, outcomes_of
from apps.usage.selectors.queue import QueueRow, diagnostician, unpriced_queue, worst_of
from apps.usage.selectors.rates import months_in_use, versions_of
from apps.usage.selectors.raw import spans_around, spans_inside
from apps.usage.selectors.rollups import (
    RollupRow,
    SkuFacts,
    TagSetFacts,
    period_rollups,
    skus_of,
    tag_sets_of,
)
from apps.usage.selectors.successes import Successes, successes
from apps.usage.selectors.summary import summary
from apps.usage.selectors.unpriced import UnpricedSku, unpriced, unpriced_in

__all__ = [
    "DayCost",
    "EventCost",
    "EventFacts",
    "EventFilters",
    "EventMissing",
    "EventPage",
    "FedSum",
    "LogEntry",
    "LogPage",
    "OutcomeFacts",
    "QueueRow",
    "RatedEvent",
    "RatedMeter",
    "RollupRow",
    "SentNames",
    "SkuFacts",
    "Successes",
    "Summary",
    "TagSetFacts",
    "UnpricedSku",
    "costs_by_day",
    "costs_of",
    "diagnostician",
    "event",
    "event_owner",
    "events",
    "has_buckets",
    "log",
    "months_in_use",
    "outcomes_of",
    "period_rollups",
    "sent_names",
    "skus_of",
    "spans_around",
    "spans_inside",
    "streams_of",
    "successes",
    "summary",
    "sums_by_feed",
    "tag_sets_of",
    "unpriced",
    "unpriced_in",
    "unpriced_queue",
    "versions_of",
    "worst_of",
]
