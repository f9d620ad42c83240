"""Keeps what-if runs: a month allocated by rules that are not in force, beside the published one.

A what-if run is written, checked and sealed like any other and can never be published; the
database says so too. It is of no month's books, so a closed month can be supposed otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db import transaction

from apps.allocation.domain.check import check_circles, check_rule
from apps.allocation.domain.facts import RunFacts
from apps.allocation.domain.rules import Rule, in_force
from apps.allocation.models import Run, RunState
from apps.allocation.selectors.inputs import Inputs, gather, known_receivers
from apps.allocation.selectors.rules import rules_for
from apps.allocation.selectors.runs import run_facts
from apps.allocation.services.runs import require_rates, write_run
from apps.allocation.services.turns import take_turn
from apps.audit import services as audit
from apps.core.breath import without_collections
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Unprocessable
from apps.core.domain.months import Month

MOST_A_MONTH: Final = 20
NAME_LIMIT: Final = 200


class WhatIfRefused(Unprocessable):
    """The what-if run cannot be made; `errors` says what to change in which field."""

    default_code = "what_if_refused"


class TooManyWhatIfs(Conflict):
    """A month has as many what-if runs as it may have."""

    default_code = "what_if_limit"


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a run supposes of a month: `rules` in place of those of the same code, some left out.

    The rules are supposed to apply in the month whatever months they name.
    """

    month: Month
    name: str
    rules: Sequence[Rule] = ()
    without: Sequence[str] = ()


@transaction.atomic
def keep_what_if(*, draft: WhatIf, actor: Actor, now: datetime) -> RunFacts:
    """Allocate a month as supposed and keep the run; the published one stays what it is.

    The same supposition under the same name is one run.

    :raises WhatIfRefused: without a name, without a change, or when the month has no cost.
    :raises TooManyWhatIfs: when the month has twenty already.
    :raises RuleRefused: when a rule cannot be meant, naming the fields or the circle.
    :raises RatesMissing: when the month lacks an exchange rate that its cost needs.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    name = _checked_name(draft.name)
    wanted = supposed_rules(draft)
    take_turn(draft.month)
    with without_collections():
        inputs = gather(month=draft.month, rules=wanted)
        require_rates(inputs)
        known = _kept(inputs, name)
        return run_facts(known or _keep(inputs, name, actor, now))


def supposed_rules(draft: WhatIf) -> list[Rule]:
    """Return the rules that a what-if run applies.

    :raises WhatIfRefused: when nothing would be other than it is, or a code is not in force.
    """
    saved = rules_for(draft.month)
    known = known_receivers(draft.month)
    for rule in draft.rules:
        check_rule(rule=rule, known=known)
    missing = sorted(set(draft.without) - {rule.code for rule in saved})
    if missing:
        raise _refused("without", f"{draft.month} has no rule {', '.join(missing)[:200]}.")
    if not draft.rules and not draft.without:
        raise _refused("rules", "Suppose a rule, or leave one out.")
    gone = {rule.code for rule in draft.rules} | set(draft.without)
    day = draft.month.first_day
    supposed = [replace(rule, valid_from=day, valid_to=None) for rule in draft.rules]
    wanted = in_force([*(rule for rule in saved if rule.code not in gone), *supposed], day)
    check_circles(rules=wanted, known=known)
    return wanted


def _kept(inputs: Inputs, name: str) -> Run | None:
    """Return the run that supposed the same before.

    :raises TooManyWhatIfs: when there is none and no room for another.
    """
    if not inputs.sources:
        raise _refused("period", f"{inputs.month} has no cost yet, so there is nothing to suppose.")
    rows = Run.objects.filter(month=inputs.month.first_day, state=RunState.WHAT_IF)
    known = rows.filter(name=name, input_hash=inputs.digest).first()
    if known is None and rows.count() >= MOST_A_MONTH:
        raise TooManyWhatIfs(
            f"{inputs.month} has {MOST_A_MONTH} what-if runs, which is the most; compare those."
        )
    return known


def _keep(inputs: Inputs, name: str, actor: Actor, now: datetime) -> Run:
    row = write_run(inputs, actor=actor, now=now, what_if=name)
    row.keep()
    audit.record(
        actor=actor,
        action="allocation.what_if_kept",
        subject="period",
        subject_id=str(inputs.month),
        detail={
            "run": row.public_id,
            "name": name,
            "input_hash": row.input_hash,
            "output_hash": row.output_hash,
        },
        at=now,
    )
    return row


def _checked_name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise _refused("name", f"Name what you suppose, in at most {NAME_LIMIT} characters.")
    return name


def _refused(field: str, message: str) -> WhatIfRefused:
    return WhatIfRefused(message, errors=(FieldError(field, field, message),))
