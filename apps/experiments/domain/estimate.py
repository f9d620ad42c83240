"""What planned runs will cost: a band from the price book as published, and what looks wrong.

Every figure is exact; nothing is rounded before somebody asks for an amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Final, Literal, Protocol

from apps.catalog.domain.meters import REQUESTS
from apps.core.domain.money import EXACT, minor_quantum
from apps.experiments.domain.bands import Band, Point, total
from apps.experiments.domain.proposals import ModelPlan
from apps.experiments.domain.wording import money
from apps.rating.domain.prices import Quote, SkuKey
from apps.rating.domain.rate import cost_of

INPUT: Final = "input_tokens"
CACHED: Final = "cached_input_tokens"
OUTPUT: Final = "output_tokens"

Severity = Literal["info", "warn", "bad"]
Convert = Callable[[Decimal, str], Decimal]
"""An amount in a currency -> the same in the tenant's currency."""


class Book(Protocol):
    """What an estimate asks of a price book."""

    def sku_for(
        self,
        *,
        provider: str,
        model: str,
        service_tier: str | None,
        batch: bool,
        region: str | None,
        context_tokens: int,
        at: datetime,
    ) -> SkuKey: ...

    def quote(self, *, sku: SkuKey, meter: str, at: datetime) -> Quote | None: ...

    def expects_price(self, *, sku: SkuKey, meter: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to look at before money is asked for; `bad` ones keep a request from passing by
    itself."""

    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateLine:
    """One meter of one planned model; the price is that of the likely case, with its unit.

    `amount` is in the tenant's currency; None where the meter has no price.
    """

    model: str
    meter: str
    quantity: Band
    amount: Band | None
    price: Decimal | None = None
    unit_size: int = 1
    price_currency: str = ""
    price_source: str = ""
    price_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The whole; without a band something of it has no price."""

    currency: str
    band: Band | None
    lines: tuple[EstimateLine, ...]
    cautions: tuple[Caution, ...]

    @property
    def tokens(self) -> Band:
        """Return all tokens of all runs."""
        return total(line.quantity for line in self.lines if line.meter != REQUESTS)

    @property
    def blocking(self) -> tuple[str, ...]:
        """Return the codes of cautions that call for a person."""
        return tuple(each.code for each in self.cautions if each.severity == "bad")


def estimate(
    *, plans: Sequence[ModelPlan], book: Book, at: datetime, currency: str, convert: Convert
) -> Estimate:
    """Return what the plans cost at the prices of a moment.

    Runs of one point pair with the tokens of the same point: the low end is few short runs, the
    high end many long ones. Each point finds its own context tier. A cached share is served at the
    cached price, in whole tokens a run; where there is none it costs what input costs.
    """
    lines: list[EstimateLine] = []
    cautions: list[Caution] = []
    for plan in plans:
        priced = _Priced(plan, book, at, convert)
        lines += priced.lines()
        cautions += priced.cautions
    amounts = [line.amount for line in lines]
    known = [amount for amount in amounts if amount is not None]
    band = total(known) if len(known) == len(amounts) else None
    return Estimate(currency, band, tuple(lines), tuple(cautions))


def asked_amount(estimate: Estimate, amount: Decimal | None) -> Decimal | None:
    """Return the amount that is asked for: as stated, else the high end rounded up."""
    if amount is not None or estimate.band is None:
        return amount
    quantum = minor_quantum(estimate.currency)
    high = max(estimate.band.high, quantum)
    return high.quantize(quantum, ROUND_CEILING, EXACT)


class _Priced:
    """The lines of one plan, and what was odd about them."""

    def __init__(self, plan: ModelPlan, book: Book, at: datetime, convert: Convert) -> None:
        self._plan, self._book, self._at, self._convert = plan, book, at, convert
        self._skus = {point: self._sku(point) for point in Point}
        self.cautions: list[Caution] = []

    def lines(self) -> list[EstimateLine]:
        quantities = {point: _quantities(self._plan, point) for point in Point}
        meters = [m for m in (INPUT, CACHED, OUTPUT) if any(q[m] for q in quantities.values())]
        found = [self._line(meter, _band(quantities, meter)) for meter in meters]
        if any(self._charges_requests(point) for point in Point):
            found.append(self._line(REQUESTS, _band(quantities, REQUESTS)))
        self._say_tiers()
        return found

    def _line(self, meter: str, quantity: Band) -> EstimateLine:
        quotes = {point: self._quote(point, meter) for point in Point}
        likely = quotes[Point.LIKELY]
        missing = any(q is None and quantity.at(p) for p, q in quotes.items())
        if missing or likely is None:
            self._say_unpriced(meter)
            return EstimateLine(model=self._plan.name, meter=meter, quantity=quantity, amount=None)
        return EstimateLine(
            model=self._plan.name,
            meter=meter,
            quantity=quantity,
            amount=Band(*(self._cost(quantity.at(point), quotes[point]) for point in Point)),
            price=likely.amount,
            unit_size=likely.unit_size,
            price_currency=likely.currency,
            price_source=likely.source,
            price_since=likely.row.valid_from,
        )

    def _quote(self, point: Point, meter: str) -> Quote | None:
        quote = self._book.quote(sku=self._skus[point], meter=meter, at=self._at)
        if quote is None and meter == CACHED:
            quote = self._book.quote(sku=self._skus[point], meter=INPUT, at=self._at)
            if quote is not None:
                self._say_no_cached_price()
        return quote

    def _cost(self, quantity: Decimal, quote: Quote | None) -> Decimal:
        if quote is None:
            return Decimal(0)  # nothing of it is planned at this point
        cost = cost_of(quantity=quantity, amount=quote.amount, unit_size=quote.unit_size)
        return self._convert(cost, quote.currency)

    def _charges_requests(self, point: Point) -> bool:
        sku = self._skus[point]
        if self._book.quote(sku=sku, meter=REQUESTS, at=self._at) is not None:
            return True
        return self._book.expects_price(sku=sku, meter=REQUESTS)

    def _sku(self, point: Point) -> SkuKey:
        plan = self._plan
        return self._book.sku_for(
            provider=plan.provider,
            model=plan.model,
            service_tier=plan.service_tier or None,
            batch=plan.batch,
            region=None,
            context_tokens=plan.input_tokens.at(point),
            at=self._at,
        )

    def _say(self, code: str, severity: Severity, message: str) -> None:
        caution = Caution(code, severity, message)
        if caution not in self.cautions:
            self.cautions.append(caution)

    def _say_unpriced(self, meter: str) -> None:
        how = " in batch mode" if self._plan.batch else ""
        self._say(
            "unpriced",
            "bad",
            f"{self._plan.name}{how} has no single price for {meter.replace('_', ' ')}; name the "
            "amount you need, or have a price recorded.",
        )

    def _say_no_cached_price(self) -> None:
        self._say(
            "no_cached_price",
            "warn",
            f"{self._plan.name} has no price for cached input; it is estimated as plain input.",
        )

    def _say_tiers(self) -> None:
        tiers = {point: self._skus[point].context_tier for point in Point}
        above = next((tiers[point] for point in reversed(Point) if tiers[point]), "")
        if above:
            points = " and ".join(point.value for point in Point if tiers[point])
            self._say(
                "long_context",
                "info",
                f"{self._plan.name} charges its long-context price above {int(above):,} input "
                f"tokens; the {points} case is there.",
            )


def _quantities(plan: ModelPlan, point: Point) -> Mapping[str, Decimal]:
    """Return the disjoint meters of all runs at one point."""
    runs = plan.runs.at(point)
    tokens = plan.input_tokens.at(point)
    cached = int(EXACT.multiply(Decimal(tokens), plan.cache_share))
    return {
        INPUT: Decimal(runs * (tokens - cached)),
        CACHED: Decimal(runs * cached),
        OUTPUT: Decimal(runs * plan.output_tokens.at(point)),
        REQUESTS: Decimal(runs),
    }


def _band(quantities: Mapping[Point, Mapping[str, Decimal]], meter: str) -> Band:
    return Band(*(quantities[point][meter] for point in Point))


def window_cautions(
    plans: Sequence[ModelPlan], windows: Mapping[str, int | None]
) -> Iterator[Caution]:
    """Yield a caution for every plan whose single run may not fit the model's context window.

    `windows` are tokens by provider/model; None where the catalog does not know.
    """
    for plan in plans:
        window = windows.get(plan.name)
        if window is None:
            continue
        for point, severity in ((Point.LIKELY, "bad"), (Point.HIGH, "warn")):
            sent, made = plan.input_tokens.at(point), plan.output_tokens.at(point)
            if sent + made > window:
                yield Caution(
                    "context_window",
                    "bad" if severity == "bad" else "warn",
                    f"{sent:,} tokens in and {made:,} out do not fit the {window:,} tokens of "
                    f"{plan.name} in the {point.value} case; such a request fails.",
                )
                break


SLIP: Final = 100
"""From this factor on an amount is taken for another unit rather than another opinion."""


def amount_cautions(estimate: Estimate, amount: Decimal | None) -> Iterator[Caution]:
    """Yield what is odd about the amount asked for, compared with the estimate."""
    if amount is None or estimate.band is None or not estimate.band.likely:
        return
    likely = estimate.band.likely
    ratio = EXACT.divide(max(amount, likely), min(amount, likely))
    if ratio >= SLIP:
        yield _slip(estimate, amount, likely, ratio)
    elif amount < likely:
        yield Caution(
            "amount_short",
            "warn",
            f"{money(amount, estimate.currency)} will not last: the likely cost is "
            f"{money(likely, estimate.currency)}.",
        )


def _slip(estimate: Estimate, amount: Decimal, likely: Decimal, ratio: Decimal) -> Caution:
    way = "times" if amount > likely else "times less than"
    factor = f"{ratio.quantize(Decimal('0.1'), context=EXACT):,}"
    thousandfold = money(EXACT.multiply(likely, Decimal(1000)), estimate.currency)
    return Caution(
        "unit_slip",
        "bad",
        f"{money(amount, estimate.currency)} is {factor} {way} the likely cost of "
        f"{money(likely, estimate.currency)}. Prices are per million tokens; read as per "
        f"thousand they would give {thousandfold}. Check the unit.",
    )
