"""Answers the demo's statements as its people would: accepted, disputed, corrected, rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.accounts import selectors as people
from apps.allocation import selectors as allocation
from apps.allocation import services as allocating
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.allocation.selectors import AdjustmentFacts
from apps.chargeback import selectors, services
from apps.chargeback.domain.acceptance import (
    Acceptance,
    Decision,
    DisputeDraft,
    Outcome,
    ResponseFacts,
    Upload,
)
from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from finops_platform.demo.script import Script

Row = Mapping[str, Any]
Clock = Callable[[], datetime]


def name_responders(*, script: Script, actor: Actor, now: datetime) -> None:
    """Name who answers for cost centers beside their owners, once."""
    for row in script.responders:
        services.name_responder(
            cost_center=row["cost_center"],
            email=row["email"],
            is_named=True,
            actor=actor,
            now=now,
        )


def answer_statements(*, script: Script, months: Sequence[Month], index: int, clock: Clock) -> None:
    """Let people answer the statements of a month, and finance end what has an ending.

    Safe to repeat: whoever has said something says it once.
    """
    for row in script.answers:
        if row["month"] == index:
            _answer(row, months[index], _Staff.of(script), clock)


class _Staff:
    """Who decides: finance ends disputes and asks for adjustments, the owner agrees to these."""

    def __init__(self, *, finance: str, owner: str) -> None:
        self.finance = people.actor_of_person(finance)
        self.owner = people.actor_of_person(owner)

    @classmethod
    def of(cls, script: Script) -> _Staff:
        """Return the staff of a tenant."""
        by_role = {row["role"]: row["email"] for row in script["people"]}
        return cls(finance=by_role["finance"], owner=by_role["owner"])


def _answer(row: Row, month: Month, staff: _Staff, clock: Clock) -> None:
    found = selectors.statement_of(month=month, cost_center=row["cost_center"], actor=staff.finance)
    person = people.actor_of_person(row["person"])
    standing = selectors.acceptance(found.facts.id, actor=staff.finance, now=clock())
    said = _said(standing, row)
    if said is None and row["verdict"] == "accept":
        services.accept(id=found.facts.id, comment=row["comment"], actor=person, now=clock())
    elif said is None:
        draft = _draft(row, found.payload["lines"])
        said = services.dispute(id=found.facts.id, draft=draft, actor=person, now=clock())
    if said is not None and said.is_open and "ending" in row:
        decision = _decision(row, standing.number, staff, clock)
        services.resolve(
            id=found.facts.id,
            dispute=said.id,
            decision=decision,
            actor=staff.finance,
            now=clock(),
        )


def _said(standing: Acceptance, row: Row) -> ResponseFacts | None:
    return next((one for one in standing.responses if one.comment == row["comment"]), None)


def _draft(row: Row, lines: Sequence[Row]) -> DisputeDraft:
    """Return the dispute of the dearest line that is headed as the row says."""
    meant = [line for line in lines if line["heading"] == row["line"]]
    position = max(meant, key=lambda line: Decimal(line["amount"]))["position"]
    file = row.get("file")
    return DisputeDraft(
        comment=row["comment"],
        position=position,
        amount=Decimal(row["amount"]) if "amount" in row else None,
        files=[Upload(name=file["name"], content=file["text"].encode())] if file else (),
    )


def _decision(row: Row, number: str, staff: _Staff, clock: Clock) -> Decision:
    outcome = Outcome(row["ending"])
    reference = ""
    if outcome is Outcome.CORRECTED:
        reference = _adjusted(row["adjustment"], number, staff, clock).code
    return Decision(outcome=outcome, reason=row["reason"], reference=reference)


def _adjusted(wanted: Row, number: str, staff: _Staff, clock: Clock) -> AdjustmentFacts:
    """Move the amount in the first open month: finance asks for it, the owner agrees."""
    known = [one for one in allocation.adjustments() if one.reference == number]
    asked = known[0] if known else _ask(wanted, number, staff, clock())
    if asked.state == "requested":
        allocating.approve_adjustment(
            id=asked.id, comment="Both sides agree.", actor=staff.owner, now=clock()
        )
    return asked


def _ask(wanted: Row, number: str, staff: _Staff, now: datetime) -> AdjustmentFacts:
    return allocating.request_adjustment(
        month=periods.open_months()[0],
        draft=AdjustmentDraft(
            axis=Axis.TEAM,
            sender=wanted["sender"],
            receiver=wanted["receiver"],
            amount=Decimal(wanted["amount"]),
            reason=wanted["reason"],
            reference=number,
        ),
        actor=staff.finance,
        now=now,
    )
