"""Questions to the directory; answers are frozen values in the order of their codes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.db.models import Q

from apps.core.domain.errors import Missing
from apps.directory.domain.attribution import Attribution, Owner, Register
from apps.directory.domain.entries import (
    MARKUP_RECOVERY,
    UNALLOCATED,
    CostCenterFacts,
    CostCenterKind,
    CustomerFacts,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)
from apps.directory.domain.rules import Rule
from apps.directory.domain.spans import Span
from apps.directory.models import (
    AttributionRule,
    CostCenter,
    Customer,
    Feature,
    Membership,
    Placement,
    Product,
    RuleVersion,
    Team,
    in_force_at,
    valid_on,
)

__all__ = [
    "MARKUP_RECOVERY",
    "UNALLOCATED",
    "Attribution",
    "Owner",
    "attribution",
    "cost_centers",
    "customers",
    "features",
    "products",
    "rule",
    "rules",
    "teams",
]


def attribution(*, known_at: datetime | None = None) -> Attribution:
    """Return the whole directory as one pure function; seven queries.

    With `known_at` it answers as it would have at that moment, which is how a closed month is
    read again without being moved by later changes.
    """
    return Attribution(tuple(_rules(known_at)), _register(known_at))


def cost_centers(on: date | None = None) -> list[CostCenterFacts]:
    """Return the cost centers valid on a day (`None`: all ever), UNALLOCATED among them.

    With a day, `parent` is the one of that day; without, the last one placed. Two queries.
    """
    parents = _linked(
        Placement.objects.filter(_in_force(on)).values_list("cost_center__code", "parent__code")
    )
    return [
        CostCenterFacts(
            code=row.code,
            name=row.name,
            owner_name=row.owner_name,
            owner_email=row.owner_email,
            gl_code=row.gl_code,
            parent=parents.get(row.code, ""),
            kind=CostCenterKind(row.kind),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
        for row in CostCenter.objects.filter(_valid(on)).order_by("code")
    ]


def teams(on: date | None = None) -> list[TeamFacts]:
    """Return the teams valid on a day (`None`: all ever) with their cost centers; two queries."""
    owners = _linked(
        Membership.objects.filter(_in_force(on)).values_list("team__code", "cost_center__code")
    )
    return [
        TeamFacts(row.code, row.name, owners.get(row.code, ""), row.valid_from, row.valid_to)
        for row in Team.objects.filter(_valid(on)).order_by("code")
    ]


def products(on: date | None = None) -> list[ProductFacts]:
    """Return the products valid on a day (`None`: all ever); one query."""
    return [
        ProductFacts(row.code, row.name, row.valid_from, row.valid_to)
        for row in Product.objects.filter(_valid(on)).order_by("code")
    ]


def features(on: date | None = None) -> list[FeatureFacts]:
    """Return the features valid on a day (`None`: all ever); one query."""
    rows = Feature.objects.filter(_valid(on)).select_related("product").order_by("code")
    return [
        FeatureFacts(
            row.code,
            row.name,
            row.product.code if row.product else "",
            row.valid_from,
            row.valid_to,
        )
        for row in rows
    ]


def customers(on: date | None = None) -> list[CustomerFacts]:
    """Return the customers valid on a day (`None`: all ever); one query."""
    return [
        CustomerFacts(row.code, row.name, row.email, row.valid_from, row.valid_to)
        for row in Customer.objects.filter(_valid(on)).order_by("code")
    ]


def rules(*, known_at: datetime | None = None) -> list[Rule]:
    """Return the versions of rules in force, in the order in which they are asked; one query."""
    return list(Attribution(tuple(_rules(known_at)), Register({}, {})).rules)


def rule(*, public_id: str) -> Rule:
    """Return the last version in force of a rule; two queries.

    :raises Missing: when there is none.
    """
    row = AttributionRule.objects.filter(public_id=public_id).first()
    version = (
        row.versions.filter(superseded_at__isnull=True).select_related("rule").last()
        if row is not None
        else None
    )
    if version is None:
        raise Missing("There is no such rule in force.", code="rule_not_found")
    return version.facts


def _rules(known_at: datetime | None) -> Iterable[Rule]:
    rows = RuleVersion.objects.filter(in_force_at(known_at)).select_related("rule")
    return [row.facts for row in rows.order_by("pk")]


def _register(known_at: datetime | None) -> Register:
    kinds: dict[str, type[Team | Product | Feature | Customer | CostCenter]] = {
        "team": Team,
        "product": Product,
        "feature": Feature,
        "customer": Customer,
        "cost_center": CostCenter,
    }
    memberships: dict[str, tuple[Span, ...]] = {}
    rows = Membership.objects.filter(in_force_at(known_at)).order_by("team_id", "valid_from")
    for team, start, end, target in rows.values_list(
        "team__code", "valid_from", "valid_to", "cost_center__code"
    ):
        memberships[team] = (*memberships.get(team, ()), Span(start, end, target))
    return Register({name: _codes(kind, known_at) for name, kind in kinds.items()}, memberships)


def _codes(
    kind: type[Team | Product | Feature | Customer | CostCenter], known_at: datetime | None
) -> dict[str, Span]:
    rows = kind.objects.order_by("code").only(
        "code", "valid_from", "valid_to", "created_at", "retired_at"
    )
    if known_at is None:
        return {row.code: row.days for row in rows}
    return {row.code: row.days_known_at(known_at) for row in rows.filter(created_at__lte=known_at)}


def _in_force(on: date | None) -> Q:
    return in_force_at(None) & (valid_on(on) if on is not None else Q())


def _valid(on: date | None) -> Q:
    return valid_on(on) if on is not None else Q()


def _linked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return dict(pairs)
