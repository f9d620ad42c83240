"""Leads from a printed line to the rule, the driver and the source lines behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from apps.allocation import selectors as allocation
from apps.allocation.selectors import Axis, HopFacts, LineFacts
from apps.chargeback.domain.answers import Explanation, Hop, SourceShare
from apps.chargeback.domain.results import StatementMissing
from apps.chargeback.domain.rounding import exact_sum
from apps.chargeback.domain.rows import key_of
from apps.chargeback.selectors.run_lines import charge_lines, is_free_request
from apps.chargeback.selectors.statements import statement
from apps.core.domain.access import Actor


def explanation(*, id: UUID, position: int, actor: Actor) -> Explanation:
    """Return why a printed line says what it says.

    Reads the run that the statement was drafted from, which is frozen; so an explanation of a
    closed month never changes. The rounding line has no sources.

    :raises Forbidden: when the actor may not read billing.
    :raises StatementMissing: when there is no such statement or line, or the actor may not see it.
    """
    detail = statement(id, actor=actor)
    line = next((one for one in detail.payload["lines"] if one["position"] == position), None)
    if line is None:
        raise StatementMissing(f"The statement has no line {position}.")
    run = allocation.run(detail.facts.run)
    facts = [
        one
        for one in allocation.lines_of(
            run=run.id, axis=Axis.TEAM, cost_center=detail.facts.cost_center
        )
        if not is_free_request(one)
    ]
    behind = [
        one
        for one, charged in zip(facts, charge_lines(facts, run), strict=True)
        if key_of(charged) == line["key"]
    ]
    return Explanation(
        line=line,
        rule=_rule(behind, run.rules),
        sources=tuple(_source(one) for one in behind),
        exact=exact_sum(one.effective for one in behind),
    )


def _rule(
    behind: list[LineFacts], rules: tuple[Mapping[str, Any], ...]
) -> Mapping[str, Any] | None:
    codes = {one.rule for one in behind}
    return next((rule for rule in rules if rule["code"] in codes), None)


def _source(line: LineFacts) -> SourceShare:
    return SourceShare(
        key=line.source,
        origin=line.origin,
        receiver=line.receiver,
        share=line.share,
        exact=line.effective,
        billed=line.billed,
        provider=line.provider,
        product=line.model or line.service,
        meter=line.meter,
        quantity=line.quantity,
        unit=line.unit,
        tags=dict(line.tags),
        tag_set_id=line.tag_set_id,
        attribution=line.attribution,
        first_day=line.first_day,
        last_day=line.last_day,
        hops=tuple(_hop(hop) for hop in line.hops),
    )


def _hop(hop: HopFacts) -> Hop:
    return Hop(
        sender=hop.sender,
        receiver=hop.receiver,
        rule=hop.rule,
        method=hop.method,
        driver=hop.driver,
        value=hop.value,
        total=hop.total,
        share=hop.share,
    )
