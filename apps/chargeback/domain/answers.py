"""What a reader gets of statements: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.core.domain.months import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFacts:
    """One statement in a list; amounts in the currency's minor unit.

    `previous` is last month's total, None without one. `replaces` is the number of the issued
    statement that this one takes the place of.
    """

    id: UUID
    month: Month
    cost_center: str
    name: str
    owner_name: str
    currency: str
    total: Decimal
    billed: Decimal
    previous: Decimal | None
    sections: Mapping[str, Decimal]
    state: str
    number: str
    issued_at: datetime | None
    run: UUID
    data_hash: str
    replaces: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDetail:
    """A statement with its whole printed content."""

    facts: StatementFacts
    payload: Mapping[str, Any]
    prepared_by: str
    approved_by: str
    audit_sequence: int | None
    audit_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFacts:
    """The statements of a month in sum; `is_issued` once every one of them is."""

    month: Month
    currency: str
    count: int
    total: Decimal
    is_issued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step of shared cost from its pool to the receiver."""

    sender: str
    receiver: str
    rule: str
    method: str
    driver: str
    value: str
    total: str
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShare:
    """One source line behind a printed line, and the part of it that the cost center bears.

    `exact` is that part at 1e-12; the source's own `effective` is not repeated. `tag_set_id`
    leads to the events of rated usage; bill lines have none.
    """

    key: str
    origin: str
    receiver: str
    share: Decimal
    exact: Decimal
    billed: Decimal
    provider: str
    product: str
    meter: str
    quantity: Decimal | None
    unit: str
    tags: Mapping[str, str]
    tag_set_id: int | None
    attribution: str
    first_day: date | None
    last_day: date | None
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a printed line says what it says: line, rule, driver, sources.

    The sources' `exact` parts sum to the line's exact amount.
    """

    line: Mapping[str, Any]
    rule: Mapping[str, Any] | None
    sources: tuple[SourceShare, ...]
    exact: Decimal
