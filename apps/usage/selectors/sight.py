"""Under which tag sets somebody whose sight is limited finds anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Final

from django.db import connection

from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.tenants import selectors as tenants
from apps.usage.domain.sight import may_see
from apps.usage.models import TagSet
from apps.usage.selectors.events import EventFilters
from apps.usage.selectors.rollups import skus_of, tag_sets_of
from apps.usage.selectors.summary import owner_of
from apps.usage.store import table

_USES: Final = """
SELECT tag_set, sku, width_bucket(day, %(breaks)s::date[]), min(day) FROM {rollups}
 WHERE {months} GROUP BY 1, 2, 3
"""
_BEGINNING: Final = date(1970, 1, 1)


def tag_sets_in_sight(filters: EventFilters, actor: Actor) -> frozenset[int]:
    """Return the tag sets under which the actor may see an event of the filtered months.

    It leaves out only those whose use is all out of sight: what it names is still to be looked
    at event by event, as one tag set may belong to several owners. About ten queries.
    """
    attribution = directory.attribution()
    uses = _uses(filters, [_BEGINNING, *attribution.change_dates])
    tag_sets = tag_sets_of({tag_set for tag_set, *_ in uses})
    skus = skus_of({sku for _, sku, *_ in uses})
    seen = {
        number
        for number, sku, _, day in uses
        if may_see(
            actor,
            owner_of(attribution, tag_sets[number], skus[sku], day),
            tag_sets[number].tags,
        )
    }
    every = frozenset(TagSet.objects.values_list("id", flat=True))
    return every - (tag_sets.keys() - seen)


def among(filters: EventFilters, tag_sets: frozenset[int]) -> EventFilters:
    """Return filters that keep to some tag sets, beside those that they name already."""
    kept = tag_sets if filters.tag_sets is None else tag_sets & filters.tag_sets
    return replace(filters, tag_sets=kept)


def _uses(filters: EventFilters, breaks: list[date]) -> list[tuple[Any, ...]]:
    """Return which SKUs were used under which tag sets, once for every time of one owner."""
    month, compared = filters.period, "="
    if month is None:
        start = filters.start.astimezone(tenants.current().timezone) if filters.start else None
        month, compared = Month.of(start.date() if start else _BEGINNING), ">="
    statement = _USES.format(rollups=table("usage_rollup"), months=f"period {compared} %(month)s")
    with connection.cursor() as cursor:
        cursor.execute(statement, {"breaks": breaks, "month": month.first_day})
        return list(cursor.fetchall())
