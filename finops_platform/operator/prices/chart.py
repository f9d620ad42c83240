"""Draws a list price over time as steps, as it was known then and as it is known today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from apps.catalog.domain.meters import meter_facts, unit_in_words
from apps.catalog.domain.statements import Subject
from apps.catalog.selectors import HistoryRow
from apps.core import presentation
from apps.core.web.charts import Chart, Frame, Series, trend

_BEFORE: Final = timedelta(days=30)
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)


def history_chart(
    subject: Subject,
    *,
    then: Sequence[HistoryRow],
    today: Sequence[HistoryRow],
    moments: tuple[datetime, datetime],
) -> Chart | None:
    """Return the steps of both knowledges in one unit; None when nothing was ever listed.

    `moments` are the knowledge that is asked for, and now. Prices in another currency than the
    latest one are left out: one axis has one unit.
    """
    known_at, now = moments
    latest = (*then, *today)[-1:] or None
    if latest is None:
        return None
    rate = latest[0].rate
    edges = _edges((*then, *today), now)
    lines = [("As known today", today)]
    if known_at < now:
        lines.append((f"As known on {presentation.moment(known_at)}", then))
    unit = meter_facts(subject.meter).unit
    frame = Frame(
        key="price-steps",
        title=_finding(then, known_at),
        unit=f"{rate.currency} per {unit_in_words(unit_size=rate.unit_size, unit=unit)}",
        note="Each price holds until the next step; the table has every price in both times.",
    )
    series = [
        Series(name, [_amount(rows, at, rate.unit_size, rate.currency) for at in edges])
        for name, rows in lines
    ]
    return trend(
        frame,
        categories=[presentation.moment(at) for at in edges],
        series=series,
        kind="steps",
    )


def _edges(rows: Sequence[HistoryRow], now: datetime) -> list[datetime]:
    dated = {at for row in rows for at in (row.valid_from, row.valid_to) if at is not None}
    first = min(dated | {now}) - _BEFORE
    return sorted({*dated, now, first})


def _amount(
    rows: Sequence[HistoryRow], at: datetime, unit_size: int, currency: str
) -> Decimal | None:
    for row in rows:
        begun = row.valid_from is None or row.valid_from <= at
        if begun and (row.valid_to is None or at < row.valid_to) and row.rate.currency == currency:
            return (row.rate.amount * unit_size / row.rate.unit_size).normalize() + 0
    return None


def _finding(rows: Sequence[HistoryRow], known_at: datetime) -> str:
    changes = [row.valid_from for row in rows if row.valid_from is not None]
    past = [at for at in changes if at <= known_at]
    ahead = [at for at in changes if at > known_at]
    if not rows:
        return "There was no price yet"
    if ahead:
        return f"The price changes on {presentation.moment(min(ahead))}"
    if not past:
        return "The price never changed"
    return f"The price last changed on {presentation.moment(max(past))}"
