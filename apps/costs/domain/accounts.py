"""Which story of a provider account counts: our metering, its bill, or both trued up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from apps.core.domain.errors import FieldError
from apps.usage.domain.feeds import Feed

EVERY_ACCOUNT: Final = "*"
CODE_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_CODE: Final = re.compile(CODE_PATTERN)


class Truth(StrEnum):
    """Whose amounts are the cost of an account.

    METERED: our rated usage; bills are only compared. BILLED: the bill; until one is there, our
    rated usage stands in as an accrual. TRUED_UP: our rated usage, and one line that makes the
    account's total equal the bill's.
    """

    METERED = "metered"
    BILLED = "billed"
    TRUED_UP = "trued_up"


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

    def __init__(
        self,
        declared: Iterable[AccountFacts],
        feeds: Mapping[tuple[int, str], Feed] = MappingProxyType({}),
    ) -> None:
        self.feeds = feeds
        """What is said of single models, by account id and model; goes over the account's."""
        self.declared = tuple(sorted(declared, key=lambda each: each.code))
        self._exact = {(each.provider, each.account): each for each in self.declared}

    def by_code(self, code: str) -> AccountFacts | None:
        """Return the declared account of a code, if there is one."""
        return next((each for each in self.declared if each.code == code), None)

    def of_usage(self, *, provider: str, account: str) -> AccountFacts | None:
        """Return the declared account, if any claims the usage."""
        if not provider:
            return None
        exact = self._exact.get((provider, account))
        return exact or self._exact.get((provider, EVERY_ACCOUNT))

    def feed_of(self, *, provider: str, account: str, model: str) -> Feed | None:
        """Return the feed that is declared to count for a model of an account; None: undeclared."""
        declared = self.of_usage(provider=provider, account=account)
        if declared is None:
            return None
        return self.feeds.get((declared.id, model), declared.feed)


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """A provider account to declare.

    `provider` and `account` name the metered usage that its bill covers (`*`: every account); both
    empty: none, so that its bills are cost beside the metered usage.
    """

    code: str
    name: str
    provider: str = ""
    account: str = ""
    truth: Truth = Truth.BILLED
    feed: Feed = Feed.REQUEST


def refusals_of_account(draft: AccountDraft) -> tuple[FieldError, ...]:
    """Return what is wrong with a draft, field by field."""
    found: list[FieldError] = []
    if not _CODE.fullmatch(draft.code):
        found.append(
            FieldError("code", "code", "Give 1 to 64 letters, digits, dots, dashes, underscores.")
        )
    if not draft.name.strip() or len(draft.name) > 200 or not draft.name.isprintable():
        found.append(FieldError("name", "required", "Give a name of at most 200 characters."))
    if bool(draft.provider) != bool(draft.account):
        found.append(
            FieldError(
                "account",
                "pair",
                "Name the provider and its account (* for every account), or neither.",
            )
        )
    for field, text, limit in (("provider", draft.provider, 64), ("account", draft.account, 256)):
        if len(text) > limit or not text.isprintable():
            found.append(FieldError(field, "text", f"Give at most {limit} printable characters."))
    if draft.truth is not Truth.BILLED and not draft.provider:
        found.append(
            FieldError("truth", "no_usage", "Without metered usage only the bill can count.")
        )
    return tuple(found)


__all__ = [
    "CODE_PATTERN",
    "EVERY_ACCOUNT",
    "AccountDraft",
    "AccountFacts",
    "Accounts",
    "Feed",
    "Truth",
    "refusals_of_account",
]
