"""Takes published list prices over into the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.models import F
from django_tenants.utils import get_public_schema_name, schema_context

from apps.audit import services as audit
from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import METERS, meter_facts
from apps.catalog.domain.published import (
    PublishedCatalog,
    PublishedModel,
    PublishedPrice,
    PublishedProvider,
    Rate,
    family_of,
)
from apps.catalog.models import AiModel, ListPrice, Meter, Provider, Recognition
from apps.catalog.selectors import last_known_at
from apps.core.domain.access import Actor, system_actor
from apps.core.domain.canonical import digest_of
from apps.core.domain.errors import Conflict

Progress = Callable[[Iterable[PublishedProvider]], Iterable[PublishedProvider]]
"""Wraps the providers while they are read, to show how far the import is."""

_LOCK: Final = 0x66_69_6E_6F_70_73  # serializes imports; the constraints are the guard
_COLUMNS: Final = (
    'model_id, meter, service_tier, batch, region, context_gt, "window", other, amount, '
    "unit_size, currency, valid_from, valid_to, known_from, source, source_hash"
)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: counts of models, and of price rows opened and closed.

    A moved model is as it was, but its recognition rule is tried at another turn.
    """

    source: str
    providers: int
    models: int
    changed_models: int
    moved_models: int
    delisted_models: int
    opened: int
    closed: int

    @property
    def changed(self) -> bool:
        """Tell whether anything differs from before."""
        return bool(self.changed_models or self.moved_models or self.delisted_models)


class ImportOutOfOrder(Conflict):
    """An import is dated at or before what the catalogue already learned."""

    default_code = "import_out_of_order"


def import_list_prices(
    *, now: datetime, actor: Actor | None = None, progress: Progress = iter
) -> ImportReport:
    """Take over the list prices of the installed genai-prices package.

    Repeating it changes nothing. A price that changed stops being known at `now` and a new row
    begins to be; nothing is ever overwritten or deleted.

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
    with schema_context(get_public_schema_name()), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        report = _Import(catalog, now).run(progress)
        if report.changed:
            audit.record(
                actor=actor,
                action="list_prices.imported",
                subject="catalog",
                subject_id=catalog.source,
                detail={"opened": report.opened, "closed": report.closed, "models": report.models},
                at=now,
            )
    return report


class _Import:
    """One run of an import: what is known, compared with what is published."""

    def __init__(self, catalog: PublishedCatalog, now: datetime) -> None:
        self._catalog = catalog
        self._now = now
        self._known = {
            (row.provider.code, row.code): row
            for row in AiModel.objects.select_related("provider").defer("match")
        }
        self._seen: set[tuple[str, str]] = set()
        self._changed: list[tuple[AiModel, PublishedModel]] = []
        self._moved: list[AiModel] = []

    def run(self, progress: Progress) -> ImportReport:
        """Write the differences and count them."""
        providers = _store_providers(self._catalog.providers)
        for provider in progress(self._catalog.providers):
            self._read(provider, providers[provider.code])
        gone = [
            row.pk
            for key, row in self._known.items()
            if key not in self._seen and row.delisted_at is None
        ]
        if self._changed or self._moved or gone:
            self._refuse_before(last_known_at())
        self._store_models()
        delisted = AiModel.objects.filter(pk__in=gone).update(delisted_at=self._now)
        self._store_recognition(providers)
        _store_meters(model for _, model in self._changed)
        opened, closed = self._store_prices()
        return ImportReport(
            source=self._catalog.source,
            providers=len(providers),
            models=len(self._seen),
            changed_models=len(self._changed),
            moved_models=len(self._moved),
            delisted_models=delisted,
            opened=opened,
            closed=closed,
        )

    def _read(self, provider: PublishedProvider, row: Provider) -> None:
        for position, model in enumerate(provider.models):
            key = (provider.code, model.code)
            self._seen.add(key)
            known = self._known.get(key)
            digest = model.digest
            if known is None or known.source_hash != digest or known.delisted_at is not None:
                fresh = self._model_row(row, model, position, digest, known)
                self._changed.append((fresh, model))
            elif known.position != position:
                known.position = position
                self._moved.append(known)

    def _model_row(
        self,
        provider: Provider,
        model: PublishedModel,
        position: int,
        digest: str,
        known: AiModel | None,
    ) -> AiModel:
        return AiModel(
            pk=None if known is None else known.pk,
            provider=provider,
            code=model.code,
            name=model.name,
            family=family_of(model.code),
            match=model.match,
            position=position,
            context_window=model.context_window,
            deprecated=model.deprecated,
            source=self._catalog.source,
            source_hash=digest,
            delisted_at=None,
        )

    def _store_models(self) -> None:
        new = [row for row, _ in self._changed if row.pk is None]
        known = [row for row, _ in self._changed if row.pk is not None]
        AiModel.objects.bulk_create(new, batch_size=1000)
        fields = [f.name for f in AiModel._meta.concrete_fields if f.name not in _MODEL_KEY]
        AiModel.objects.bulk_update(known, fields, batch_size=200)
        AiModel.objects.bulk_update(self._moved, ["position"], batch_size=1000)

    def _store_recognition(self, providers: dict[str, Provider]) -> None:
        known = {row.provider_id: row for row in Recognition.objects.filter(known_to__isnull=True)}
        rules = _rules_by_provider()
        fresh = [_recognition(row, rules.get(row.pk, []), self._now) for row in providers.values()]
        changed = [
            row
            for row in fresh
            if row.provider_id not in known or known[row.provider_id].digest != row.digest
        ]
        stale = [known[row.provider_id] for row in changed if row.provider_id in known]
        Recognition.objects.filter(pk__in=[row.pk for row in stale]).update(known_to=self._now)
        Recognition.objects.bulk_create(changed)

    def _store_prices(self) -> tuple[int, int]:
        ids = [row.pk for row, _ in self._changed]
        current: dict[int, dict[PublishedPrice, int]] = {}
        for price in ListPrice.objects.filter(model_id__in=ids, known_to__isnull=True):
            current.setdefault(price.model_id, {})[_published(price)] = price.pk
        stale = [
            pk
            for row, model in self._changed
            for price, pk in current.get(row.pk, {}).items()
            if price not in set(model.prices)
        ]
        self._close(stale)
        opened = self._copy(
            (row, price)
            for row, model in self._changed
            for price in model.prices
            if price not in current.get(row.pk, {})
        )
        return opened, len(stale)

    def _close(self, ids: list[int]) -> None:
        ListPrice.objects.filter(pk__in=ids).update(known_to=self._now)

    def _refuse_before(self, latest: datetime | None) -> None:
        """Keep knowledge in order of time: a pinned version must never learn afterwards."""
        if latest is not None and latest >= self._now:
            raise ImportOutOfOrder(
                f"The catalogue already learned of prices at {latest.isoformat()}; an import "
                "must be dated later."
            )

    def _copy(self, prices: Iterable[tuple[AiModel, PublishedPrice]]) -> int:
        statement = f"COPY public.catalog_listprice ({_COLUMNS}) FROM STDIN"
        count = 0
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row, price in prices:
                copy.write_row(self._line(row, price))
                count += 1
        return count

    def _line(self, row: AiModel, price: PublishedPrice) -> tuple[object, ...]:
        return (
            row.pk,
            price.meter,
            *price.conditions,
            price.rate.amount,
            price.rate.unit_size,
            price.rate.currency,
            price.valid_from,
            price.valid_to,
            self._now,
            self._catalog.source,
            row.source_hash,
        )


_MODEL_KEY: Final = frozenset({"id", "provider", "code"})


def _store_providers(published: Iterable[PublishedProvider]) -> dict[str, Provider]:
    rows = [
        Provider(
            code=provider.code,
            name=provider.name,
            match=provider.match,
            fallbacks=list(provider.fallbacks),
            pricing_url=provider.pricing_url,
            position=position,
        )
        for position, provider in enumerate(published)
    ]
    Provider.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "match", "fallbacks", "pricing_url", "position"],
    )
    return {row.code: row for row in Provider.objects.all()}


def _rules_by_provider() -> dict[int, list[list[object]]]:
    rules: dict[int, list[list[object]]] = {}
    rows = AiModel.objects.order_by(F("delisted_at").desc(nulls_first=True), "position", "id")
    for provider, code, match in rows.values_list("provider_id", "code", "match"):
        rules.setdefault(provider, []).append([code, match])
    return rules


def _recognition(provider: Provider, rules: list[list[object]], now: datetime) -> Recognition:
    content = [provider.position, provider.match, provider.fallbacks, rules]
    return Recognition(
        provider=provider,
        position=provider.position,
        match=provider.match,
        fallbacks=provider.fallbacks,
        rules=rules,
        digest=digest_of(content),
        known_from=now,
    )


def _store_meters(models: Iterable[PublishedModel]) -> None:
    codes = {price.meter for model in models for price in model.prices} | set(METERS)
    rows = [
        Meter(code=facts.code, unit=facts.unit, label=facts.label, size=facts.size)
        for facts in map(meter_facts, sorted(codes))
    ]
    Meter.objects.bulk_create(rows, ignore_conflicts=True)


def _published(row: ListPrice) -> PublishedPrice:
    return PublishedPrice(
        row.meter_id,
        Conditions(row.service_tier, row.batch, row.region, row.context_gt, row.window, row.other),
        Rate(row.amount, row.unit_size, row.currency),
        row.valid_from,
        row.valid_to,
    )


__all__ = ["ImportOutOfOrder", "ImportReport", "import_catalog", "import_list_prices"]
