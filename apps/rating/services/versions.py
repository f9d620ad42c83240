"""Which version of the price book is in force, and putting a newer one in force."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from apps.audit import services as audit
from apps.core.db import current_schema
from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict
from apps.rating.models import CurrentVersion, PriceBookVersion
from apps.rating.selectors.book import latest_knowledge

_IN_FORCE: Final = "SELECT version_id FROM {schema}.rating_currentversion WHERE id = 1 {lock}"

_TICK: Final = timedelta(microseconds=1)


class PriceBookMoved(Conflict):
    """Another version of the price book is in force than the caller rated with."""

    default_code = "price_book_moved"


def version_held() -> str:
    """Return the statement that holds the version in force FOR SHARE.

    It gives the number and when it was adopted, like `selectors.version_in_force`. For those who
    ask several things at once; `check_version` is this and the comparison.
    """
    schema = connection.ops.quote_name(current_schema())
    return (
        f"SELECT v.id, v.adopted_at FROM {schema}.rating_currentversion c "  # noqa: S608 - quoted
        f"JOIN {schema}.rating_pricebookversion v ON v.id = c.version_id "
        "WHERE c.id = 1 FOR SHARE OF c"
    )


def check_version(*, version: int) -> None:
    """Hold the version in force until the transaction ends, so that no price moves under it.

    Takes its row FOR SHARE: the first lock of an ingest transaction (rule 9).

    :raises PriceBookMoved: when another version is in force; read the book again and rate anew.
    """
    in_force = _locked("FOR SHARE")
    if in_force != version:
        raise PriceBookMoved(
            f"The price book moved from version {version} to {in_force}; rate with the new one."
        )


def adopt_version(*, actor: Actor, now: datetime) -> int:
    """Put everything that is known about prices in force; return the version.

    Waits for ingest transactions and holds off new ones until the caller's transaction ends,
    in which the caller also re-rates open periods (rule 5). Nothing new to know: nothing
    changes, and the version in force is returned.
    """
    with transaction.atomic():
        before = held_version()
        listed, contract = latest_knowledge()
        catalog_known_at = max(before.catalog_known_at, listed or before.catalog_known_at)
        contract_known_at = max(before.contract_known_at, contract or before.contract_known_at)
        if (catalog_known_at, contract_known_at) == (
            before.catalog_known_at,
            before.contract_known_at,
        ):
            return before.pk
        after = PriceBookVersion.objects.create(
            catalog_known_at=catalog_known_at,
            contract_known_at=contract_known_at,
            adopted_at=now,
            adopted_by=actor.label,
        )
        CurrentVersion.objects.filter(pk=1).update(version=after)
        audit.record(
            actor=actor,
            action="price_book.adopted",
            subject="price_book",
            subject_id=str(after.pk),
            detail={
                "before": before.pk,
                "catalog_known_at": catalog_known_at,
                "contract_known_at": contract_known_at,
            },
            at=now,
        )
    return after.pk


def hold_version() -> int:
    """Hold off ingest and every other change of prices until the transaction ends.

    For the caller of `adopt_version` that re-rates: audit records come last (rule 9), so that
    it locks the version, then its periods, and only then adopts.
    """
    return _locked("FOR UPDATE")


def held_version() -> PriceBookVersion:
    """Lock the version in force against adoption and other changes of contract prices.

    Contract prices become known in the order of their moments, one after the other; otherwise a
    price that commits late could slip into a version that was already adopted.
    """
    return PriceBookVersion.objects.get(pk=_locked("FOR UPDATE"))


def next_knowledge(now: datetime) -> datetime:
    """Lock the version in force and return a moment after everything that is known already."""
    version = held_version()
    _, learned = latest_knowledge()
    return max(
        now, (learned or version.contract_known_at) + _TICK, version.contract_known_at + _TICK
    )


def _locked(lock: str) -> int:
    name = current_schema()
    schema = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute(_IN_FORCE.format(schema=schema, lock=lock))
        version: int = cursor.fetchone()[0]
    return version
