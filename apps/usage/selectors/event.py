"""One event, its rating explained, its history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.catalog.domain.meters import meter_facts
from apps.core.domain.access import Actor
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook, SkuKey
from apps.usage.domain.facts import EventFacts, RatedEvent, RatedMeter, RevisionFacts
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.timeline import Rate, Span
from apps.usage.models import EventKey, Sku
from apps.usage.selectors.events import facts_of, sees_event
from apps.usage.selectors.rates import fixed_rates, sent_keys, version_of
from apps.usage.selectors.raw import raw_usage_of, unknown_in
from apps.usage.services.rebuild import sheet_for
from apps.usage.store import table


class EventMissing(Missing):
    """There is no such event, or none that the actor may see."""

    default_code = "event_not_found"


_ROWS: Final = """
SELECT key, revision, source, event_id, occurred_at, received_at, period, original_period,
       tag_set, sent_sku, meters, context_tokens, reasoning_tokens, trace_id,
       end_user IS NOT NULL, status, reported_amount, reported_currency, batch, sign = -1, booked
  FROM {events} WHERE key = %s ORDER BY revision, sign DESC
"""


def event(*, source: str, event_id: str, actor: Actor) -> RatedEvent:
    """Return an event in its present revision with every meter's price and cost.

    A month that is open is rated by the price book in force, a closed one as it was booked.

    :raises EventMissing: when there is none, or the actor may not see it.
    """
    key = (
        EventKey.objects.filter(source=source, event_id=event_id)
        .values_list("key", flat=True)
        .first()
    )
    rows = [] if key is None else rows_of(key)
    if not rows:
        raise _missing(source, event_id)
    present, state = _present(rows)
    facts = facts_of([(*present[:19], state)])[0]
    if not sees_event(facts, actor, directory.attribution()):
        raise _missing(source, event_id)
    return _rated(facts, present, rows)


def rows_of(key: int) -> list[tuple[Any, ...]]:
    """Return all rows of an event, in the order of revisions, + before -; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(events=table("usage_event")), [key])
        return list(cursor.fetchall())


def _missing(source: str, event_id: str) -> EventMissing:
    return EventMissing(f"There is no event {event_id[:80]!r} of the source {source[:80]!r}.")


def _present(rows: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], bool]:
    latest = max((row for row in rows if not row[19]), key=lambda row: row[1])
    return latest, any(row[19] and row[1] == latest[1] for row in rows)


def _rated(facts: EventFacts, present: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> RatedEvent:
    sheet = sheet_for(version=version_of(periods.period(facts.period)))
    number = present[9]
    span = sheet.timeline(sent_keys([number])[number], number).span(
        facts.occurred_at, facts.context_tokens
    )
    quantities = {**facts.quantities, REQUESTS: Decimal(1)}
    booked = present[20]
    rates: Mapping[str, Rate]
    if booked is None:
        sheet.learn(span, list(facts.quantities))
        key, rates = span.key, span.rates
    else:
        key, rates = _booked(booked, span)
    raw = raw_usage_of(key=facts.key, revision=facts.revision)
    return RatedEvent(
        event=facts,
        sku=key.label,
        day=span.day,
        price_book_version=sheet.book.version,
        lines=_lines(quantities, key, rates, sheet.book),
        history=tuple(_revision(row) for row in rows),
        raw_usage=raw,
        unknown=unknown_in(provider=facts.provider, raw=raw),
    )


def _booked(sent: Any, span: Span) -> tuple[SkuKey, Mapping[str, Rate]]:
    booked = json.loads(sent) if isinstance(sent, str) else sent
    sku = Sku.objects.get(pk=booked["sku"])
    rates = fixed_rates(booked["prices"].values())
    key = SkuKey(sku.provider, sku.model, sku.service_tier, sku.batch, sku.region, sku.context_tier)
    return key, {meter: rates[price] for meter, price in booked["prices"].items()}


def _lines(
    quantities: Mapping[str, Decimal], key: SkuKey, rates: Mapping[str, Rate], book: PriceBook
) -> tuple[RatedMeter, ...]:
    used = rating.prices(rates[meter].price for meter in quantities)
    lines = []
    for meter, quantity in quantities.items():
        rate = rates[meter]
        price = used.get(rate.price)
        lines.append(
            RatedMeter(
                meter=meter,
                unit=meter_facts(meter).unit,
                quantity=quantity,
                price=rate.price,
                unit_price=None if price is None else rate.amount,
                unit_size=None if price is None else rate.unit_size,
                currency=rate.currency,
                cost=None if price is None else rate.cost(quantity),
                source="" if price is None else price.source,
                valid_from=None if price is None else price.valid_from,
                valid_to=None if price is None else price.valid_to,
                free=rate.price == 0 and not book.expects_price(sku=key, meter=meter),
                percent=None if price is None else price.percent,
            )
        )
    return tuple(lines)


def _revision(row: tuple[Any, ...]) -> RevisionFacts:
    return RevisionFacts(
        revision=row[1],
        sign=-1 if row[19] else 1,
        period=Month.of(row[6]),
        original_period=Month.of(row[7]),
        received_at=row[5],
    )
