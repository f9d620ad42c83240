"""Questions about the sources of prices: when they were read, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Count

from apps.catalog.domain.statements import SOURCES, NotTaken
from apps.catalog.models import PriceChange, PriceImport
from apps.core.domain.errors import Missing

_AGREEMENT: Final = """
SELECT said.source,
       count(*) FILTER (WHERE listed.id IS NULL),
       count(*) FILTER (WHERE listed.id IS NOT NULL AND listed.currency = said.currency
           AND 100 * abs(listed.amount * said.unit_size - said.amount * listed.unit_size)
               <= greatest(listed.amount * said.unit_size, said.amount * listed.unit_size)),
       count(*)
FROM public.catalog_priceobservation said
LEFT JOIN (
    public.catalog_listprice listed
    JOIN public.catalog_aimodel model ON model.id = listed.model_id
    JOIN public.catalog_provider provider ON provider.id = model.provider_id
) ON provider.code = said.provider AND model.code = said.model AND listed.meter = said.meter
    AND listed.service_tier = said.service_tier AND listed.batch = said.batch
    AND listed.region = said.region AND listed.context_gt = said.context_gt
    AND listed."window" = said."window" AND listed.other = said.other
    AND listed.known_to IS NULL
    AND (listed.valid_from IS NULL OR listed.valid_from <= %(now)s)
    AND (listed.valid_to IS NULL OR listed.valid_to > %(now)s)
WHERE said.known_to IS NULL
    AND (said.valid_from IS NULL OR said.valid_from <= %(now)s)
    AND (said.valid_to IS NULL OR said.valid_to > %(now)s)
GROUP BY said.source
"""


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """One reading of a source and what became of it."""

    public_id: UUID
    source: str
    source_name: str
    release: str
    file_name: str
    read_at: datetime
    read_by: str
    is_baseline: bool
    prices: int
    opened: int
    closed: int
    published: int
    proposed: int
    superseded: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many prices that a source states now are listed within 1 %, differ, or are not listed."""

    agreeing: int = 0
    differing: int = 0
    unlisted: int = 0

    @property
    def stated(self) -> int:
        """Return how many prices the source states."""
        return self.agreeing + self.differing + self.unlisted


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as it stands: its last reading, its agreement with the list, and what waits."""

    code: str
    name: str
    last: ImportFacts | None
    agreement: Agreement
    waiting: int


def sources(*, now: datetime) -> list[SourceState]:
    """Return all sources; three queries."""
    agreement = _agreement(now)
    last = {
        row.source: _facts(row)
        for row in PriceImport.objects.order_by("source", "-pk")
        .distinct("source")
        .defer("not_taken")
    }
    waiting = dict(
        PriceChange.objects.filter(state=PriceChange.State.PROPOSED)
        .order_by()
        .values_list("source")
        .annotate(n=Count("pk"))
    )
    return [
        SourceState(
            code=source.code,
            name=source.name,
            last=last.get(source.code),
            agreement=agreement.get(source.code, Agreement()),
            waiting=waiting.get(source.code, 0),
        )
        for source in SOURCES.values()
    ]


def imports(*, limit: int) -> list[ImportFacts]:
    """Return the latest readings of all sources, newest first."""
    return [_facts(row) for row in PriceImport.objects.defer("not_taken").order_by("-pk")[:limit]]


def import_facts(*, public_id: UUID) -> ImportFacts:
    """Return one reading.

    :raises Missing: when there is none.
    """
    row = PriceImport.objects.defer("not_taken").filter(public_id=public_id).first()
    if row is None:
        raise Missing("There is no such import of prices.", code="price_import_unknown")
    return _facts(row)


def not_taken(*, public_id: UUID) -> list[NotTaken]:
    """Return what a reading said and no price was made of, in the order of the file."""
    rows = PriceImport.objects.filter(public_id=public_id).values_list("not_taken", flat=True)
    return [NotTaken(*one) for one in (rows.first() or ())]


def _agreement(now: datetime) -> dict[str, Agreement]:
    with connection.cursor() as cursor:
        cursor.execute(_AGREEMENT, {"now": now})
        return {
            source: Agreement(agreeing, total - unlisted - agreeing, unlisted)
            for source, unlisted, agreeing, total in cursor.fetchall()
        }


def _facts(row: PriceImport) -> ImportFacts:
    return ImportFacts(
        public_id=row.public_id,
        source=row.source,
        source_name=SOURCES[row.source].name,
        release=row.release,
        file_name=row.file_name,
        read_at=row.read_at,
        read_by=row.read_by,
        is_baseline=row.is_baseline,
        prices=row.prices,
        opened=row.opened,
        closed=row.closed,
        published=row.published,
        proposed=row.proposed,
        superseded=row.superseded,
    )


__all__ = [
    "Agreement",
    "ImportFacts",
    "SourceState",
    "import_facts",
    "imports",
    "not_taken",
    "sources",
]
