"""The realistic data of the living style page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.http import HttpRequest

from apps.core.presentation import UNPRICED, Figure, UnitPrice
from apps.core.web import charts
from apps.core.web.charts import Bar, Burn, Chart, Flow, Frame, Series
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.parts import Attention, Entry, Kpi, Step, Work

_DAYS: Final = tuple(f"Oct {number}" for number in range(1, 15))
_USD: Final = "USD"
_HERE: Final = "#lists"


def page() -> Page:
    """Return the head of the style page, drawn like a detail page."""
    return Page(
        title="Statement for Search",
        subtitle="Every component of the console with realistic data. What you see here is a "
        "specimen; its links lead nowhere.",
        crumbs=(Crumb("Month", _HERE), Crumb("October 2026", _HERE)),
        status="in review",
        primary=Action(label="Close the month", icon="lock", dialog="confirm-close"),
        actions=(Action(label="Download PDF", icon="download", url=_HERE),),
        facts=(
            Fact("Charged", "USD\u00a047,608.90"),
            Fact("Cost center", "CC-4100 Search"),
            Fact("Owner", "Dana Whitfield"),
            Fact("Run", "r-2026-10-03", help="One execution of the allocation, kept for ever."),
        ),
        tabs=(
            Tab(label="Overview", url="#main", active=True),
            Tab(label="Lines", url=_HERE, count=184),
            Tab(label="Explanation", url=_HERE),
            Tab(label="History", url=_HERE),
        ),
    )


def specimens(request: HttpRequest) -> dict[str, Any]:
    """Return the context of every component on the page."""
    return {
        "kpis": _kpis(),
        "charts": _charts(),
        "list": _events(ListState.of(request)),
        "no_rows": _empty_list(ListState.of(request)),
        "work": _close(),
        "failed_work": _failed(),
        "entries": _history(),
        "attention": _attention(),
        "calm": (),
        "form": _form(),
        "facts": _facts(),
        "owners": ("search", "billing", "assistant", "unowned"),
        "badges": (
            "open",
            "soft-closed",
            "closed",
            "running",
            "failed",
            "approved",
            "overdue",
            "needs approval",
            "draft",
        ),
        "consequences": (
            "12 statements will be sent to 9 people.",
            "October 2026 refuses every further write; later usage becomes a correction.",
            "Reopening needs a reason and a second person.",
        ),
        "amounts": _amounts(),
        "at": datetime(2026, 11, 3, 14, 5, tzinfo=UTC),
        "on": date(2026, 10, 31),
        "secret": "fp_acme_7Qm2Zk_9vT4hYt1RxWcE8sJpLuBn3Kd",
    }


def _kpis() -> list[Kpi]:
    spend = ("38120.10", "40211.54", "39820.00", "42004.77", "44120.93", "47608.895123")
    return [
        Kpi(
            label="Spend this month",
            value="47608.895123",
            currency=_USD,
            previous="44120.93",
            good="down",
            against="September",
            trend=spend,
            url=_HERE,
        ),
        Kpi(
            label="Tokens",
            value=1_284_311_904,
            kind="tokens",
            unit="tokens",
            previous=1_301_000_200,
            against="September",
            trend=(9, 11, 14, 13, 12, 12),
        ),
        Kpi(
            label="Owned spend",
            value=Decimal("0.964"),
            kind="pct",
            previous=Decimal("0.917"),
            good="up",
            against="September",
            trend=(Decimal("0.88"), Decimal("0.9"), Decimal("0.917"), Decimal("0.964")),
            help="The part of the spend that attribution gives to an owner.",
        ),
        Kpi(label="Cost per outcome", value=None, currency=_USD, note="No outcomes recorded yet"),
    ]


def _charts() -> list[Chart]:
    return [_trend(), _ranking(), _area(), _burn(), _waterfall(), _treemap(), _sankey(), _line()]


def _trend() -> Chart:
    frame = Frame(
        key="trend",
        title="Experiments doubled spend from October 8 on",
        currency=_USD,
        note="Spend by day and team, in the tenant's timezone.",
    )
    series = [
        _series("search", 420, 7),
        _series("billing", 260, 3),
        _series("assistant", 340, 5),
        _series("data platform", 180, 4),
        _series("support", 120, 2),
        _series("legal", 75, 1),
        _series("growth", 60, 1),
        _series("design", 25, 1),
        _series("finance", 20, 1),
        _surge("unowned"),
    ]
    return charts.trend(frame, categories=_DAYS, series=series)


def _series(name: str, start: int, step: int) -> Series:
    values = [
        Decimal(start + step * at * (3 if at % 5 == 2 else 1)) + Decimal("0.37")
        for at in range(len(_DAYS))
    ]
    return Series(name, values, [_HERE] * len(_DAYS))


def _surge(name: str) -> Series:
    return Series(name, [Decimal(40 if at < 7 else 900 - at * 20) for at in range(len(_DAYS))])


def _ranking() -> Chart:
    bars = [
        Bar("search", "14210.55", _HERE),
        Bar("assistant", "11904.10", _HERE),
        Bar("billing", "8120.00", _HERE),
        Bar("data platform", "5411.72", _HERE),
        Bar("support", "3301.04", _HERE),
        Bar("unowned", "4661.48", _HERE),
    ]
    frame = Frame(key="ranking", title="Search spends a third of the month", currency=_USD)
    return charts.ranking(frame, bars=bars, header="Team")


def _area() -> Chart:
    frame = Frame(key="area", title="Cached reads grew to a fifth of all tokens", unit="tokens")
    series = [
        Series("Input", [Decimal(900_000 + 15_000 * at) for at in range(14)]),
        Series("Cached read", [Decimal(40_000 + 21_000 * at) for at in range(14)]),
        Series("Output", [Decimal(210_000 + 4_000 * at) for at in range(14)]),
    ]
    return charts.trend(frame, categories=_DAYS, series=series, kind="area")


def _line() -> Chart:
    frame = Frame(key="line", title="A resolved ticket got cheaper every week", currency=_USD)
    weeks = ("Week 38", "Week 39", "Week 40", "Week 41", "Week 42")
    series = [
        Series("gpt-4.1", ["0.42", "0.40", "0.37", "0.33", "0.29"]),
        Series("claude-sonnet", ["0.36", "0.35", None, "0.31", "0.30"]),
    ]
    return charts.trend(frame, categories=weeks, series=series, kind="line")


def _burn() -> Chart:
    actual: list[Figure] = [Decimal(700 * at) for at in range(1, 10)]
    ahead: list[Figure] = [Decimal(700 * at) for at in range(9, 15)]
    gap: list[Figure] = [None] * 8
    burn = Burn(
        categories=_DAYS,
        actual=[*actual, *([None] * 5)],
        limit=Decimal(9000),
        forecast=[*gap, *ahead],
        low=[*gap, *(Decimal(700 * at - 110 * (at - 9)) for at in range(9, 15))],
        high=[*gap, *(Decimal(700 * at + 160 * (at - 9)) for at in range(9, 15))],
    )
    frame = Frame(key="burn", title="The budget lasts until October 13", currency=_USD)
    return charts.burn_down(frame, burn=burn)


def _treemap() -> Chart:
    tiles = [
        Bar(
            "search",
            "14210.55",
            _HERE,
            (Bar("gpt-4.1", "9100.00", _HERE), Bar("claude-sonnet", "5110.55", _HERE)),
        ),
        Bar(
            "assistant", "11904.10", "", (Bar("claude-opus", "8900"), Bar("gemini-pro", "3004.10"))
        ),
        Bar("billing", "8120.00", "", (Bar("gpt-4.1-mini", "8120.00"),)),
        Bar("unowned", "4661.48", "", (Bar("gpt-4.1", "4661.48"),)),
    ]
    frame = Frame(
        key="treemap",
        title="Two models make up most of what Search spends",
        currency=_USD,
        height="large",
    )
    return charts.treemap(frame, tiles=tiles, header="Team and model")


def _sankey() -> Chart:
    flows = [
        Flow("GPU cluster", "search", "8200.00", _HERE),
        Flow("GPU cluster", "assistant", "5400.00"),
        Flow("Vector store", "search", "2100.00"),
        Flow("Vector store", "support", "1350.00"),
        Flow("Gateway", "billing", "900.00"),
        Flow("Gateway", "assistant", "640.00"),
        Flow("Gateway", "unallocated", "120.00"),
    ]
    frame = Frame(
        key="sankey",
        title="Search receives half of the shared cost",
        currency=_USD,
        height="large",
    )
    return charts.sankey(frame, flows=flows)


def _waterfall() -> Chart:
    steps = [
        Bar("September", "44120.93", "", (), total=True),
        Bar("Volume", "2910.40", _HERE),
        Bar("Price", "-1830.12", _HERE),
        Bar("Model mix", "1204.70", _HERE),
        Bar("Experiments", "1202.99", _HERE),
        Bar("October", "47608.90", "", (), total=True),
    ]
    frame = Frame(key="waterfall", title="Volume, not price, drove the increase", currency=_USD)
    return charts.waterfall(frame, steps=steps)


def _events(state: ListState) -> DataList:
    return DataList(
        key="events",
        caption="Usage events of October 2026",
        columns=_COLUMNS,
        rows=_ROWS,
        state=state,
        search="Search event, model or trace",
        filters=(
            Filter(key="team", label="Team", options=(("search", "Search"), ("bill", "Billing"))),
            Filter(key="model", label="Model", options=(("gpt-4.1", "gpt-4.1"),)),
        ),
        views=(
            Tab(label="All events", url=_HERE, active=True, count=2310),
            Tab(label="Unpriced", url=_HERE, count=1),
            Tab(label="Corrections", url=_HERE),
        ),
        totals={"quantity": 1_395_904, "cost": Decimal("3.489760")},
        totals_label="Total of all pages",
        paging=Paging(text="1 to 4 of 2,310 events", next_cursor="specimen"),
        exports=("csv", "xlsx"),
        bulk=(Action(label="Void", icon="ban", url="", danger=True),),
    )


_COLUMNS: Final = (
    Column(key="at", label="When", kind="when", sortable=True, link="url"),
    Column(key="team", label="Team", kind="owner", sortable=True),
    Column(key="model", label="Model", kind="code", wide=True),
    Column(key="status", label="Status", kind="badge"),
    Column(key="quantity", label="Tokens", kind="tokens", unit="tokens", sortable=True),
    Column(key="price", label="Unit price", kind="unit_price", wide=True),
    Column(
        key="cost",
        label="Cost",
        kind="cost",
        currency=_USD,
        sortable=True,
        help="What we pay; exact on hover and in every export.",
    ),
)

_PRICE: Final = UnitPrice(Decimal("2.50"), _USD, 1_000_000, "tokens")
_ROWS: Final = (
    {
        "id": 1,
        "at": datetime(2026, 10, 31, 22, 14, tzinfo=UTC),
        "url": _HERE,
        "team": "search",
        "model": "gpt-4.1",
        "status": "accounted",
        "quantity": 131_072,
        "price": _PRICE,
        "cost": Decimal("0.327680"),
    },
    {
        "id": 2,
        "at": datetime(2026, 10, 31, 21, 2, tzinfo=UTC),
        "url": _HERE,
        "team": "assistant",
        "model": "claude-sonnet",
        "status": "accounted",
        "quantity": 1_234_567,
        "price": replace(_PRICE, amount=Decimal("3")),
        "cost": Decimal("3.086417500"),
    },
    {
        "id": 3,
        "at": datetime(2026, 10, 31, 20, 48, tzinfo=UTC),
        "url": _HERE,
        "team": "billing",
        "model": "in-house-70b",
        "status": "late",
        "quantity": 22_104,
        "price": UNPRICED,
        "cost": None,
    },
    {
        "id": 4,
        "at": datetime(2026, 10, 30, 9, 30, tzinfo=UTC),
        "url": _HERE,
        "team": "",
        "model": "gpt-4.1-mini",
        "status": "unowned",
        "quantity": 8_161,
        "price": replace(_PRICE, amount=Decimal("0.075")),
        "cost": Decimal("0.000612075"),
    },
)


def _empty_list(state: ListState) -> DataList:
    return DataList(
        key="keys",
        caption="API keys",
        columns=_COLUMNS[:2],
        rows=(),
        state=replace(state, params=state.params.__class__("")),
        empty=Empty(
            title="No API keys yet",
            text="A key lets a gateway or an application post usage. It is shown once, so have "
            "your secret store open.",
            icon="key",
            action=Action(label="Create a key", icon="plus", url=_HERE),
        ),
    )


def _close() -> Work:
    return Work(
        key="close",
        title="Close of October 2026",
        time_left=timedelta(seconds=95),
        cancel=Action(label="Stop", icon="player-stop", dialog="confirm-stop"),
        steps=(
            Step(
                name="Freeze",
                state="done",
                message="2,310,442 events up to Nov 1, 9:00 AM EDT",
                took=timedelta(seconds=2),
            ),
            Step(
                name="Attribute",
                state="done",
                message="4,120 tag sets, 96.4% owned",
                took=timedelta(seconds=41),
            ),
            Step(
                name="Allocate",
                state="running",
                percent=62,
                message="Step-down level 2 of 3: Vector store",
            ),
            Step(name="Statements"),
            Step(name="Approve"),
            Step(name="Lock"),
        ),
    )


def _failed() -> Work:
    return Work(
        key="close-failed",
        title="Close of September 2026",
        steps=(
            Step(name="Freeze", state="done", took=timedelta(seconds=2)),
            Step(
                name="Reconcile",
                state="failed",
                percent=100,
                message="No rate for EUR to USD in September 2026. Add it under Month, Periods, "
                "then start again; nothing was published.",
                url=_HERE,
            ),
            Step(name="Allocate"),
        ),
    )


def _history() -> list[Entry]:
    return [
        Entry(
            at=datetime(2026, 11, 3, 14, 5, tzinfo=UTC),
            actor="Dana Whitfield",
            text="approved the close of October 2026",
            icon="user-check",
            mark="9f2c61d0",
        ),
        Entry(
            at=datetime(2026, 11, 3, 13, 40, tzinfo=UTC),
            actor="Ivo Marek",
            text="sent the statements for review",
            detail="12 statements, difference USD 0.00",
            icon="send",
            url=_HERE,
            mark="41be07aa",
        ),
        Entry(
            at=datetime(2026, 11, 1, 4, 0, tzinfo=UTC),
            actor="system:scheduler",
            text="froze the usage of October 2026",
            mark="c07d55e1",
        ),
    ]


def _attention() -> list[Attention]:
    return [
        Attention(
            title="Spend that nobody owns",
            text="3 keys, first seen on October 8",
            url=_HERE,
            action="Map keys",
            tone="bad",
            amount="4661.48",
            currency=_USD,
        ),
        Attention(
            title="One model has no price",
            text="in-house-70b: 22,104 tokens are kept unpriced",
            url=_HERE,
            action="Add a price",
        ),
        Attention(
            title="Your approval is asked for",
            text="Experiment: reranker with long context",
            url=_HERE,
            action="Review",
            tone="info",
        ),
    ]


def _facts() -> list[Fact]:
    return [
        Fact("Data hash", "sha256:9f2c61d0e7a4…51be"),
        Fact("Prices as known at", "Nov 1, 2026, 9:00 AM EDT"),
        Fact("Allocation rule", "Vector store by requests", _HERE),
    ]


def _amounts() -> list[tuple[str, Figure]]:
    return [
        ("An amount", Decimal("1234.567891")),
        ("A small one", Decimal("0.061440")),
        ("A credit", Decimal("-120.5")),
        ("Missing", None),
        ("Unpriced", UNPRICED),
    ]


class BudgetForm(forms.Form):
    """A form with every kind of field, one of them wrong."""

    name = forms.CharField(label="Name", max_length=80, help_text="Shown on every statement.")
    limit = forms.DecimalField(
        label="Hard limit in USD",
        min_value=Decimal("0.01"),
        error_messages={"min_value": "The limit must be more than zero; write 0.01 or more."},
    )
    scope = forms.ChoiceField(label="Scope", choices=[("team", "One team"), ("model", "One model")])
    window = forms.ChoiceField(
        label="Window",
        choices=[("month", "Calendar month"), ("rolling", "Rolling 30 days")],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    notify = forms.BooleanField(label="Tell the owner at 80% of the limit", required=False)


def _form() -> BudgetForm:
    return BudgetForm(
        {"name": "Search experiments", "limit": "0", "scope": "team", "window": "month"}
    )
