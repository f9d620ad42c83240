"""What a change of prices would do, in rows that pages show: by month, by meter, by team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from apps.catalog.domain.meters import meter_facts, plural
from apps.core import presentation
from apps.core.domain.money import minor_digits
from apps.core.web.parts import Kpi
from apps.ingest.services import Foresight
from apps.ingest.services.meanings import LineChange


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A month before and after, and whether it follows at once."""

    month: str
    state: str
    cells: Decimal
    before: str
    after: str
    follows: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A meter before and after; a cost of None is unpriced."""

    before: str
    after: str
    meter: str
    quantity: Decimal
    unit: str
    cost_before: Decimal | None
    currency_before: str
    cost_after: Decimal | None
    currency_after: str


@dataclass(frozen=True, slots=True)
class TeamRow:
    """A team's cost before and after."""

    team: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A foresight as the page shows it."""

    kpis: tuple[Kpi, ...]
    months: tuple[MonthRow, ...]
    lines: tuple[LineRow, ...]
    teams: tuple[TeamRow, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would change anywhere."""
        return not self.months


def shown_of(seen: Foresight) -> Shown:
    """Return a foresight as the page shows it."""
    return Shown(
        kpis=_kpis(seen),
        months=tuple(
            MonthRow(
                month=str(month.month),
                state=month.state.value,
                cells=Decimal(month.cells),
                before=sums_text(month.cost.before),
                after=sums_text(month.cost.after),
                follows="rated again at once"
                if month.is_rated_again
                else "stays as it is; a price correction can book this in an open month",
            )
            for month in seen.months
        ),
        lines=line_rows(seen.lines),
        teams=tuple(
            TeamRow(team.team or "unowned", sums_text(team.cost.before), sums_text(team.cost.after))
            for team in seen.teams
        ),
    )


def line_rows(lines: Iterable[LineChange]) -> tuple[LineRow, ...]:
    """Return meters that are priced otherwise as rows."""
    return tuple(
        LineRow(
            before=line.before,
            after=line.after,
            meter=meter_facts(line.meter).label,
            quantity=line.quantity,
            unit=plural(meter_facts(line.meter).unit),
            cost_before=line.cost_before,
            currency_before=line.currency_before,
            cost_after=line.cost_after,
            currency_after=line.currency_after,
        )
        for line in lines
    )


def sums_text(sums: Mapping[str, Decimal]) -> str:
    """Say amounts by currency, to the minor unit or what is below it; none is "no cost"."""
    if not sums:
        return "no cost"
    return ", ".join(_readable(amount, code) for code, amount in sums.items())


def _readable(amount: Decimal, currency: str) -> str:
    """Return an amount to the minor unit; one that would round to nothing keeps two digits."""
    smallest = Decimal(1).scaleb(-minor_digits(currency))
    if not amount or abs(amount) >= smallest:
        return presentation.money(amount, currency)
    digits = 1 - amount.adjusted()
    return presentation.exact_money(amount.quantize(Decimal(1).scaleb(-digits)), currency)


def _kpis(seen: Foresight) -> tuple[Kpi, ...]:
    open_months = [month for month in seen.months if month.is_rated_again]
    closed = len(seen.months) - len(open_months)
    before: dict[str, Decimal] = {}
    after: dict[str, Decimal] = {}
    for month in open_months:
        for sums, found in ((before, month.cost.before), (after, month.cost.after)):
            for currency, amount in found.items():
                sums[currency] = sums.get(currency, Decimal(0)) + amount
    money = tuple(
        Kpi(
            label=f"Cost of open months, {currency}",
            value=after.get(currency, Decimal(0)),
            currency=currency,
            note=f"now {presentation.money(before.get(currency, Decimal(0)), currency)}",
        )
        for currency in sorted({*before, *after})
    )
    return (
        Kpi(
            label="Quantities rated again",
            value=Decimal(seen.cells),
            kind="quantity",
            note=f"in {len(open_months)} open month{'' if len(open_months) == 1 else 's'}",
        ),
        *money,
        Kpi(
            label="Months that stay",
            value=Decimal(closed),
            kind="quantity",
            note="frozen or closed",
        ),
    )
