"""Reads what statements need beside the lines: dates, recipients, terms, earlier statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import Q

from apps.accounts import selectors as accounts
from apps.allocation.selectors import RunFacts
from apps.chargeback.domain.budgets import BudgetFact
from apps.chargeback.domain.facts import (
    UNALLOCATED,
    Earlier,
    Issuer,
    PeriodDates,
    Recipient,
    RunStamp,
    Terms,
)
from apps.chargeback.models import Statement, StatementTerms
from apps.chargeback.selectors import budgeting
from apps.core.domain.access import Actor, Role
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.documents import selectors as documents
from apps.documents.domain.states import State
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

HISTORY: Final = 12
"""Months before the one stated that the trend shows."""


def issuer() -> Issuer:
    """Return the tenant as the issuer of its statements."""
    tenant = tenants.current()
    return Issuer(
        name=tenant.name,
        slug=tenant.slug,
        locale=tenant.locale,
        timezone=tenant.timezone.key,
        brand_color=tenant.brand_color,
    )


def dates_of(month: Month, run: RunFacts) -> PeriodDates:
    """Return the bounds of the month; one query."""
    period = periods.period(month)
    return PeriodDates(
        month=month,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        fx_provisional=run.provisional_fx,
    )


def stamp_of(run: RunFacts) -> RunStamp:
    """Return the run as a statement names it."""
    return RunStamp(id=run.id, input_hash=run.input_hash, output_hash=run.output_hash)


def recipients(month: Month, *, charged: Iterable[str]) -> dict[str, Recipient]:
    """Return who gets a statement, by code.

    Everybody who is charged, UNALLOCATED always, and those who had a statement last month or an
    issued one this month, so that the last word to them is not an old number.
    """
    known = {center.code: center for center in directory.cost_centers(month.last_day)}
    codes = {*charged, UNALLOCATED, *_with_statement(month)}
    found = {}
    for code in sorted(codes):
        center = known.get(code)
        if center is None:
            found[code] = Recipient(code=code, name=code)
            continue
        found[code] = Recipient(
            code=code,
            name=center.name,
            owner_name=center.owner_name,
            owner_email=center.owner_email,
            gl_code=center.gl_code,
            parent=center.parent,
        )
    return found


def terms(actor: Actor) -> Terms:
    """Return the terms in force; without any, questions go to whoever prepares, or to finance."""
    row = StatementTerms.objects.order_by("-id").first()
    if row is None:
        return Terms(dispute_contact=_contact(actor))
    return Terms(
        dispute_contact=row.dispute_contact,
        dispute_days=row.dispute_days,
        recovery_account=row.recovery_account,
        recovery_name=row.recovery_name,
    )


def earlier(month: Month, *, currency: str) -> Mapping[str, Earlier]:
    """Return what each cost center was charged in the months before; two queries."""
    first = (month - HISTORY).first_day
    rows = (
        Statement.objects.filter(month__gte=first, month__lt=month.first_day)
        .filter(document__currency=currency)
        .exclude(document__state=State.VOID.value)
        .order_by("cost_center", "month", "id")
        .values_list("cost_center", "month", "document__total")
    )
    totals: dict[str, dict[Month, Decimal]] = {}
    for code, day, total in rows:
        totals.setdefault(code, {})[Month.of(day)] = total
    last = _last_month(month, currency)
    return {
        code: Earlier(
            payload=last[code].payload if code in last else None,
            number=last[code].number if code in last else "",
            totals=tuple(sorted(sums.items())),
        )
        for code, sums in totals.items()
    }


def budgets(month: Month) -> list[BudgetFact]:
    """Return the budgets that were in force in a month, those of teams with their cost center.

    Up to three queries beside those of the budgets.
    """
    found = budgeting.figures(month)
    if not found:
        return []
    homes = {team.code: team.cost_center for team in directory.teams(month.last_day)}
    return [replace(fact, scope=_placed(fact.scope, homes)) for fact in found]


def _placed(scope: Mapping[str, str], homes: Mapping[str, str]) -> dict[str, str]:
    """Name the cost center of a team's budget, which is whose statement shows it."""
    home = homes.get(scope.get("team", ""), "")
    return {**scope, "cost_center": home} if home and "cost_center" not in scope else dict(scope)


def issued(month: Month) -> dict[str, UUID]:
    """Return the document of the latest issued statement of each cost center; one query."""
    rows = Statement.objects.filter(month=month.first_day, document__state=State.SEALED.value)
    return dict(rows.order_by("id").values_list("cost_center", "document__public_id"))


def _last_month(month: Month, currency: str) -> dict[str, documents.DocumentFacts]:
    """Return last month's latest document of each cost center; two queries."""
    rows = Statement.objects.filter(
        month=(month - 1).first_day, document__currency=currency
    ).exclude(document__state=State.VOID.value)
    latest = dict(rows.order_by("id").values_list("cost_center", "document__public_id"))
    found = documents.documents(latest.values())
    return {code: found[id] for code, id in latest.items()}


def _with_statement(month: Month) -> set[str]:
    """Return who was charged last month, or has an issued statement this month."""
    before = Statement.objects.filter(month=(month - 1).first_day).exclude(
        Q(document__state=State.VOID.value) | Q(document__total=0)
    )
    now = Statement.objects.filter(
        month=month.first_day, document__state=State.SEALED.value
    ).exclude(document__total=0)
    return set(before.union(now).values_list("cost_center", flat=True))


def _contact(actor: Actor) -> str:
    """Return the e-mail address of whoever prepares, else of the first finance person or owner."""
    if actor.user_id is not None:
        return accounts.person(actor.user_id).email
    people = [person for person in accounts.people() if person.is_active]
    for role in (Role.FINANCE, Role.OWNER):
        for person in people:
            if person.role is role:
                return person.email
    return actor.label
