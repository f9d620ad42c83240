"""Whether the steps of a policy or a round have people enough: nothing waits for nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from apps.core.domain.errors import FieldError
from apps.experiments.domain.policies import StepRule
from apps.experiments.domain.seats import Need, first_unmet, seated
from apps.experiments.domain.wording import people_in_words
from apps.experiments.selectors import people


def quorum_faults(
    groups: Iterable[tuple[str, Sequence[StepRule]]], *, on: date
) -> Iterator[FieldError]:
    """Yield the steps that too few people could ever decide, by the path of their group.

    Whose a team is, is known when something is submitted: here anybody could own it.
    """
    known = people.deciders(on=on)
    for path, steps in groups:
        could = [
            frozenset(one.id for one in known if step.approvers.may_be(one.role, one.email))
            for step in steps
        ]
        at = first_unmet(_needs(steps, could))
        if at is not None:
            step = steps[at]
            yield FieldError(
                f"{path}.{at}.quorum",
                "too_many",
                f"{step.name} needs {people_in_words(step.quorum)}, and {len(could[at])} could "
                f"decide it ({step.approvers.in_words}), none of them at two steps. Ask for fewer, "
                "widen who decides it, or invite another approver first.",
            )


def too_few(steps: Sequence[StepRule], *, team: str, barred: frozenset[int], on: date) -> str:
    """Say which step of a round too few people could decide, and the remedy; empty when none.

    `barred` are the people of the request. Those whom a late step is escalated to count as well.
    """
    known = people.deciders(on=on)
    could = []
    for step in steps:
        who = step.approvers | step.escalate_to
        found = seated(who, team=team, people=known, barred=barred)
        could.append(frozenset(one.id for one in found))
    at = first_unmet(_needs(steps, could))
    if at is None:
        return ""
    step = steps[at]
    return (
        f"The step {step.name} needs {people_in_words(step.quorum)}, and {len(could[at])} could "
        f"decide it ({(step.approvers | step.escalate_to).in_words}): nobody who asks or is to "
        "spend the money, and nobody at two steps. Ask finance for another approver, or for fewer "
        "at this step of the policy."
    )


def _needs(steps: Sequence[StepRule], could: Sequence[frozenset[int]]) -> list[Need]:
    return [Need(step.name, step.quorum, who) for step, who in zip(steps, could, strict=True)]
