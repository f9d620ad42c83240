"""What a token of a self-hosted model costs, from what its GPUs cost and how busy they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from apps.catalog.domain.meters import meter_facts
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError

SECONDS: Final = 3_600
UNIT_SIZE: Final = 1_000_000
"""Derived prices are per million tokens."""

_DECIMALS: Final = 12
_METER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LIMIT: Final = Decimal(10) ** 15
_MOST_CLASSES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModelDraft:
    """What a self-hosted model runs on and how fast, as it was entered.

    `gpu_hourly_rate` is in `currency` for one GPU; `throughput` is tokens per second of the whole
    fleet at full load, by meter, when it does nothing else. How busy the fleet is comes as
    `utilization` (a ratio above 0, at most 1), or as what was measured over `hours`: `measured`
    tokens by meter.
    """

    name: str
    gpu_hourly_rate: Decimal
    gpus: Decimal
    currency: str
    throughput: Mapping[str, Decimal]
    utilization: Decimal | None = None
    measured: Mapping[str, Decimal] = field(default_factory=dict)
    hours: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the inputs with decimals as plain text."""
        return {
            "gpu_hourly_rate": plain_decimal(self.gpu_hourly_rate),
            "gpus": plain_decimal(self.gpus),
            "currency": self.currency,
            "throughput": {meter: plain_decimal(n) for meter, n in self.throughput.items()},
            "utilization": None if self.utilization is None else plain_decimal(self.utilization),
            "measured": {meter: plain_decimal(n) for meter, n in self.measured.items()},
            "hours": None if self.hours is None else plain_decimal(self.hours),
        }


@dataclass(frozen=True, slots=True)
class Derived:
    """The price of one meter per million tokens, and each step to it."""

    meter: str
    amount: Decimal
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Derivation:
    """Derived prices with what they all rest on: hourly cost and utilization, exact ratios."""

    hourly_cost: Decimal
    utilization: Fraction
    prices: tuple[Derived, ...]

    def as_json(self) -> dict[str, Any]:
        """Return every step as text, exact ratios as numerator/denominator."""
        return {
            "hourly_cost": plain_decimal(self.hourly_cost),
            "utilization": f"{self.utilization.numerator}/{self.utilization.denominator}",
            "unit_size": UNIT_SIZE,
            "prices": [
                {"meter": one.meter, "amount": plain_decimal(one.amount), "steps": one.steps}
                for one in self.prices
            ],
        }


def faults(draft: CostModelDraft) -> list[FieldError]:
    """Return every field that is wrong, with the remedy."""
    found = [*_plain_faults(draft), *_throughput(draft), *_busy(draft)]
    if found or draft.utilization is not None:
        return found
    if utilization_of(draft) > 1:
        message = (
            "More tokens were measured than the fleet can make in those hours; correct the "
            "throughput, the hours or the tokens."
        )
        found.append(FieldError("measured", "too_many", message))
    return found


def utilization_of(draft: CostModelDraft) -> Fraction:
    """Return how busy the fleet is: as stated, or the measured tokens' time over all its time."""
    if draft.utilization is not None:
        return Fraction(draft.utilization)
    busy = sum(
        (Fraction(tokens) / Fraction(draft.throughput[m]) for m, tokens in draft.measured.items()),
        Fraction(0),
    )
    return busy / (Fraction(draft.hours or 0) * SECONDS)


def derive(draft: CostModelDraft) -> Derivation:
    """Return the price of each meter: the fleet's cost of a second, over the tokens it made in it.

    With measured tokens, prices times tokens come back to what the fleet cost in those hours, but
    for rounding at 1e-12 per million. The draft must be free of faults.
    """
    hourly = draft.gpu_hourly_rate * draft.gpus
    busy = utilization_of(draft)
    prices = tuple(
        _derived(meter, speed, hourly, busy, draft.currency)
        for meter, speed in sorted(draft.throughput.items())
    )
    return Derivation(hourly, busy, prices)


def _derived(meter: str, speed: Decimal, hourly: Decimal, busy: Fraction, currency: str) -> Derived:
    in_use = Fraction(speed) * busy * SECONDS
    exact = Fraction(hourly) / in_use * UNIT_SIZE
    amount = _rounded(exact)
    label = meter_facts(meter).label.lower()
    steps = (
        ("Fleet an hour", f"{plain_decimal(hourly)} {currency}"),
        ("Full speed", f"{_grouped(speed)} {label} a second"),
        ("In use", f"{_percent(busy)} of the time"),
        ("Made an hour", f"{_grouped(_rounded(in_use))} {label}"),
        ("Price", f"{plain_decimal(amount)} {currency} per 1,000,000"),
    )
    return Derived(meter, amount, steps)


def _rounded(exact: Fraction) -> Decimal:
    return Decimal(round(exact * 10**_DECIMALS)).scaleb(-_DECIMALS)


def _grouped(number: Decimal) -> str:
    return f"{Decimal(plain_decimal(number)):,f}"


def _percent(ratio: Fraction) -> str:
    return f"{plain_decimal(Decimal(round(ratio * 10**6)).scaleb(-4))} %"


def _plain_faults(draft: CostModelDraft) -> Iterator[FieldError]:
    if not draft.name.strip() or len(draft.name) > 200 or "\x00" in draft.name:
        yield FieldError("name", "invalid", "Write a name of 1 to 200 characters.")
    for name in ("gpu_hourly_rate", "gpus"):
        value = getattr(draft, name)
        if not value.is_finite() or not 0 < value < _LIMIT:
            yield FieldError(name, "range", "Write a number above 0.")
    if not re.fullmatch(r"[A-Z]{3}", draft.currency):
        yield FieldError("currency", "invalid", "Write three capital letters, such as USD.")


def _throughput(draft: CostModelDraft) -> Iterator[FieldError]:
    if not 1 <= len(draft.throughput) <= _MOST_CLASSES:
        yield FieldError("throughput", "count", "Write tokens per second for 1 to 20 meters.")
    for meter, speed in draft.throughput.items():
        place = f"throughput.{meter[:64]}"
        if not _METER.fullmatch(meter) or meter_facts(meter).unit != "token":
            yield FieldError(place, "meter", "Name a token meter, such as output_tokens.")
        elif not speed.is_finite() or not 0 < speed < _LIMIT:
            yield FieldError(place, "range", "Write tokens per second above 0.")


def _busy(draft: CostModelDraft) -> Iterator[FieldError]:
    stated, measured = draft.utilization is not None, bool(draft.measured)
    if stated == measured:
        message = "State the utilization, or what was measured over so many hours; one of both."
        yield FieldError("utilization", "one_of", message)
    if draft.utilization is not None and not _is_ratio(draft.utilization):
        yield FieldError("utilization", "range", "Write a ratio above 0, at most 1: 0.6 for 60 %.")
    if measured and (draft.hours is None or not _is_positive(draft.hours)):
        yield FieldError("hours", "range", "Write over how many hours it was measured, above 0.")
    for meter, tokens in draft.measured.items():
        place = f"measured.{meter[:64]}"
        if meter not in draft.throughput:
            yield FieldError(place, "meter", "Give its throughput as well.")
        elif not tokens.is_finite() or not 0 <= tokens < Decimal(10) ** 18:
            yield FieldError(place, "range", "Write a number of tokens from 0 on.")
    if measured and not any(draft.measured.values()):
        yield FieldError("measured", "nothing", "Nothing was measured, so no price follows.")


def _is_ratio(value: Decimal) -> bool:
    return value.is_finite() and 0 < value <= 1


def _is_positive(value: Decimal) -> bool:
    return value.is_finite() and 0 < value < _LIMIT
