"""Reads sources of prices, records what they say, and lets the review decide what is published."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Final

from apps.audit import services as audit
from apps.catalog import selectors
from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.adapters.litellm import read_litellm
from apps.catalog.adapters.sheet import read_sheet
from apps.catalog.domain.aliases import provider_named
from apps.catalog.domain.published import PublishedCatalog, PublishedModel
from apps.catalog.domain.statements import (
    GENAI_PRICES,
    LITELLM,
    SHEET,
    Reading,
    StatedPrice,
    Subject,
    settled,
)
from apps.catalog.models import PriceImport
from apps.catalog.services.knowledge import refuse_before, sole_writer
from apps.catalog.services.listing import Listing, Origin, is_empty
from apps.catalog.services.observing import Observed, Observer
from apps.catalog.services.reviewing import Provenance, Review, Reviewed
from apps.catalog.services.stored import (
    ModelStore,
    Progress,
    StoredModels,
    store_meters,
)
from apps.core.domain.access import Actor, Scope, system_actor
from apps.core.domain.errors import Invalid

FILE_SOURCES: Final = {LITELLM.code: read_litellm, SHEET.code: read_sheet}
"""Sources that the operator supplies as files, with their readers."""

_NO_MODELS: Final = StoredModels(0, (), (), 0, (), "")


class SourceUnknown(Invalid):
    """There is no source of that name that reads files."""

    default_code = "price_source_unknown"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: counts of models, of list prices opened and closed, of changes.

    A moved model is as it was, but its recognition rule is tried at another turn. `said` counts
    what the source states otherwise than before, `not_taken` what no price was made of.
    """

    source: str
    providers: int
    models: int
    changed_models: int
    moved_models: int
    delisted_models: int
    prices: int
    said: int
    not_taken: int
    published: int
    proposed: int
    superseded: int
    opened: int
    closed: int
    is_baseline: bool

    @property
    def changed(self) -> bool:
        """Tell whether anything differs from before."""
        return bool(self.changed_models or self.moved_models or self.delisted_models or self.said)


def import_list_prices(
    *, now: datetime, actor: Actor | None = None, progress: Progress = iter
) -> ImportReport:
    """Record what the installed genai-prices package says, and publish what sources agree on.

    Repeating it changes nothing. Names and recognition rules are taken over at once; prices only
    when the catalogue had none at all.

    :raises ImportOutOfOrder: when the catalogue was changed at or after `now`.
    """
    catalog = published_catalog()
    return import_catalog(
        catalog=catalog, now=now, actor=actor or system_actor("catalog"), progress=progress
    )


def import_catalog(
    *, catalog: PublishedCatalog, now: datetime, actor: Actor, progress: Progress = iter
) -> ImportReport:
    """Take over a published catalogue, as above. Runs in the public schema, in one transaction.

    :raises ImportOutOfOrder: when the catalogue was changed at or after `now`.
    """
    with sole_writer():
        store = ModelStore(catalog, source=GENAI_PRICES.code, now=now)
        models = store.compare(progress)
        listed = models.changed if _is_known() else (*models.changed, *models.unchanged)
        reading = Reading(
            GENAI_PRICES,
            catalog.source.removeprefix(GENAI_PRICES.code).strip(),
            models.digest,
            tuple(_stated(listed)),
        )
        names = frozenset((provider, model.code) for provider, model in listed)
        observer = Observer(reading, scope=names | frozenset(models.delisted))
        if models.changed or models.moved or models.delisted or observer.observed.before:
            refuse_before(now)
            store.write()
            store_meters(price.subject.meter for price in reading.prices)
        stated = sum(len(model.prices) for _, model in (*models.changed, *models.unchanged))
        return _record(reading, observer, _Run(models, actor, now, stated))


def load_prices(
    *, source: str, content: bytes, file_name: str, actor: Actor, now: datetime
) -> ImportReport:
    """Record what a file of the operator says, and publish what sources agree on.

    `source` is "litellm" or "sheet". Names are recognized as those of usage are; a model that
    the catalogue does not have waits for a person with its prices. The same file again changes
    nothing.

    :raises SourceUnknown: when no such source reads files.
    :raises FileInvalid, SheetInvalid: when the file cannot be read; nothing is recorded.
    :raises ImportOutOfOrder: when the catalogue was changed at or after `now`.
    """
    actor.require(Scope.ADMIN)
    reader = FILE_SOURCES.get(source)
    if reader is None:
        raise SourceUnknown(f"{source!r} reads no files; choose {' or '.join(FILE_SOURCES)}.")
    read = reader(content, name=file_name)
    with sole_writer():
        reading = _recognized(read, now)
        observer = Observer(reading, scope=None)
        if observer.observed.before:
            refuse_before(now)
        return _record(reading, observer, _Run(_NO_MODELS, actor, now, len(reading.prices)))


@dataclass(frozen=True, slots=True)
class _Run:
    """What an import knows beside the reading."""

    models: StoredModels
    actor: Actor
    now: datetime
    stated: int


def _record(reading: Reading, observer: Observer, run: _Run) -> ImportReport:
    """Write what was said, review it, and keep one row of the import; the audit comes last."""
    public_id = uuid.uuid4()
    observed = observer.observed
    is_baseline = bool(observed.before) and is_empty()
    observer.write(now=run.now, reading=public_id)
    provenance = Provenance(reading, public_id)
    reviewed, listing = (
        _taken_whole(reading, observer) if is_baseline else _reviewed(provenance, observed, run.now)
    )
    opened, closed = listing.write(now=run.now, source=reading.label[:60])
    row = PriceImport.objects.create(
        public_id=public_id,
        source=reading.source.code,
        release=reading.release[:60],
        file_name=reading.file_name,
        digest=reading.digest,
        read_at=run.now,
        read_by=run.actor.label[:254],
        is_baseline=is_baseline,
        prices=run.stated,
        opened=observed.opened,
        closed=observed.closed,
        published=reviewed.published,
        proposed=reviewed.proposed,
        superseded=reviewed.superseded,
        not_taken=[list(one) for one in reading.not_taken],
    )
    report = _report(reading, run.models, row, (opened, closed))
    if report.changed:
        _audit(report, run)
    return report


def _taken_whole(reading: Reading, observer: Observer) -> tuple[Reviewed, Listing]:
    """List everything that the first of all sources states; there is nothing to compare with."""
    listing = Listing(())
    origin = Origin(reading.label[:60], reading.digest, None)
    for subject, step, _ in observer.fresh:
        listing.publish(subject, step, origin)
    return Reviewed(0, 0, 0), listing


def _reviewed(
    provenance: Provenance, observed: Observed, now: datetime
) -> tuple[Reviewed, Listing]:
    review = Review(provenance, observed, now=now)
    return review.run(), review.listing


def _report(
    reading: Reading, models: StoredModels, row: PriceImport, listed: tuple[int, int]
) -> ImportReport:
    return ImportReport(
        source=reading.label,
        providers=models.providers or len({price.subject.provider for price in reading.prices}),
        models=models.listed or len({price.subject[:2] for price in reading.prices}),
        changed_models=len(models.changed),
        moved_models=models.moved,
        delisted_models=len(models.delisted),
        prices=row.prices,
        said=row.opened + row.closed,
        not_taken=len(row.not_taken),
        published=row.published,
        proposed=row.proposed,
        superseded=row.superseded,
        opened=listed[0],
        closed=listed[1],
        is_baseline=row.is_baseline,
    )


def _audit(report: ImportReport, run: _Run) -> None:
    """Record the import last, so that the head of the trail is held for the shortest time."""
    audit.record(
        actor=run.actor,
        action="list_prices.taken_whole" if report.is_baseline else "list_prices.imported",
        subject="catalog",
        subject_id=report.source,
        detail={
            "opened": report.opened,
            "closed": report.closed,
            "models": report.models,
            "published": report.published,
            "proposed": report.proposed,
            "superseded": report.superseded,
        },
        at=run.now,
    )


def _is_known() -> bool:
    return PriceImport.objects.filter(source=GENAI_PRICES.code).exists()


def _stated(models: Iterable[tuple[str, PublishedModel]]) -> Iterable[StatedPrice]:
    for provider, model in models:
        for price in model.prices:
            subject = Subject(provider, model.code, price.meter, price.conditions)
            yield StatedPrice(subject, price.rate, price.valid_from, price.valid_to, model.code)


def _recognized(reading: Reading, now: datetime) -> Reading:
    """Give providers and models the names that the catalogue knows them by."""
    names = _Names(now)
    named = (price._replace(subject=names.canonical(price.subject)) for price in reading.prices)
    taken, left = settled(named)
    return replace(reading, prices=tuple(taken), not_taken=(*reading.not_taken, *left))


class _Names:
    """Finds the catalogue's names behind a source's, each once; reads a provider's index once."""

    def __init__(self, now: datetime) -> None:
        rules = selectors.provider_rules(known_at=now)
        self._provider = cache(lambda name: provider_named(rules, name))
        self._index = cache(lambda code: selectors.model_index(provider=code, known_at=now))
        self._model = cache(lambda code, name: self._index(code).find(name) or name)

    def canonical(self, subject: Subject) -> Subject:
        """Return the subject under the catalogue's names; unknown ones stay, in lower case."""
        known = self._provider(subject.provider)
        if known is None:
            return subject._replace(provider=subject.provider.strip().lower())
        model = self._model(known.code, subject.model)
        return subject._replace(provider=known.code, model=model)


__all__ = [
    "FILE_SOURCES",
    "ImportReport",
    "SourceUnknown",
    "import_catalog",
    "import_list_prices",
    "load_prices",
]
