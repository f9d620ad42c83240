"""The answer to a batch: what became of every item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.domain.errors import Unprocessable
from apps.usage.domain.drafts import Problem, Rejected


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one item was not stored: its place in the batch, its id, and the problem."""

    index: int
    id: str | None
    code: str
    field: str | None
    message: str

    @classmethod
    def of(cls, index: int, event_id: str | None, problem: Problem) -> ItemError:
        """Build from a problem; a NUL in the id is shown as an escape."""
        shown = None if event_id is None else event_id.replace("\0", "\\0")
        return cls(index, shown, problem.code, problem.field, problem.message)

    @classmethod
    def of_rejected(cls, rejected: Rejected) -> ItemError:
        """Build from an item that the decoder turned down."""
        return cls.of(rejected.index, rejected.id, rejected.problem)

    def as_dict(self) -> dict[str, Any]:
        """Return the error as the API shows it."""
        return {
            "index": self.index,
            "id": self.id,
            "code": self.code,
            "field": self.field,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. `batch` is None when nothing was to be stored (a dry run)."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    unpriced: int
    batch: UUID | None
    errors: tuple[ItemError, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as the API shows it."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "rejected": self.rejected,
            "unpriced": self.unpriced,
            "batch": None if self.batch is None else str(self.batch),
            "errors": [error.as_dict() for error in self.errors],
        }


class BatchRefused(Unprocessable):
    """All or nothing was asked for, and an item is bad; nothing was stored."""

    default_code = "batch_refused"

    def __init__(self, items: tuple[ItemError, ...]) -> None:
        first = items[0]
        super().__init__(
            f"{len(items)} of the items cannot be taken, so nothing was stored; the first is at "
            f"index {first.index}: {first.message}"
        )
        self.items = items
