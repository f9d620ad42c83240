"""Which adjustments correct a disputed statement."""

from __future__ import annotations

from apps.allocation import selectors as allocation
from apps.allocation.selectors import AdjustmentFacts
from apps.chargeback.domain.acceptance import AnswerInvalid
from apps.core.domain.errors import FieldError
from apps.core.domain.months import Month

_STANDING = ("requested", "approved")


def corrections(*, since: Month) -> list[AdjustmentFacts]:
    """Return the adjustments from a month on that are asked for or approved, newest first."""
    return [
        one
        for one in allocation.adjustments()
        if one.state in _STANDING and one.month.first_day >= since.first_day
    ]


def correction(reference: str, *, since: Month) -> AdjustmentFacts:
    """Return the adjustment that a decision names by its number or id.

    :raises AnswerInvalid: when there is none from the statement's month on, or it was turned down.
    """
    wanted = reference.strip().casefold()
    for one in allocation.adjustments():
        if wanted not in (one.code.casefold(), str(one.id)):
            continue
        if one.state not in _STANDING:
            raise _wrong(f"{one.code} is {one.state}; name one that is asked for or approved.")
        if one.month.first_day < since.first_day:
            raise _wrong(f"{one.code} is of {one.month}, before the statement.")
        return one
    raise _wrong(f"there is no adjustment {reference!r}; ask for one under Month, Adjustments.")


def _wrong(message: str) -> AnswerInvalid:
    text = f"reference: {message}"
    return AnswerInvalid(text, errors=(FieldError("reference", "adjustment", text),))
