"""Gives tag sets and SKUs their numbers, each in its own committed statement (rule 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least

from apps.rating.domain.prices import SkuKey
from apps.usage.domain.tagsets import TagSetKey
from apps.usage.domain.timeline import SentKey
from apps.usage.memory import Memory
from apps.usage.models import InternCount, SentSku, Sku, TagSet

TAG_SET_LIMIT: Final = 100_000
SENT_SKU_LIMIT: Final = 10_000

_tag_sets: Final[Memory[bytes, int]] = Memory(limit=200_000)
_sent_skus: Final[Memory[SentKey, int]] = Memory(limit=20_000)
_skus: Final[Memory[SkuKey, int]] = Memory(limit=20_000)


def remembered_tag_sets() -> Mapping[bytes, int]:
    """Return the numbers of the tag sets that the process met, by canonical JSON; read only."""
    return _tag_sets.known()


def intern_tag_sets(*, wanted: Mapping[bytes, TagSetKey], at: datetime) -> dict[bytes, int]:
    """Return the number of each tag set by its canonical JSON; those over the cap are left out.

    A month brings at most 100,000 new ones (in UTC, by the time of arrival).
    """
    found, missing = _tag_sets.split(wanted)
    if missing:
        new = {wanted[canonical].digest: canonical for canonical in missing}
        stored = _stored_tag_sets(new)
        lacking = sorted(new.keys() - stored.keys())
        allowed = lacking[: _draw(at, "tag_sets", len(lacking), TAG_SET_LIMIT)]
        if allowed:
            TagSet.objects.bulk_create(
                [_tag_set_row(digest, wanted[new[digest]], at) for digest in allowed],
                ignore_conflicts=True,
            )
            stored |= _stored_tag_sets(allowed)
        numbers = {new[digest]: number for digest, number in stored.items()}
        _tag_sets.keep(numbers)
        found |= numbers
    return found


def intern_sent_skus(*, wanted: Iterable[SentKey], at: datetime) -> dict[SentKey, int]:
    """Return the number of each SKU as sent; those over the monthly cap are left out."""
    found, missing = _sent_skus.split(wanted)
    if missing:
        numbers = _stored_sent_skus(missing)
        lacking = sorted(set(missing) - numbers.keys())
        allowed = lacking[: _draw(at, "sent_skus", len(lacking), SENT_SKU_LIMIT)]
        if allowed:
            SentSku.objects.bulk_create(
                [SentSku(**key._asdict()) for key in allowed], ignore_conflicts=True
            )
            numbers |= _stored_sent_skus(allowed)
        _sent_skus.keep(numbers)
        found |= numbers
    return found


def intern_sku(*, key: SkuKey) -> int:
    """Return the number of a SKU by canonical names."""
    found, missing = _skus.split([key])
    if not missing:
        return found[key]
    Sku.objects.bulk_create([Sku(**key._asdict())], ignore_conflicts=True)
    number = Sku.objects.values_list("id", flat=True).get(**key._asdict())
    _skus.keep({key: number})
    return number


def forget() -> None:
    """Empty the process's memory of numbers; for tests that drop schemas."""
    for memory in (_tag_sets, _sent_skus, _skus):
        memory.clear()


def _stored_tag_sets(digests: Iterable[bytes]) -> dict[bytes, int]:
    rows = TagSet.objects.filter(digest__in=list(digests)).values_list("digest", "id")
    return {bytes(digest): number for digest, number in rows}


def _tag_set_row(digest: bytes, key: TagSetKey, at: datetime) -> TagSet:
    return TagSet(
        digest=digest,
        tags=dict(sorted(key.tags.items())),
        account=key.account,
        credential=key.credential,
        operation=key.operation,
        created_at=at,
    )


def _stored_sent_skus(keys: Iterable[SentKey]) -> dict[SentKey, int]:
    wanted = set(keys)
    rows = SentSku.objects.filter(model__in={key.model for key in wanted})
    stored = {
        SentKey(row.provider, row.model, row.service_tier, row.batch, row.region): row.pk
        for row in rows
    }
    return {key: stored[key] for key in wanted if key in stored}


def _draw(at: datetime, counter: str, wanted: int, limit: int) -> int:
    """Take up to `wanted` from the month's allowance and return how many were left to take."""
    if wanted == 0:
        return 0
    month = date(at.year, at.month, 1)
    with transaction.atomic():
        InternCount.objects.bulk_create([InternCount(month=month)], ignore_conflicts=True)
        row = InternCount.objects.select_for_update().get(month=month)
        before: int = getattr(row, counter)
        InternCount.objects.filter(pk=row.pk).update(**{counter: Least(F(counter) + wanted, limit)})
    return min(wanted, limit - before)


__all__ = [
    "SENT_SKU_LIMIT",
    "TAG_SET_LIMIT",
    "forget",
    "intern_sent_skus",
    "intern_sku",
    "intern_tag_sets",
    "remembered_tag_sets",
]
