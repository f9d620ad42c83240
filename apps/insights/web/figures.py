"""Turns the overview of a month into cards and charts whose titles say the finding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from apps.core import presentation
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import EXACT
from apps.core.web.charts import Bar, Chart, Frame, Series, ranking, trend
from apps.core.web.lists import Empty
from apps.core.web.page import Action
from apps.core.web.parts import Kpi
from apps.costs.selectors import Overview, Share

UNOWNED = "unowned"
_MOST_BARS = 8

NOTHING_YET = Empty(
    title="No usage yet",
    text="Create an API key and post your first event; it shows here at once.",
    icon="activity",
    action=Action(label="Create an API key", url="/settings/api-keys/"),
)


def kpis(overview: Overview, actor: Actor) -> list[Kpi]:
    """Return the cards on top."""
    before = presentation.month(str(overview.month - 1))
    largest = overview.by_team[0] if overview.by_team else None
    dearest = overview.by_model[0] if overview.by_model else None
    return [
        Kpi(
            label="Spend",
            value=overview.spend,
            currency=overview.currency,
            previous=overview.spend_before,
            good="down",
            against=before,
            trend=[amount for _, amount in overview.daily],
            help="Effective cost of all metered usage and provider bills of the month.",
            note="At the provisional budget rate" if overview.provisional_fx else "",
        ),
        _share_card("Largest team", largest, overview, before),
        _share_card("Dearest model", dearest, overview, before),
        Kpi(
            label="Without a team",
            value=overview.unowned,
            currency=overview.currency,
            good="down",
            url="/settings/attribution/" if actor.may(Scope.DIRECTORY_WRITE) else "",
            help="Shared bills and untagged use. Allocation rules spread what they cover; what is "
            "left lands on the unallocated statement.",
            note=_of_spend(overview.unowned_share),
        ),
    ]


def _share_card(label: str, share: Share | None, overview: Overview, before: str) -> Kpi:
    if share is None:
        return Kpi(label=label, value=None, currency=overview.currency)
    return Kpi(
        label=f"{label}: {share.code or UNOWNED}",
        value=share.amount,
        currency=overview.currency,
        previous=share.before if overview.spend_before is not None else None,
        good="down",
        against=before,
        note=_of_spend(share.share),
    )


def _of_spend(share: Decimal | None) -> str:
    return "" if share is None else f"{presentation.percent(share)} of spend"


def daily_trend(overview: Overview) -> Chart | None:
    """Return spend by day, named by its dearest day."""
    if not overview.daily:
        return None
    day, amount = max(overview.daily, key=lambda one: one[1])
    title = (
        f"{presentation.day(day)} was the dearest day, at "
        f"{presentation.money(amount, overview.currency)}"
    )
    frame = Frame(key="trend", title=title, currency=overview.currency)
    return trend(
        frame,
        categories=[presentation.day(one) for one, _ in overview.daily],
        series=[Series("Spend", [one for _, one in overview.daily])],
        kind="columns",
    )


def by_team(overview: Overview) -> Chart | None:
    """Return spend by team, the largest named in the title."""
    return _ranking(overview, overview.by_team, key="teams", header="Team")


def by_model(overview: Overview) -> Chart | None:
    """Return spend by model, the dearest named in the title."""
    return _ranking(overview, overview.by_model, key="models", header="Model or service")


def _ranking(overview: Overview, shares: Sequence[Share], *, key: str, header: str) -> Chart | None:
    if not shares:
        return None
    top = shares[0]
    part = f" carries {presentation.percent(top.share)} of spend" if top.share else " leads"
    frame = Frame(key=key, title=f"{top.code or UNOWNED}{part}", currency=overview.currency)
    return ranking(frame, bars=_bars(shares), header=header)


def _bars(shares: Sequence[Share]) -> list[Bar]:
    shown = [Bar(share.code or UNOWNED, share.amount) for share in shares[:_MOST_BARS]]
    rest = shares[_MOST_BARS:]
    if rest:
        amount = Decimal(0)
        for share in rest:
            amount = EXACT.add(amount, share.amount)
        shown.append(Bar(f"{len(rest)} others", amount))
    return shown
