"""Which story of a provider account counts: our metering, its bill, or both trued up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EVERY_ACCOUNT: Final = "*"


class Truth(StrEnum):
    """Whose amounts are the cost of an account.

    METERED: our rated usage; bills are only compared. BILLED: the bill; until one is there, our
    rated usage stands in as an accrual. TRUED_UP: our rated usage, and one line that makes the
    account's total equal the bill's.
    """

    METERED = "metered"
    BILLED = "billed"
    TRUED_UP = "trued_up"


class Feed(StrEnum):
    """Which stream of usage counts, so that requests and provider buckets never count twice."""

    REQUEST = "request"
    BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """A provider account as declared."""

    id: int
    code: str
    name: str
    provider: str
    account: str
    truth: Truth
    feed: Feed

    def meters(self, *, provider: str, account: str) -> bool:
        """Tell whether metered usage of that provider and account belongs to this account."""
        return (
            self.provider != ""
            and self.provider == provider
            and self.account in (EVERY_ACCOUNT, account)
        )


class Accounts:
    """Finds the declared account of metered usage; an exact account wins over every-account."""

    def __init__(self, declared: Iterable[AccountFacts]) -> None:
        self.declared = tuple(sorted(declared, key=lambda each: each.code))
        self._exact = {(each.provider, each.account): each for each in self.declared}

    def of_usage(self, *, provider: str, account: str) -> AccountFacts | None:
        """Return the declared account, if any claims the usage."""
        if not provider:
            return None
        exact = self._exact.get((provider, account))
        return exact or self._exact.get((provider, EVERY_ACCOUNT))
