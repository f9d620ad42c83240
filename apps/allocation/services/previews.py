"""Shows what other rules would do to a month, without writing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from apps.allocation.adapters.texts import as_amount
from apps.allocation.domain.check import check_circles, check_rule
from apps.allocation.domain.engine import Totals, by_receiver
from apps.allocation.domain.facts import Amounts, Change, Preview
from apps.allocation.domain.proof import source_totals
from apps.allocation.domain.rules import Axis, Rule, in_force
from apps.allocation.selectors.inputs import Inputs, gather, known_receivers
from apps.allocation.selectors.rules import rules_for
from apps.allocation.services.runs import require_rates
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month

_NOTHING = Totals(0, 0)


def preview(*, month: Month, rules: Sequence[Rule], actor: Actor) -> Preview:
    """Return who would bear more or less if `rules` replaced those of the same code.

    A rule whose span leaves the month out is taken away. Nothing is written.

    :raises RuleRefused: when a rule cannot be saved, naming the fields or the circle.
    """
    actor.require(Scope.COSTS_READ)
    saved = rules_for(month)
    known = known_receivers(month)
    for rule in rules:
        check_rule(rule=rule, known=known)
    changed = {rule.code for rule in rules}
    others = [rule for rule in saved if rule.code not in changed]
    wanted = in_force([*others, *rules], month.first_day)
    check_circles(rules=wanted, known=known)
    before = gather(month=month, rules=saved)
    require_rates(before)
    return _compared(before, replace(before, rules=wanted))


def _compared(before: Inputs, after: Inputs) -> Preview:
    changes: list[Change] = []
    for axis in Axis:
        changes += _changes(
            axis, by_receiver(before.allocations[axis]), by_receiver(after.allocations[axis])
        )
    total = source_totals(before.sources)
    return Preview(
        month=before.month,
        currency=before.base.currency,
        changes=tuple(
            sorted(changes, key=lambda one: (-abs(one.difference), one.axis, one.receiver))
        ),
        total=Amounts(_amount(total.billed), _amount(total.effective)),
        provisional_fx=before.base.provisional_fx,
    )


def _changes(axis: Axis, before: Mapping[str, Totals], after: Mapping[str, Totals]) -> list[Change]:
    return [
        Change(
            axis=axis,
            receiver=code,
            before=_amount(before.get(code, _NOTHING).effective),
            after=_amount(after.get(code, _NOTHING).effective),
        )
        for code in sorted(before.keys() | after.keys())
    ]


def _amount(units: int) -> Decimal:
    return Decimal(as_amount(units))
