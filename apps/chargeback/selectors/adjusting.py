"""Which adjustments correct a disputed statement."""

from __future__ import annotations

from apps.allocation import selectors as allocation
from apps.allocation.selectors import AdjustmentFacts, Axis
from apps.chargeback.domain.acceptance import AnswerInvalid
from apps.core.domain.errors import FieldError
from apps.core.domain.months import Month
from apps.directory import selectors as directory

_APPROVED = "approved"


def corrections(*, since: Month, cost_center: str) -> list[AdjustmentFacts]:
    """Return the approved adjustments from a month on that move cost of a cost center.

    Newest first; two queries, and two more a month that has some. One between customers may
    correct any statement, whose cost to serve it moves.
    """
    found = [
        one
        for one in allocation.adjustments()
        if one.state == _APPROVED and one.month.first_day >= since.first_day
    ]
    centers = {month: _centers(month) for month in {one.month for one in found}}
    return [one for one in found if _concerns(one, cost_center, centers[one.month])]


def correction(reference: str, *, since: Month, cost_center: str) -> AdjustmentFacts:
    """Return the adjustment that a decision names by its number or id.

    :raises AnswerInvalid: when there is none from the statement's month on, when it is not
        approved, or when it moves no cost of the cost center.
    """
    wanted = reference.strip().casefold()
    for one in allocation.adjustments():
        if wanted not in (one.code.casefold(), str(one.id)):
            continue
        if one.state == "requested":
            raise _wrong(f"{one.code} waits for another person's approval; decide after that.")
        if one.state != _APPROVED:
            raise _wrong(f"{one.code} is {one.state}; name one that is approved.")
        if one.month.first_day < since.first_day:
            raise _wrong(f"{one.code} is of {one.month}, before the statement.")
        if not _concerns(one, cost_center, _centers(one.month)):
            raise _wrong(
                f"{one.code} moves cost from {one.sender} to {one.receiver}, none of {cost_center}."
            )
        return one
    raise _wrong(f"there is no adjustment {reference!r}; ask for one under Month, Adjustments.")


def _centers(month: Month) -> dict[str, str]:
    """Return the cost center of every team at a month's end."""
    return {team.code: team.cost_center for team in directory.teams(month.last_day)}


def _concerns(one: AdjustmentFacts, cost_center: str, centers: dict[str, str]) -> bool:
    if one.axis is Axis.CUSTOMER:
        return True
    ends = (one.sender, one.receiver)
    return cost_center in {centers.get(code, code) or allocation.UNALLOCATED for code in ends}


def _wrong(message: str) -> AnswerInvalid:
    text = f"reference: {message}"
    return AnswerInvalid(text, errors=(FieldError("reference", "adjustment", text),))
