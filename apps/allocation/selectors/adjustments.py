"""Questions about adjustments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from apps.allocation.domain.rules import Axis
from apps.allocation.domain.transfers import Transfer
from apps.allocation.models import Adjustment, AdjustmentFile, AdjustmentState
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month
from apps.documents import selectors as documents


class AdjustmentMissing(Missing):
    """There is no such adjustment."""

    default_code = "adjustment_not_found"


class AdjustmentFileMissing(Missing):
    """The adjustment has no such file."""

    default_code = "file_not_found"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file that came with a request; `size` in bytes."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class AdjustmentFacts:
    """An adjustment, who asked for it and who decided; `amount` in `currency`."""

    id: UUID
    code: str
    month: Month
    axis: Axis
    sender: str
    receiver: str
    amount: Decimal
    currency: str
    reason: str
    reference: str
    state: str
    requested_by: str
    requested_by_user: int | None
    requested_at: datetime
    decided_by: str
    decided_at: datetime | None
    comment: str
    files: tuple[FileFacts, ...] = ()


def approved_transfers(month: Month) -> list[Transfer]:
    """Return what runs of a month book by hand, in the order of their numbers; one query."""
    rows = Adjustment.objects.filter(month=month.first_day, state=AdjustmentState.APPROVED)
    return [
        Transfer(row.code, Axis(row.axis), row.sender, row.receiver, row.amount, row.reason)
        for row in rows.order_by("id")
    ]


def adjustments(*, month: Month | None = None) -> list[AdjustmentFacts]:
    """Return the adjustments of a month, or of all, the newest first."""
    rows = Adjustment.objects.prefetch_related("files")
    if month is not None:
        rows = rows.filter(month=month.first_day)
    return [adjustment_facts(row) for row in rows.order_by("-id")]


def adjustment(*, id: UUID) -> AdjustmentFacts:
    """Return one adjustment.

    :raises AdjustmentMissing: when there is none.
    """
    row = Adjustment.objects.filter(public_id=id).first()
    if row is None:
        raise AdjustmentMissing("There is no such adjustment.")
    return adjustment_facts(row)


def adjustment_file(*, adjustment: UUID, id: UUID) -> tuple[FileFacts, bytes]:
    """Return a file of an adjustment, its bytes checked against the record.

    :raises AdjustmentFileMissing: when the adjustment has no such file.
    """
    row = AdjustmentFile.objects.filter(public_id=id, adjustment__public_id=adjustment).first()
    if row is None:
        raise AdjustmentFileMissing("The adjustment has no such file.")
    return _file(row), documents.kept_file(key=row.storage_key, sha256=row.sha256)


def undecided(*, month: Month) -> int:
    """Return how many adjustments of a month wait for a decision."""
    return Adjustment.objects.filter(month=month.first_day, state=AdjustmentState.REQUESTED).count()


def adjustment_facts(row: Adjustment) -> AdjustmentFacts:
    """Return a row as others may know it."""
    return AdjustmentFacts(
        id=row.public_id,
        code=row.code,
        month=Month.of(row.month),
        axis=Axis(row.axis),
        sender=row.sender,
        receiver=row.receiver,
        amount=row.amount,
        currency=row.currency,
        reason=row.reason,
        reference=row.reference,
        state=row.state,
        requested_by=row.requested_by,
        requested_by_user=row.requested_by_user,
        requested_at=row.requested_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        comment=row.comment,
        files=tuple(_file(file) for file in row.files.all()),
    )


def _file(row: AdjustmentFile) -> FileFacts:
    return FileFacts(row.public_id, row.name, row.media_type, row.size, row.sha256)
