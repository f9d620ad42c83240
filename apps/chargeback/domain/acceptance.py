"""What readers may say to a statement, until when, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.core.domain.errors import Conflict, FieldError, Forbidden, Missing, Unprocessable
from apps.core.domain.months import Month

COMMENT_LIMIT: Final = 4000
"""Characters of a comment or a reason."""


class Verdict(StrEnum):
    """What was said to a statement; silence until the end counts as lapsed."""

    ACCEPTED = "accepted"
    DISPUTED = "disputed"
    LAPSED = "lapsed"


class Outcome(StrEnum):
    """How a dispute ended."""

    REJECTED = "rejected"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


class Lapse(StrEnum):
    """What silence means once the days are over."""

    ACCEPT = "accept"
    STAY_OPEN = "stay_open"


class AcceptanceState(StrEnum):
    """Where a statement stands with its reader."""

    DRAFT = "draft"
    AWAITING = "awaiting"
    OVERDUE = "overdue"
    DISPUTED = "disputed"
    ACCEPTED = "accepted"
    LAPSED = "lapsed"
    REPLACED = "replaced"


class PersonRequired(Forbidden):
    """A service key cannot speak for a person (rule 21)."""

    default_code = "person_required"


class NotTheOwner(Forbidden):
    """Only the cost center's owner, or whoever finance named, answers a statement."""

    default_code = "not_the_owner"


class SamePerson(Forbidden):
    """Whoever disputes does not decide the dispute."""

    default_code = "same_person"


class StatementNotIssued(Conflict):
    """A draft or a replaced statement takes no answer."""

    default_code = "statement_not_issued"


class StatementSettled(Conflict):
    """The statement is accepted, or counts as accepted."""

    default_code = "statement_settled"


class DisputesOpen(Conflict):
    """A statement with an open dispute cannot be accepted."""

    default_code = "disputes_open"


class WindowOver(Conflict):
    """The days for questions are over."""

    default_code = "dispute_window_over"


class DisputeMissing(Missing):
    """There is no such dispute, or none that the actor may see."""

    default_code = "dispute_not_found"


class DisputeSettled(Conflict):
    """The dispute has ended."""

    default_code = "dispute_settled"


class AnswerInvalid(Unprocessable):
    """A comment, a line, an amount, a file or a decision cannot be taken as it is."""

    default_code = "answer_invalid"


@dataclass(frozen=True, slots=True)
class Policy:
    """What silence means, and how many days before the end the reader is reminded."""

    lapse: Lapse = Lapse.ACCEPT
    reminder_days: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file as it came with a dispute."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeDraft:
    """What somebody objects to: a comment, the printed line meant, what it should be.

    `position` is None when the whole statement is meant. `amount` is what the line or the
    statement should be, in the statement's currency, None when it was not said.
    """

    comment: str
    position: int | None = None
    amount: Decimal | None = None
    files: Sequence[Upload] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How finance ends a dispute. `reference` names the adjustment that a correction books."""

    outcome: Outcome
    reason: str
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentFacts:
    """A file that came with a dispute; `size` in bytes."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionFacts:
    """The end of a dispute; `booked_in` is the month that carries a correction."""

    outcome: str
    reason: str
    reference: str
    booked_in: Month | None
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFacts:
    """One answer to a statement; `line` is the printed text of the line meant."""

    id: UUID
    verdict: str
    comment: str
    position: int | None
    line: str
    amount: Decimal | None
    at: datetime
    by: str
    by_user_id: int | None
    attachments: tuple[AttachmentFacts, ...] = ()
    resolution: ResolutionFacts | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it is a dispute that nobody ended."""
        return self.verdict == Verdict.DISPUTED.value and self.resolution is None

    @property
    def state(self) -> str:
        """Return open or how it ended for a dispute, the verdict for anything else."""
        if self.verdict != Verdict.DISPUTED.value:
            return self.verdict
        return self.resolution.outcome if self.resolution else "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Where one statement stands with its reader, with everything that was said, oldest first."""

    statement: UUID
    month: Month
    cost_center: str
    name: str
    number: str
    currency: str
    total: Decimal
    owner_name: str
    owner_email: str
    state: AcceptanceState
    issued_at: datetime | None
    due_at: datetime | None
    responses: tuple[ResponseFacts, ...] = ()
    responders: tuple[str, ...] = field(default=())

    @property
    def open_disputes(self) -> tuple[ResponseFacts, ...]:
        """Return the disputes that wait for finance."""
        return tuple(one for one in self.responses if one.is_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFacts:
    """A dispute in a list, with the statement it is about."""

    statement: UUID
    month: Month
    cost_center: str
    name: str
    number: str
    currency: str
    total: Decimal
    response: ResponseFacts
    is_replaced: bool


def due_at(*, issued_at: datetime, days: int) -> datetime:
    """Return the moment after which silence counts and disputes are refused."""
    return issued_at + timedelta(days=days)


def lapses_at(*, due: datetime, responses: Sequence[ResponseFacts], reminder_days: int) -> datetime:
    """Return when silence counts; after a dispute was ended the reader has the reminder's days."""
    ends = [one.resolution.at for one in responses if one.resolution is not None]
    grace = timedelta(days=reminder_days)
    return max([due, *(at + grace for at in ends)])


def state_of(
    *, document_state: str, is_replaced: bool, responses: Sequence[ResponseFacts], is_over: bool
) -> AcceptanceState:
    """Return where a statement stands; `is_over` tells that its days have passed."""
    verdicts = {one.verdict for one in responses}
    if document_state != "sealed":
        return AcceptanceState.DRAFT
    if is_replaced:
        return AcceptanceState.REPLACED
    if Verdict.ACCEPTED.value in verdicts:
        return AcceptanceState.ACCEPTED
    if Verdict.LAPSED.value in verdicts:
        return AcceptanceState.LAPSED
    if any(one.is_open for one in responses):
        return AcceptanceState.DISPUTED
    return AcceptanceState.OVERDUE if is_over else AcceptanceState.AWAITING


def checked_text(text: str, *, name: str, required: bool) -> str:
    """Return a comment without its margins.

    :raises AnswerInvalid: when it is missing, too long or holds a NUL.
    """
    words = text.strip()
    if required and not words:
        raise _wrong(name, "required", f"{name}: say in a sentence why; it is kept for the audit.")
    if len(words) > COMMENT_LIMIT or "\x00" in words:
        raise _wrong(name, "text", f"{name} may have up to {COMMENT_LIMIT} characters.")
    return words


def checked_decision(decision: Decision) -> Decision:
    """Return a decision of finance, checked.

    :raises AnswerInvalid: when it gives no reason, or a correction names no adjustment.
    """
    reason = checked_text(decision.reason, name="reason", required=True)
    reference = decision.reference.strip()
    if decision.outcome is Outcome.WITHDRAWN:
        raise _wrong("outcome", "choice", "outcome: finance rejects or corrects; owners withdraw.")
    if decision.outcome is Outcome.CORRECTED and not reference:
        raise _wrong(
            "reference",
            "required",
            "reference: name the adjustment that books the correction in the open month.",
        )
    if len(reference) > 200 or "\x00" in reference:
        raise _wrong("reference", "text", "reference may have up to 200 characters.")
    return Decision(outcome=decision.outcome, reason=reason, reference=reference)


def _wrong(field: str, code: str, message: str) -> AnswerInvalid:
    return AnswerInvalid(message, errors=(FieldError(field, code, message),))
