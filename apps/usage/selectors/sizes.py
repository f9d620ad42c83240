"""What single requests of a team and model took of late."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.core.domain.access import Actor
from apps.core.domain.months import Month, local_day
from apps.directory import selectors as directory
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.rating.domain.rate import cost_of
from apps.tenants import selectors as tenants
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.sight import may_see, sees_everything
from apps.usage.models import SentSku
from apps.usage.selectors.rollups import skus_of, tag_sets_of
from apps.usage.selectors.summary import owner_of
from apps.usage.store import table

MOST: Final = 2_000
_TAG_SETS: Final = """
SELECT DISTINCT tag_set, sku FROM {rollups}
 WHERE period = ANY(%s) AND day >= %s AND meter = 'requests' AND feed = 'request'
"""
_EVENTS: Final = """
SELECT e.sent_sku, e.context_tokens, e.occurred_at, e.meters FROM {events} e
 WHERE e.period = ANY(%s) AND e.occurred_at >= %s AND e.sign = 1 AND e.feed = 'request'
   AND e.tag_set = ANY(%s) AND e.sent_sku = ANY(%s)
   AND NOT EXISTS (SELECT 1 FROM {events} later
        WHERE later.key = e.key AND later.period = ANY(%s) AND (later.revision > e.revision
           OR (later.revision = e.revision AND later.sign = -1)))
 ORDER BY e.occurred_at DESC, e.key DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class RequestSize:
    """One request: its tokens, and its cost by currency; None when a meter has no price."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    costs: tuple[tuple[str, Decimal], ...] | None


def request_sizes(
    *, team: str, provider: str, model: str, since: datetime, until: datetime, actor: Actor
) -> list[RequestSize]:
    """Return the newest 2,000 requests in [since, until) of a team to a model, newest first.

    `provider` and `model` may be written in any way that the price book knows. What was voided is
    left out, and so is what the actor may not see. Six queries.
    """
    book = rating.price_book()
    wanted = _named(book, provider, model, until)
    sent = _sent_skus(book, wanted, until)
    pairs = _pairs(since, until)
    tag_sets = _tag_sets(pairs, wanted, team, until, actor)
    if not sent or not tag_sets:
        return []
    months = _months(since, until)
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENTS.format(events=table("usage_event")),
            [months, since, sorted(tag_sets), sorted(sent), months, MOST],
        )
        return [_size(row, sent, book) for row in cursor.fetchall() if row[2] < until]


def used_models() -> list[str]:
    """Return the models that were ever used, as provider/model; one query."""
    rows = SentSku.objects.exclude(provider="").values_list("provider", "model").distinct()
    return sorted(f"{provider}/{model}" for provider, model in rows)


def _sent_skus(book: PriceBook, wanted: tuple[str, str], at: datetime) -> dict[int, SentSku]:
    """Return the SKUs, as they were sent, that the price book takes for the model."""
    return {
        row.pk: row
        for row in SentSku.objects.all()
        if _named(book, row.provider, row.model, at) == wanted
    }


def _named(book: PriceBook, provider: str, model: str, at: datetime) -> tuple[str, str]:
    sku = book.sku_for(
        provider=provider,
        model=model,
        service_tier=None,
        batch=False,
        region=None,
        context_tokens=0,
        at=at,
    )
    return sku.provider, sku.model


def _pairs(since: datetime, until: datetime) -> list[tuple[int, int]]:
    """Return the tag sets and SKUs of the time, each pair once; one query."""
    first = local_day(since, tenants.current().timezone)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAG_SETS.format(rollups=table("usage_rollup")), [_months(since, until), first]
        )
        return [(tag_set, sku) for tag_set, sku in cursor.fetchall()]


def _tag_sets(
    pairs: Sequence[tuple[int, int]],
    wanted: tuple[str, str],
    team: str,
    until: datetime,
    actor: Actor,
) -> set[int]:
    """Return the tag sets of the team's use of the model, as owners are on the last day."""
    on = local_day(until, tenants.current().timezone)
    tag_sets = tag_sets_of({pair[0] for pair in pairs})
    skus = skus_of({pair[1] for pair in pairs})
    attribution = directory.attribution()
    found = set()
    for tag_set_id, sku_id in pairs:
        tag_set, sku = tag_sets[tag_set_id], skus[sku_id]
        if (sku.provider, sku.model) != wanted:
            continue
        owner = owner_of(attribution, tag_set, sku, on)
        visible = sees_everything(actor) or may_see(actor, owner, tag_set.tags)
        if visible and team in (owner.team, tag_set.tags.get("team")):
            found.add(tag_set_id)
    return found


def _months(since: datetime, until: datetime) -> list[Any]:
    """Return the first days of the months in which such events may be booked."""
    month, last, found = Month.of(since.date()) - 1, Month.of(until.date()) + 1, []
    while month <= last:
        found.append(month.first_day)
        month += 1
    return found


def _size(row: Sequence[Any], sent: dict[int, SentSku], book: PriceBook) -> RequestSize:
    sent_sku, context, occurred_at, meters = row
    quantities = json.loads(meters, parse_float=Decimal) if isinstance(meters, str) else meters
    tokens = {name: int(value) for name, value in quantities.items() if name.endswith("_tokens")}
    output = sum(count for name, count in tokens.items() if name.startswith("output"))
    cached = sum(count for name, count in tokens.items() if name.startswith("cached"))
    as_sent = sent[sent_sku]
    sku = book.sku_for(
        provider=as_sent.provider,
        model=as_sent.model,
        service_tier=as_sent.service_tier or None,
        batch=as_sent.batch,
        region=as_sent.region or None,
        context_tokens=context,
        at=occurred_at,
    )
    numbers = {name: Decimal(str(value)) for name, value in quantities.items()}
    costs = _costs(book, sku, numbers, occurred_at)
    return RequestSize(sum(tokens.values()) - output, cached, output, costs)


def _costs(
    book: PriceBook, sku: SkuKey, quantities: dict[str, Decimal], at: datetime
) -> tuple[tuple[str, Decimal], ...] | None:
    found: dict[str, Decimal] = {}
    for meter, quantity in {**quantities, REQUESTS: Decimal(1)}.items():
        quote = book.quote(sku=sku, meter=meter, at=at)
        if quote is not None:
            cost = cost_of(quantity=quantity, amount=quote.amount, unit_size=quote.unit_size)
            found[quote.currency] = found.get(quote.currency, Decimal(0)) + cost
        elif book.expects_price(sku=sku, meter=meter):
            return None
    return tuple(sorted(found.items()))
