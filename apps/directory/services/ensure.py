"""Enter whatever is missing, for the demo and for imports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from apps.core.domain.access import Actor
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    Entry,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)
from apps.directory.domain.rules import Rule
from apps.directory.models import AttributionRule
from apps.directory.services.entries import MODELS, enter
from apps.directory.services.rules import add_rule


@transaction.atomic
def ensure_entries(
    *,
    actor: Actor,
    now: datetime,
    cost_centers: Sequence[CostCenterFacts] = (),
    teams: Sequence[TeamFacts] = (),
    products: Sequence[ProductFacts] = (),
    features: Sequence[FeatureFacts] = (),
    customers: Sequence[CustomerFacts] = (),
    rules: Sequence[Rule] = (),
) -> int:
    """Enter the codes and rules that the directory lacks; return how many there were.

    What is there already is left alone. Cost centers are entered in the order given, so parents
    come first. All or nothing.

    :raises EntryRefused: when a field cannot be right.
    :raises RuleRefused: when a rule cannot be right.
    """
    added = 0
    for entries in (cost_centers, teams, products, features, customers):
        added += _enter_missing(entries, actor=actor, now=now)
    known = set(AttributionRule.objects.values_list("name", flat=True))
    for rule in rules:
        if rule.name not in known:
            add_rule(rule=rule, actor=actor, now=now)
            added += 1
    return added


def _enter_missing(entries: Sequence[Entry], *, actor: Actor, now: datetime) -> int:
    if not entries:
        return 0
    model = MODELS[type(entries[0])]
    codes = [entry.code for entry in entries]
    known = set(model.objects.filter(code__in=codes).values_list("code", flat=True))
    missing = [entry for entry in entries if entry.code not in known]
    for entry in missing:
        enter(entry=entry, actor=actor, now=now)
    return len(missing)
