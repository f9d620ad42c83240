"""Whether a rule may be saved: what is wrong with it, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise

from apps.allocation.domain.commitments import BY_USE, COMMITMENT_DRIVERS
from apps.allocation.domain.graph import trapped
from apps.allocation.domain.rules import APART, MARKUP, UNALLOCATED, Axis, Method, Rule
from apps.allocation.domain.weights import candidates
from apps.core.domain.errors import FieldError, Unprocessable

MOST_RECEIVERS = 1000


class RuleRefused(Unprocessable):
    """The rule cannot be saved; `errors` says what to change in which field."""

    default_code = "rule_refused"


def check_rule(*, rule: Rule, known: Mapping[Axis, frozenset[str]]) -> None:
    """Pass when a rule is sound by itself; `known` are the registered receivers by axis.

    :raises RuleRefused: when it is not, naming every wrong field.
    """
    errors = tuple(_errors_of(rule, known[rule.axis]))
    if errors:
        raise RuleRefused(errors[0].message, errors=errors)


def check_circles(*, rules: Iterable[Rule], known: Mapping[Axis, frozenset[str]]) -> None:
    """Pass when no level holds senders whose cost can never leave their circle.

    :raises RuleRefused: naming the members of the circle.
    """
    levels: dict[tuple[Axis, int], dict[str, set[str]]] = {}
    for rule in rules:
        if rule.method in APART:
            continue
        level = levels.setdefault((rule.axis, rule.level), {})
        for sender in rule.senders() - {UNALLOCATED}:
            receivers = candidates(rule=rule, everyone=known[rule.axis])
            level.setdefault(sender, set()).update(
                "" if receiver == sender else receiver for receiver in receivers or ("",)
            )
    for (axis, number), edges in sorted(levels.items()):
        circle = trapped(edges)
        if circle:
            raise _circle_refused(axis, number, circle)


def _circle_refused(axis: Axis, level: int, circle: list[str]) -> RuleRefused:
    message = (
        f"On the {axis.value} axis, level {level}, cost would circle between "
        f"{', '.join(circle)} and never leave. Give one of them a receiver outside the circle, "
        "or put the rules on different levels."
    )
    return RuleRefused(
        message,
        code="allocation_cycle",
        errors=(FieldError("receivers", "allocation_cycle", message),),
    )


def _errors_of(rule: Rule, known: frozenset[str]) -> Iterator[FieldError]:
    yield from _scope_errors(rule)
    yield from _receiver_errors(rule, known)
    yield from _measure_errors(rule)
    if rule.valid_from and rule.valid_to and rule.valid_to <= rule.valid_from:
        yield FieldError("valid_to", "before_start", "The last month must not be before the first.")


def _scope_errors(rule: Rule) -> Iterator[FieldError]:
    if rule.scope.is_empty and rule.method not in APART:
        yield FieldError(
            "scope",
            "scope_empty",
            "Say which cost the rule picks up: owners, provider, service, model, charge "
            "category, account, or tags.",
        )
    if rule.scope.owners and rule.method is Method.COMMITMENT:
        yield FieldError(
            "scope.owners",
            "no_owners",
            "A commitment is shared whoever used it; say which by provider, service or tags.",
        )
    if MARKUP in rule.scope.owners:
        yield FieldError(
            "scope.owners", "reserved", "The markup recovery cannot be shared out again."
        )


def _receiver_errors(rule: Rule, known: frozenset[str]) -> Iterator[FieldError]:
    named = rule.receivers.named()
    if not named and not rule.receivers.everyone:
        yield FieldError("receivers", "required", "Name at least one receiver, or say everyone.")
    if len(named) > MOST_RECEIVERS:
        yield FieldError("receivers", "too_many", f"Name at most {MOST_RECEIVERS} receivers.")
    unknown = [code for code in named if code not in known and code != UNALLOCATED]
    if unknown:
        yield FieldError(
            "receivers",
            "unknown_receiver",
            f"No {rule.axis.value} is registered as {', '.join(unknown[:10])}. Register it under "
            "Settings first, or correct the code.",
        )
    if rule.receivers.everyone and rule.method in (Method.FIXED, Method.DIRECT):
        yield FieldError(
            "receivers", "named_only", f"A {rule.method.value} rule names its receivers."
        )
    if rule.method is Method.DIRECT and len(named) != 1:
        yield FieldError("receivers", "one_only", "A direct rule has exactly one receiver.")


def _measure_errors(rule: Rule) -> Iterator[FieldError]:
    percents = rule.receivers.percents
    if rule.method is Method.COMMITMENT and rule.driver not in COMMITMENT_DRIVERS:
        yield FieldError(
            "driver",
            "choice",
            "Savings are shared by `usage`, everybody's at contracted prices, or by `purchase`.",
        )
    if percents and rule.driver == BY_USE and rule.method is Method.COMMITMENT:
        yield FieldError(
            "receivers", "purchase_only", "Percentages say who bought; share by `purchase` then."
        )
    if rule.method is Method.FIXED or (rule.method is Method.COMMITMENT and percents):
        total = sum(percents.values(), Decimal(0))
        if any(part <= 0 for part in percents.values()):
            yield FieldError("receivers", "percent_range", "Every percentage must be above 0.")
        if total != 100 or len(percents) != len(rule.receivers.named()):
            yield FieldError(
                "receivers",
                "percent_sum",
                f"The percentages sum to {total.normalize():f}; they must sum to exactly 100.",
            )
    if rule.method in (Method.PROPORTIONAL, Method.TIERED) and not rule.driver:
        yield FieldError(
            "driver",
            "required",
            "Say what to split by: cost, tokens, requests, meter:CODE, outcomes, or the code of an "
            "uploaded driver.",
        )
    if rule.method is Method.MARKUP and not (-100 <= rule.percent <= 1000 and rule.percent):
        yield FieldError(
            "percent",
            "percent_range",
            "A markup is above 0 and at most 1000 percent; a subsidy below 0 and at least -100.",
        )
    yield from _tier_errors(rule)
    yield from _share_errors(rule)


def _tier_errors(rule: Rule) -> Iterator[FieldError]:
    if rule.method is not Method.TIERED:
        if rule.tiers:
            yield FieldError("tiers", "tiered_only", "Only a tiered rule has tiers.")
        return
    bounds = [tier.up_to for tier in rule.tiers]
    closed = [bound for bound in bounds[:-1] if bound is not None]
    if not bounds or bounds[-1] is not None or len(closed) != len(bounds) - 1:
        yield FieldError(
            "tiers", "tiers_open", "Give every tier but the last an upper end, and the last none."
        )
    elif any(after <= before for before, after in pairwise([Decimal(0), *closed])):
        yield FieldError("tiers", "tiers_order", "The upper ends of the tiers must rise from 0.")
    if not any(tier.weight for tier in rule.tiers) or any(tier.weight < 0 for tier in rule.tiers):
        yield FieldError(
            "tiers", "tier_weight", "No tier weighs less than 0, and at least one more than 0."
        )


def _share_errors(rule: Rule) -> Iterator[FieldError]:
    least, most = rule.minimum_share, rule.maximum_share
    if not least and most == 100:
        return
    if rule.method not in (Method.EVEN, Method.PROPORTIONAL, Method.TIERED):
        yield FieldError(
            "minimum_share",
            "shares_only",
            "Only even, proportional and tiered rules have a least and a most share.",
        )
    if not 0 <= least <= most <= 100 or not most:
        yield FieldError(
            "minimum_share",
            "share_range",
            "Shares lie between 0 and 100, the least first.",
        )
    elif least * len(rule.receivers.named()) > 100:
        yield FieldError(
            "minimum_share",
            "share_sum",
            f"{len(rule.receivers.named())} receivers cannot each bear at least {least} percent.",
        )
