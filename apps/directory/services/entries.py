"""Enter and revise cost centers, teams, products, features and customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Final

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Missing, Unprocessable
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    Entry,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
    refusals_of,
)
from apps.directory.models import CostCenter, Customer, Feature, Product, Team
from apps.directory.services.tree import link_cost_center, link_team, move

Row = CostCenter | Team | Product | Feature | Customer

MODELS: Final[Mapping[type[Entry], type[Row]]] = {
    CostCenterFacts: CostCenter,
    TeamFacts: Team,
    ProductFacts: Product,
    FeatureFacts: Feature,
    CustomerFacts: Customer,
}
SUBJECTS: Final[Mapping[type[Entry], str]] = {
    CostCenterFacts: "cost_center",
    TeamFacts: "team",
    ProductFacts: "product",
    FeatureFacts: "feature",
    CustomerFacts: "customer",
}


class EntryRefused(Unprocessable):
    """A field of the entry cannot be right."""

    default_code = "entry_refused"


class EntryExists(Conflict):
    """The code is taken."""

    default_code = "entry_exists"


class EntryMissing(Missing):
    """The directory has no entry of that code."""

    default_code = "entry_not_found"


@transaction.atomic
def enter(*, entry: Entry, actor: Actor, now: datetime) -> Entry:
    """Add an entry; a team's cost center and a cost center's parent hold from the start.

    :raises EntryRefused: when a field cannot be right or names what does not exist.
    :raises EntryExists: when the code is taken.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    model = MODELS[type(entry)]
    refuse(refusals_of(entry))
    if model.objects.filter(code=entry.code).exists():
        raise _taken(entry)
    row = model(code=entry.code, created_at=now)
    try:
        with transaction.atomic():
            _write(row, entry, now=now)
    except IntegrityError as error:  # entered by somebody else at this moment
        raise _taken(entry) from error
    _link(row, entry, since=entry.valid_from, now=now)
    _record(actor, "created", entry, asdict(entry), now)
    return entry


@transaction.atomic
def revise(*, entry: Entry, actor: Actor, now: datetime) -> Entry:
    """Replace what is said about an existing code; parents and memberships move elsewhere.

    Saying the same again changes nothing and records nothing.

    :raises EntryMissing: when there is no entry of the code.
    :raises EntryRefused: when a field cannot be right.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    refuse(refusals_of(entry))
    row = MODELS[type(entry)].objects.select_for_update(no_key=True).filter(code=entry.code).first()
    if row is None:
        raise EntryMissing(f"There is no {SUBJECTS[type(entry)]} {entry.code}.")
    before = _stated(row, entry)
    if isinstance(row, CostCenter) and row.kind != "ordinary":
        _refuse_ending(entry)
    _write(row, entry, now=now)
    after = _stated(row, entry)
    if before != after:
        _record(actor, "changed", entry, {"before": before, "after": after}, now)
    return entry


@transaction.atomic
def revise_and_move(*, entry: Entry, since: date | None, actor: Actor, now: datetime) -> Entry:
    """Replace what is said about a code, and put it where it says it belongs, from a day on.

    :raises EntryMissing: when there is no entry of the code.
    :raises EntryRefused: when a field cannot be right.
    :raises CycleRefused: when a ring of cost centers would close.
    """
    revised = revise(entry=entry, actor=actor, now=now)
    move(entry=entry, since=since, actor=actor, now=now)
    return revised


def refuse(errors: tuple[FieldError, ...]) -> None:
    """Pass when there is no error.

    :raises EntryRefused: when there is one.
    """
    if errors:
        raise EntryRefused(errors[0].message, errors=errors)


def _taken(entry: Entry) -> EntryExists:
    message = f"The code {entry.code} is taken."
    return EntryExists(message, errors=(FieldError("code", "exists", message),))


def _write(row: Row, entry: Entry, *, now: datetime) -> None:
    row.name = entry.name.strip()
    if entry.valid_to != row.valid_to:
        row.retired_at = now if entry.valid_to else None
    row.valid_from, row.valid_to = entry.valid_from, entry.valid_to
    match row, entry:
        case CostCenter(), CostCenterFacts():
            row.owner_name, row.owner_email = entry.owner_name.strip(), entry.owner_email
            row.gl_code = entry.gl_code.strip()
        case Customer(), CustomerFacts():
            row.email = entry.email
        case Feature(), FeatureFacts():
            row.product = _product(entry.product)
        case _:
            pass
    row.save()


def _link(row: Row, entry: Entry, *, since: date | None, now: datetime) -> None:
    match row, entry:
        case CostCenter(), CostCenterFacts() if entry.parent:
            link_cost_center(row, parent=entry.parent, since=since, now=now)
        case Team(), TeamFacts() if entry.cost_center:
            link_team(row, cost_center=entry.cost_center, since=since, now=now)
        case _:
            pass


def _product(code: str) -> Product | None:
    if not code:
        return None
    product = Product.objects.filter(code=code).first()
    if product is None:
        refuse((FieldError("product", "unknown", f"There is no product {code}."),))
    return product


def _refuse_ending(entry: Entry) -> None:
    if entry.valid_from or entry.valid_to:
        refuse((FieldError("valid_to", "always_there", f"{entry.code} is always there."),))


def _stated(row: Row, entry: Entry) -> dict[str, object]:
    linked = {"parent", "cost_center", "kind"}
    stated = {name: getattr(row, name) for name in asdict(entry) if name not in linked}
    if isinstance(row, Feature):
        stated["product"] = row.product.code if row.product else ""
    return stated


def _record(
    actor: Actor, verb: str, entry: Entry, detail: Mapping[str, object], now: datetime
) -> None:
    subject = SUBJECTS[type(entry)]
    audit.record(
        actor=actor,
        action=f"{subject}.{verb}",
        subject=subject,
        subject_id=entry.code,
        detail=detail,
        at=now,
    )
