"""Drafts for the tests of documents: the realistic October, or a small one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.core.domain.months import Month
from apps.documents import services as documents
from apps.documents.domain.states import Kind
from tests.chargeback.sample import SEARCH, october

NOW = datetime(2026, 11, 4, 15, 22, 10, tzinfo=UTC)
OCTOBER = Month(2026, 10)
ISSUE = documents.IssueFacts(
    prepared_by="Maya Lindqvist",
    approved_by="Jonas Feld",
    audit_sequence=1284,
    audit_hash="c3" * 32,
)


def draft_october(*, code: str = SEARCH.code, payload: dict[str, Any] | None = None) -> UUID:
    payload = payload or october()
    return documents.draft(
        kind=Kind.STATEMENT,
        month=OCTOBER,
        subject=documents.Subject(code=code, name=SEARCH.name),
        title="Chargeback statement",
        currency=payload["currency"],
        total=Decimal(payload["total"]),
        payload=payload,
        lines=[line_of(line) for line in payload["lines"]],
        now=NOW,
    )


def line_of(line: dict[str, Any]) -> documents.LineDraft:
    return documents.LineDraft(
        position=line["position"],
        key=line["key"],
        section=line["section"],
        heading=line["heading"],
        quantity=Decimal(line["quantity"]) if line["quantity"] else None,
        unit=line["unit"] or "",
        exact=Decimal(line["exact"]),
        amount=Decimal(line["amount"]),
        facts=line,
    )


def seal(*documents_: UUID, series: str = "STM-2026-10") -> list[str]:
    return documents.seal_all(documents=documents_, series=series, issue=ISSUE, now=NOW)
