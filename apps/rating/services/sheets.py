"""Takes a sheet of contract prices and discounts: first what it would do, then all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Refusal, Unprocessable
from apps.rating.adapters.sheets import SheetRefused, read_csv
from apps.rating.domain import sheets
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.sheets import Draft, SheetRow
from apps.rating.domain.terms import DiscountDraft
from apps.rating.selectors.peers import canonical_draft, canonical_scope
from apps.rating.selectors.sheet import believed_drafts
from apps.rating.services.contracts import record_contract_price
from apps.rating.services.discounts import record_discount

Deed = Literal["new", "replaces", "unchanged", "error"]


class SheetHasErrors(Unprocessable):
    """Some rows of a sheet cannot be taken, so none is."""

    default_code = "sheet_has_errors"


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What a row does: `was` is the term that it replaces, from the row's beginning on."""

    line: int
    deed: Deed
    draft: Draft | None
    was: Draft | None = None
    faults: tuple[FieldError, ...] = ()


class _Rehearsed(Exception):
    """Ends a transaction that was only to be tried."""


def rehearse_sheet(
    *, body: bytes, confirmed: frozenset[int], actor: Actor, now: datetime
) -> list[RowPlan]:
    """Return what a sheet would do, row by row, with what is wrong; nothing is kept.

    `confirmed` are the lines whose price is meant although it is 100 times off.

    :raises SheetRefused: when the file as a whole cannot be read.
    """
    actor.require(Scope.PRICES_WRITE)
    plans: list[RowPlan] = []
    with suppress(_Rehearsed), transaction.atomic():
        plans = _taken(_read(body), confirmed, actor, now)
        raise _Rehearsed
    return plans


def import_sheet(
    *, body: bytes, confirmed: frozenset[int], actor: Actor, now: datetime
) -> list[RowPlan]:
    """Record what a sheet says, in one transaction; return what each row did.

    Rows that are believed already change nothing, so that a sheet may be sent twice.

    :raises SheetRefused: when the file as a whole cannot be read.
    :raises SheetHasErrors: when any row cannot be taken; nothing is recorded then.
    """
    actor.require(Scope.PRICES_WRITE)
    with transaction.atomic():
        plans = _taken(_read(body), confirmed, actor, now)
        wrong = [plan for plan in plans if plan.faults]
        if wrong:
            raise SheetHasErrors(
                f"{len(wrong)} of {len(plans)} rows cannot be taken, so none was.",
                errors=tuple(
                    FieldError(f"rows.{plan.line}.{fault.field}", fault.code, fault.message)
                    for plan in wrong
                    for fault in plan.faults
                ),
            )
        counts = {deed: sum(p.deed == deed for p in plans) for deed in ("new", "replaces")}
        if any(counts.values()):
            audit.record(
                actor=actor,
                action="price_sheet.imported",
                subject="price_sheet",
                subject_id=now.isoformat(),
                detail={**counts, "rows": len(plans)},
                at=now,
            )
    return plans


def _read(body: bytes) -> list[SheetRow]:
    header, lines = read_csv(body)
    try:
        return sheets.rows_of(header, lines)
    except ValueError as error:
        raise SheetRefused(str(error)) from None


def _taken(
    rows: Sequence[SheetRow], confirmed: frozenset[int], actor: Actor, now: datetime
) -> list[RowPlan]:
    believed = dict(believed_drafts())
    return [_take(row, believed, row.line in confirmed, actor, now) for row in rows]


def _take(
    row: SheetRow, believed: Mapping[UUID, Draft], confirmed: bool, actor: Actor, now: datetime
) -> RowPlan:
    if row.draft is None:
        return RowPlan(row.line, "error", None, faults=row.faults)
    with suppress(Refusal):
        draft = _canonical(row.draft)
        if draft in (_bare(each) for each in believed.values()):
            return RowPlan(row.line, "unchanged", row.draft)
    old = _replaced(_canonical(row.draft), believed)
    try:
        _record(row.draft, old, confirmed, actor, now)
    except Refusal as refusal:
        faults = refusal.errors or (FieldError("", refusal.code, refusal.message),)
        return RowPlan(row.line, "error", row.draft, faults=faults)
    if old is None:
        return RowPlan(row.line, "new", row.draft)
    return RowPlan(row.line, "replaces", row.draft, was=believed[old])


def _record(draft: Draft, old: UUID | None, confirmed: bool, actor: Actor, now: datetime) -> None:
    if isinstance(draft, DiscountDraft):
        record_discount(draft=replace(draft, replaces=old), actor=actor, now=now)
        return
    meant = draft.confirm_unit_slip or confirmed
    wanted = replace(draft, replaces=old, confirm_unit_slip=meant)
    record_contract_price(draft=wanted, actor=actor, now=now)


def _replaced(draft: Draft, believed: Mapping[UUID, Draft]) -> UUID | None:
    """Return the one believed term of the same scope whose time the row's touches."""
    found = [
        number
        for number, each in believed.items()
        if _scope(each) == _scope(draft) and _touches(each, draft)
    ]
    return found[0] if len(found) == 1 else None


def _touches(one: Draft, other: Draft) -> bool:
    return (other.valid_to is None or one.valid_from < other.valid_to) and (
        one.valid_to is None or other.valid_from < one.valid_to
    )


def _scope(draft: Draft) -> tuple[object, ...]:
    if isinstance(draft, ContractDraft):
        return (draft.provider, draft.model, draft.meter, draft.conditions)
    narrowed = (draft.service_tier, draft.batch, draft.region, draft.context_gt)
    return (draft.scope, *narrowed)


def _canonical(draft: Draft) -> Draft:
    if isinstance(draft, ContractDraft):
        return _bare(canonical_draft(draft))
    return replace(draft, scope=canonical_scope(draft.scope))


def _bare(draft: Draft) -> Draft:
    """Return a draft without the word that it is meant."""
    if isinstance(draft, ContractDraft):
        return replace(draft, confirm_unit_slip=False, note=draft.note.strip())
    return replace(draft, note=draft.note.strip())
