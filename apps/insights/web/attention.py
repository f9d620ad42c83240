"""What needs a person this month, across the whole street."""

from __future__ import annotations

from django.utils import timezone

from apps.closing import selectors as closing
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.core.web.parts import Attention
from apps.costs.selectors import Overview
from apps.experiments import selectors as experiments
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State


def attention(*, overview: Overview, actor: Actor) -> list[Attention]:
    """Return what needs a person, most urgent first, each with the link that fixes it."""
    return [*_approvals(actor), *_money(overview, actor), *_closes(overview.month, actor)]


def _approvals(actor: Actor) -> list[Attention]:
    waiting = experiments.count_for(actor=actor, now=timezone.now())
    if not waiting:
        return []
    one = waiting == 1
    return [
        Attention(
            title=f"{waiting} {'request waits' if one else 'requests wait'} for your decision",
            text="Experiments that ask for a budget.",
            url="/approvals/",
            action="Open the inbox",
            tone="info",
        )
    ]


def _money(overview: Overview, actor: Actor) -> list[Attention]:
    found = []
    if overview.missing_rates:
        pairs = ", ".join(f"{pair.base} to {pair.quote}" for pair in overview.missing_rates)
        found.append(
            Attention(
                title=f"Exchange rates are missing: {pairs}",
                text="Cost in those currencies is left out until a rate is entered.",
                url="/settings/fx/",
                action="Enter rates",
                tone="bad",
            )
        )
    if overview.unpriced:
        found.append(
            Attention(
                title=f"{len(overview.unpriced)} kinds of usage have no price",
                text="They are kept and counted, and cost nothing yet; the close waits for them.",
                url="/usage/unpriced/",
                action="See unpriced usage",
                tone="bad",
            )
        )
    if overview.unowned:
        found.append(
            Attention(
                title="Cost without a team",
                text="Shared bills and untagged use. What no allocation rule covers lands on the "
                "unallocated statement.",
                url="/settings/attribution/" if actor.may(Scope.DIRECTORY_WRITE) else "",
                action="Map it",
                amount=overview.unowned,
                currency=overview.currency,
            )
        )
    return found


def _closes(month: Month, actor: Actor) -> list[Attention]:
    if not actor.may(Scope.CLOSE_RUN):
        return []
    states = {period.month: period.state for period in periods.calendar().periods}
    waiting = [
        Attention(
            title=f"The close of {live} waits for you",
            text="A second person approves the preview before the month is locked.",
            url=f"/month/{live}/",
            action="Open the close",
            tone="info",
        )
        for live in closing.live_months()
    ]
    last = month - 1
    if not waiting and states.get(last) is State.OPEN:
        waiting = [
            Attention(
                title=f"{last} is still open",
                text="It is over; close it when its bills are in.",
                url=f"/month/{last}/",
                action="Open the month",
                tone="info",
            )
        ]
    return waiting
