"""The lists of the statement pages: columns and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.chargeback.selectors import (
    Explanation,
    MonthFacts,
    SourceShare,
    StatementDetail,
    StatementFacts,
)
from apps.chargeback.web import links
from apps.chargeback.web.wording import detail_of, heading_of, price_of, status_of, what_of
from apps.core import presentation
from apps.core.domain.months import Month
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action


def months_list(months: Sequence[MonthFacts], state: ListState) -> DataList:
    """Return the months that have statements."""
    return DataList(
        key="months",
        caption="Months with statements",
        state=state,
        rows=[
            {
                "month": presentation.month(one.month),
                "url": links.month_url(one.month),
                "status": "issued" if one.is_issued else "draft",
                "count": one.count,
                "total": one.total,
                "currency": one.currency,
            }
            for one in months
        ],
        columns=(
            Column(key="month", label="Month", link="url"),
            Column(key="status", label="Status", kind="badge"),
            Column(key="count", label="Statements", kind="quantity"),
            Column(key="total", label="Total", kind="money", currency_key="currency"),
        ),
        exports=("csv", "xlsx"),
        empty=Empty(
            title="No statements yet",
            text="Statements are drafted when a month is closed: one for each cost center.",
            icon="file-text",
            action=Action(label="Go to the months", url="/month/"),
        ),
    )


def statements_list(found: Sequence[StatementFacts], state: ListState) -> DataList:
    """Return the statements of a month, as the query string searches and sorts them."""
    shown = _sorted(_searched(found, state.get("q")), state.sort)
    currency = found[0].currency if found else ""
    return DataList(
        key="statements",
        caption="Statements",
        state=state,
        search="Search cost center or owner",
        rows=[_statement_row(one) for one in shown],
        columns=(
            Column(key="name", label="Cost center", link="url", sortable=True),
            Column(key="code", label="Code", kind="code", wide=True),
            Column(key="status", label="Status", kind="badge"),
            Column(key="number", label="Number", wide=True),
            Column(key="direct", label="Direct", kind="money", currency=currency, wide=True),
            Column(key="shared", label="Shared", kind="money", currency=currency, wide=True),
            Column(key="total", label="Total", kind="money", currency=currency, sortable=True),
            Column(key="change", label="Against last month", kind="money", currency=currency),
        ),
        totals=_totals(shown),
        exports=("csv", "xlsx"),
        empty=Empty(
            title="No statement fits",
            text="Try another search, or look at another month.",
            icon="file-text",
        ),
    )


def _statement_row(one: StatementFacts) -> dict[str, Any]:
    return {
        "name": one.name,
        "url": links.statement_url(one.month, one.cost_center),
        "code": one.cost_center,
        "status": status_of(one.state),
        "number": one.number or None,
        "direct": one.sections["direct"],
        "shared": one.sections["shared"],
        "total": one.total,
        "change": None if one.previous is None else one.total - one.previous,
    }


def _searched(found: Sequence[StatementFacts], words: str) -> list[StatementFacts]:
    wanted = words.casefold()
    return [
        one
        for one in found
        if wanted in f"{one.name} {one.cost_center} {one.owner_name} {one.number}".casefold()
    ]


def _sorted(found: list[StatementFacts], sort: str) -> list[StatementFacts]:
    if sort.lstrip("-") == "total":
        return sorted(found, key=lambda one: one.total, reverse=sort.startswith("-"))
    return sorted(found, key=lambda one: one.name.casefold(), reverse=sort.startswith("-"))


def _totals(found: Sequence[StatementFacts]) -> dict[str, Decimal]:
    rows = [_statement_row(one) for one in found]
    sums = {
        key: sum((row[key] for row in rows), Decimal(0)) for key in ("direct", "shared", "total")
    }
    compared = [row["change"] for row in rows if row["change"] is not None]
    return sums | ({"change": sum(compared, Decimal(0))} if compared else {})


def lines_list(detail: StatementDetail, state: ListState) -> DataList:
    """Return the printed lines, each leading to its explanation."""
    facts, payload = detail.facts, detail.payload
    return DataList(
        key="lines",
        caption="Lines of the statement",
        state=state,
        rows=[_line_row(line, facts) for line in payload["lines"]],
        columns=(
            Column(key="what", label="What", link="url"),
            Column(key="detail", label="Kind and detail"),
            Column(key="quantity", label="Quantity", kind="quantity", wide=True),
            Column(key="price", label="Unit price or share", wide=True),
            Column(key="exact", label="Exact", kind="exact", currency=facts.currency, wide=True),
            Column(key="amount", label="Amount", kind="money", currency=facts.currency),
        ),
        totals={"amount": facts.total, "exact": facts.total},
        exports=("csv", "xlsx"),
        empty=Empty(
            title="No cost in this month",
            text="Nothing was used and no shared cost fell on this cost center.",
            icon="file-text",
        ),
    )


def _line_row(line: Mapping[str, Any], facts: StatementFacts) -> dict[str, Any]:
    return line_row(line) | {
        "url": links.line_url(facts.month, facts.cost_center, line["position"])
    }


def line_row(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a printed line as a row of a list."""
    return {
        "what": what_of(line),
        "detail": detail_of(line),
        "quantity": line["quantity"],
        "price": price_of(line),
        "exact": Decimal(line["exact"]),
        "amount": Decimal(line["amount"]),
    }


def sources_list(
    explained: Explanation, *, month: Month, currency: str, state: ListState
) -> DataList:
    """Return the source lines behind a printed line, each leading to its events."""
    return DataList(
        key="sources",
        caption="Source lines",
        state=state,
        rows=[
            _source_row(source, month, section=explained.line["section"])
            for source in explained.sources
        ],
        columns=(
            Column(key="what", label="Source", link="url"),
            Column(key="owner", label="Tags"),
            Column(key="attribution", label="Owner found by", wide=True),
            Column(key="quantity", label="Quantity", kind="quantity", wide=True),
            Column(key="share", label="Share", kind="pct"),
            Column(key="exact", label="Exact amount", kind="exact", currency=currency),
        ),
        totals={"exact": explained.exact},
        exports=("csv", "xlsx"),
        empty=Empty(
            title="No source lines",
            text="Rounding makes the lines add up to the statement's total; nothing was used.",
            icon="scale",
        ),
    )


def _source_row(source: SourceShare, month: Month, *, section: str) -> dict[str, Any]:
    url = ""
    if source.tag_set_id:
        url = links.events_url(month=month, tag_set_id=source.tag_set_id, model=source.product)
    what = ", ".join(part for part in (source.product or source.provider, source.meter) if part)
    return {
        "what": what or heading_of(section),
        "url": url,
        "owner": " · ".join(f"{key} {value}" for key, value in sorted(source.tags.items())) or None,
        "attribution": source.attribution or ("standard tags" if what else None),
        "quantity": source.quantity,
        "share": source.share,
        "exact": source.exact,
    }
