"""Stores providers, models, meters, and how names are recognized."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, Max

from apps.catalog.domain.meters import METERS, meter_facts
from apps.catalog.domain.published import (
    PublishedCatalog,
    PublishedModel,
    PublishedProvider,
    family_of,
)
from apps.catalog.models import AiModel, Meter, Provider, Recognition
from apps.core.domain.canonical import digest_of

Progress = Callable[[Iterable[PublishedProvider]], Iterable[PublishedProvider]]
"""Wraps the providers while they are read, to show how far the import is."""

ModelName = tuple[str, str]
"""Provider code and model code."""

_MODEL_KEY: Final = frozenset({"id", "provider", "code"})


@dataclass(frozen=True, slots=True)
class StoredModels:
    """What became of the models of a published catalogue.

    `changed` are the models of which anything published differs, prices included; `unchanged`
    the others that are listed. A moved one's recognition rule is tried at another turn.
    """

    providers: int
    changed: tuple[tuple[str, PublishedModel], ...]
    unchanged: tuple[tuple[str, PublishedModel], ...]
    moved: int
    delisted: tuple[ModelName, ...]
    digest: str

    @property
    def listed(self) -> int:
        """Return how many models are listed."""
        return len(self.changed) + len(self.unchanged)


class ModelStore:
    """One taking over of a published catalogue's models: what is known, and what is listed."""

    def __init__(self, catalog: PublishedCatalog, *, source: str, now: datetime) -> None:
        self._catalog = catalog
        self._source = source
        self._now = now
        self._known = {
            (row.provider.code, row.code): row
            for row in AiModel.objects.select_related("provider").defer("match")
        }
        self._seen: set[ModelName] = set()
        self._rows: list[AiModel] = []
        self._changed: list[tuple[str, PublishedModel]] = []
        self._unchanged: list[tuple[str, PublishedModel]] = []
        self._moved: list[AiModel] = []
        self._digests: list[str] = []

    def compare(self, progress: Progress) -> StoredModels:
        """Compare what is listed with what is known; writes nothing but providers."""
        self._providers = store_providers(self._catalog.providers)
        for provider in progress(self._catalog.providers):
            self._read(provider, self._providers[provider.code])
        self._gone = [
            row
            for key, row in self._known.items()
            if key not in self._seen
            and row.delisted_at is None
            and row.source.split(" ")[0] == self._source
        ]
        return StoredModels(
            providers=len(self._catalog.providers),
            changed=tuple(self._changed),
            unchanged=tuple(self._unchanged),
            moved=len(self._moved),
            delisted=tuple((row.provider.code, row.code) for row in self._gone),
            digest=digest_of([self._catalog.source, *self._digests]),
        )

    def write(self) -> None:
        """Write the models that differ, who is delisted, and how names are recognized now."""
        new = [row for row in self._rows if row.pk is None]
        known = [row for row in self._rows if row.pk is not None]
        AiModel.objects.bulk_create(new, batch_size=1000)
        fields = [f.name for f in AiModel._meta.concrete_fields if f.name not in _MODEL_KEY]
        AiModel.objects.bulk_update(known, fields, batch_size=200)
        AiModel.objects.bulk_update(self._moved, ["position"], batch_size=1000)
        gone = [row.pk for row in self._gone]
        AiModel.objects.filter(pk__in=gone).update(delisted_at=self._now)
        store_recognition(now=self._now)

    def _read(self, provider: PublishedProvider, row: Provider) -> None:
        for position, model in enumerate(provider.models):
            key = (provider.code, model.code)
            self._seen.add(key)
            known = self._known.get(key)
            digest = model.digest
            self._digests.append(digest)
            if known is None or known.source_hash != digest or known.delisted_at is not None:
                self._rows.append(self._row(row, model, position, digest, known))
                self._changed.append((provider.code, model))
                continue
            self._unchanged.append((provider.code, model))
            if known.position != position:
                known.position = position
                self._moved.append(known)

    def _row(
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


def store_providers(published: Iterable[PublishedProvider]) -> dict[str, Provider]:
    """Write providers in the order in which their rules are tried; return all by code."""
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


def store_recognition(*, now: datetime) -> None:
    """Keep how names are recognized from `now` on, where it differs from what was known."""
    known = {row.provider_id: row for row in Recognition.objects.filter(known_to__isnull=True)}
    rules = _rules_by_provider()
    fresh = [_recognition(row, rules.get(row.pk, []), now) for row in Provider.objects.all()]
    changed = [
        row
        for row in fresh
        if row.provider_id not in known or known[row.provider_id].digest != row.digest
    ]
    stale = [known[row.provider_id] for row in changed if row.provider_id in known]
    Recognition.objects.filter(pk__in=[row.pk for row in stale]).update(known_to=now)
    Recognition.objects.bulk_create(changed)


def store_meters(codes: Iterable[str]) -> None:
    """Make sure that the catalogue knows these meters, and all that are known by name."""
    rows = [
        Meter(code=facts.code, unit=facts.unit, label=facts.label, size=facts.size)
        for facts in map(meter_facts, sorted({*codes, *METERS}))
    ]
    Meter.objects.bulk_create(rows, ignore_conflicts=True)


def ensure_models(
    names: Iterable[ModelName], *, source: str, now: datetime
) -> dict[ModelName, int]:
    """Return the ids of models, making those that the catalogue lacks, recognized by their code."""
    wanted = set(names)
    ids = _ids_of(wanted)
    missing = sorted(wanted - ids.keys())
    if missing:
        providers = _ensure_providers({provider for provider, _ in missing})
        AiModel.objects.bulk_create(
            _unlisted(providers[provider], code, source) for provider, code in missing
        )
        store_recognition(now=now)
        ids = _ids_of(wanted)
    return ids


def _ids_of(names: set[ModelName]) -> dict[ModelName, int]:
    rows = AiModel.objects.filter(
        provider__code__in={provider for provider, _ in names}, code__in={code for _, code in names}
    ).values_list("provider__code", "code", "pk")
    return {(provider, code): pk for provider, code, pk in rows if (provider, code) in names}


def _ensure_providers(codes: set[str]) -> dict[str, Provider]:
    known = {row.code: row for row in Provider.objects.filter(code__in=codes)}
    last = Provider.objects.aggregate(last=Max("position"))["last"]
    first = 0 if last is None else last + 1
    fresh = [
        Provider(code=code, name=code, position=first + number)
        for number, code in enumerate(sorted(codes - known.keys()))
    ]
    return known | {row.code: row for row in Provider.objects.bulk_create(fresh)}


def _unlisted(provider: Provider, code: str, source: str) -> AiModel:
    return AiModel(
        provider=provider,
        code=code,
        name=code,
        family=family_of(code),
        match={"equals": code},
        position=1_000_000,
        source=source,
        source_hash="",
    )


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


__all__ = [
    "ModelName",
    "ModelStore",
    "Progress",
    "StoredModels",
    "ensure_models",
    "store_meters",
    "store_providers",
    "store_recognition",
]
