"""What drafting and issuing report, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.core.domain.canonical import digest_of
from apps.core.domain.errors import Conflict, Forbidden, Missing, Unprocessable
from apps.core.domain.months import Month


class StatementMissing(Missing):
    """There is no such statement, or none that the actor may see."""

    default_code = "statement_not_found"


class RunNotPublished(Conflict):
    """The run is not the published one of the month."""

    default_code = "run_not_published"


class MonthIsClosed(Conflict):
    """A closed month gets no statements; it has to be reopened first."""

    default_code = "period_closed"


class NothingToIssue(Conflict):
    """The month has no drafts of its published run."""

    default_code = "nothing_to_issue"


class TotalsDiffer(Conflict):
    """The drafts do not sum to the run's cost base."""

    default_code = "totals_differ"


class ApproverIsPreparer(Forbidden):
    """Whoever prepared statements cannot approve them."""

    default_code = "approver_is_preparer"


class TermsInvalid(Unprocessable):
    """The terms miss something."""

    default_code = "terms_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSet:
    """The statements of one run: documents in the order of their cost centers.

    `total` and `billed` are sums in the currency's minor unit. `numbers` is empty for drafts.
    """

    month: Month
    run: UUID
    currency: str
    total: Decimal
    billed: Decimal
    documents: tuple[UUID, ...]
    data_hashes: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Return how many statements there are."""
        return len(self.documents)

    @property
    def output_hash(self) -> str:
        """Return one digest over all statements; equal runs give equal digests."""
        return digest_of(list(self.data_hashes))
