"""Shows money, quantities and moments the way the tenant reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation, localcontext
from enum import Enum
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError, dates, numbers

from apps.core.domain.money import EXACT, Money, minor_digits
from apps.core.domain.months import Month

MISSING: Final = "–"
"""What stands where a value is missing: an en dash, never a zero."""

NBSP: Final = "\u00a0"


class Unpriced(Enum):
    """The cost of a quantity that has no price yet; shown as a word, never as zero."""

    UNPRICED = "unpriced"


UNPRICED: Final = Unpriced.UNPRICED

Figure = Decimal | int | str | Money | Unpriced | None
"""A number to show. Strings are decimals in plain notation; floats are refused."""


# ---------------------------------------------------------------------------------- who is reading


@dataclass(frozen=True, slots=True)
class Reading:
    """The locale and the timezone in which a page, a document or an e-mail is read."""

    locale: Locale
    zone: ZoneInfo


_DEFAULT: Final = Reading(Locale.parse("en_US"), ZoneInfo("UTC"))
_reading: ContextVar[Reading] = ContextVar("reading", default=_DEFAULT)


@contextmanager
def reading_as(*, locale: str, timezone: str) -> Iterator[Reading]:
    """Show everything inside the block in this locale (`de-DE` or `de_DE`) and timezone."""
    token = _reading.set(Reading(parse_locale(locale), parse_zone(timezone)))
    try:
        yield _reading.get()
    finally:
        _reading.reset(token)


def current_reading() -> Reading:
    """Return the reading in force; American English and UTC when nothing was chosen."""
    return _reading.get()


@lru_cache(maxsize=256)
def parse_locale(name: str) -> Locale:
    """Return the locale of that name, its language when the region is unknown, or en_US."""
    for candidate in (name.replace("-", "_"), re.split("[-_]", name)[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return _DEFAULT.locale


@lru_cache(maxsize=1024)
def parse_zone(name: str) -> ZoneInfo:
    """Return the timezone of that name, or UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return _DEFAULT.zone


# ----------------------------------------------------------------------------------------- numbers


def decimal_of(figure: Figure) -> Decimal | None:
    """Return the figure as a decimal; None when it is missing or unpriced.

    :raises TypeError: when it is a float or a bool: money and quantities are never floats.
    :raises ValueError: when a string is no finite decimal.
    """
    if figure is None or isinstance(figure, Unpriced) or figure == "":
        return None
    if isinstance(figure, Money):
        return figure.amount
    if isinstance(figure, bool) or not isinstance(figure, Decimal | int | str):
        raise TypeError(f"{figure!r} is no exact number; pass a Decimal, an int or a string.")
    try:
        value = Decimal(figure)
    except InvalidOperation:
        raise ValueError(f"{figure!r} is no decimal.") from None
    if not value.is_finite():
        raise ValueError(f"{figure!r} is not finite.")
    return value


def number(figure: Figure, *, least: int = 0, most: int = 6) -> str:
    """Return a grouped number with `least` to `most` decimals: 1,234.5."""
    value = decimal_of(figure)
    if value is None:
        return _absent(figure)
    return _grouped(value, _reading.get().locale.decimal_formats[None], least, max(least, most))


def money(figure: Figure, currency: str = "") -> str:
    """Return an amount in the currency's minor unit, the code before it: USD 1,234.56."""
    code = _currency(figure, currency)
    digits = minor_digits(code)
    return _with_code(figure, code, number(figure, least=digits, most=digits))


def exact_money(figure: Figure, currency: str = "") -> str:
    """Return an amount with every digit it has: USD 0.061440000123 keeps all of them."""
    code = _currency(figure, currency)
    return _with_code(figure, code, number(figure, least=minor_digits(code), most=40))


def rounded_money(figure: Figure, currency: str = "") -> str:
    """Return an amount for a KPI card: whole units from 10,000 on, millions from a million on."""
    code = _currency(figure, currency)
    value = decimal_of(figure)
    if value is None:
        return _absent(figure)
    if abs(value) >= 1_000_000:
        return _with_code(figure, code, _compact(value, digits=2))
    digits = 0 if abs(value) >= 10_000 else minor_digits(code)
    return _with_code(figure, code, number(value, least=digits, most=digits))


def quantity(figure: Figure, unit: str = "") -> str:
    """Return a grouped quantity with its unit: 1,234,567 tokens."""
    value = decimal_of(figure)
    text = number(figure)
    return f"{text}{NBSP}{unit}" if unit and value is not None else text


def compact(figure: Figure) -> str:
    """Return a quantity in short: 9,999 stays as it is, 1,234,567 becomes 1.2 M."""
    value = decimal_of(figure)
    if value is None:
        return _absent(figure)
    return number(value) if abs(value) < 10_000 else _compact(value, digits=1)


def percent(ratio: Figure, *, digits: int = 1) -> str:
    """Return a ratio as a percentage: Decimal("0.124") becomes 12.4%."""
    value = decimal_of(ratio)
    if value is None:
        return _absent(ratio)
    percents = _reading.get().locale.percent_formats[None]
    return _grouped(value, percents, digits, digits)


_TERM: Final = re.compile(
    r"\b(contract|discount|commitment) ([0-9a-f]{8})-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"
)


def price_source(source: str) -> str:
    """Return where a price comes from as people read it: "discount 3f2a9c1b", not the whole id.

    What is stored keeps the whole: programs find the term by it.
    """
    return _TERM.sub(r"\1 \2", source)


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What `per` units of a meter cost: 2.50 USD per 1,000,000 tokens."""

    amount: Decimal
    currency: str
    per: int = 1
    unit: str = "units"


def unit_price(price: UnitPrice | Unpriced | None) -> str:
    """Return a price with its unit: $2.50 per 1M tokens; digits are never dropped."""
    if price is None or isinstance(price, Unpriced):
        return _absent(price)
    locale = _reading.get().locale
    least = minor_digits(price.currency)
    symbol = numbers.get_currency_symbol(price.currency, locale)
    pattern = _with_decimals(locale.currency_formats["standard"], least, 18)
    with localcontext(EXACT):
        shown = pattern.apply(price.amount, locale, currency=price.currency, currency_digits=False)
    shown = shown.replace("\u00a4", symbol).replace(" ", NBSP)
    return f"{shown} per{NBSP}{_per(price.per, price.unit)}"


def _per(per: int, unit: str) -> str:
    if per == 1:
        return unit[:-1] if unit.endswith("s") and not unit.endswith("ss") else unit
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if per % size == 0:
            return f"{per // size}{letter}{NBSP}{unit}"
    return f"{number(per)}{NBSP}{unit}"


def _grouped(value: Decimal, pattern: numbers.NumberPattern, least: int, most: int) -> str:
    scale = most + 2 if "%" in pattern.pattern else most
    with localcontext(EXACT):
        nothing = value.quantize(Decimal(1).scaleb(-scale)) == 0
        shown = Decimal(0) if nothing else value  # a minus before 0.00 says nothing
        text: str = _with_decimals(pattern, least, most).apply(shown, _reading.get().locale)
    return text


def _with_decimals(pattern: numbers.NumberPattern, least: int, most: int) -> numbers.NumberPattern:
    changed = copy(pattern)
    changed.frac_prec = (least, most)
    return changed


def _compact(value: Decimal, *, digits: int) -> str:
    locale = _reading.get().locale
    with localcontext(EXACT):
        text = numbers.format_compact_decimal(value, locale=locale, fraction_digits=digits)
    if not any(sign.isalpha() for sign in text):
        return number(value, most=0)  # German, for one, has no short form of thousands
    return re.sub(r"(\d)\s?([^\W\d])", rf"\1{NBSP}\2", text)


def _currency(figure: Figure, currency: str) -> str:
    return figure.currency if isinstance(figure, Money) else currency


def _with_code(figure: Figure, code: str, text: str) -> str:
    return f"{code}{NBSP}{text}" if code and decimal_of(figure) is not None else text


def _absent(figure: object) -> str:
    return UNPRICED.value if isinstance(figure, Unpriced) else MISSING


# ------------------------------------------------------------------------------------------ change


Direction = Literal["up", "down", "same", "new", "unknown"]


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure moved against an earlier one; `ratio` is None when it came from zero."""

    direction: Direction
    difference: Decimal
    ratio: Decimal | None

    @property
    def word(self) -> str:
        """Say the direction in a word, so that color and arrow are never alone."""
        return _WORDS[self.direction]


_WORDS: Final[dict[Direction, str]] = {
    "up": "up",
    "down": "down",
    "same": "no change",
    "new": "new",
    "unknown": "no earlier value",
}


def change(current: Figure, previous: Figure) -> Change:
    """Compare two figures; a missing one makes the change unknown, an earlier zero makes it new."""
    now, then = decimal_of(current), decimal_of(previous)
    if now is None or then is None:
        return Change("unknown", Decimal(0), None)
    difference = EXACT.subtract(now, then)
    if difference == 0:
        return Change("same", difference, Decimal(0))
    if then == 0:
        return Change("new", difference, None)
    return Change("up" if difference > 0 else "down", difference, difference / abs(then))


# -------------------------------------------------------------------------------------------- time


def day(value: date | None) -> str:
    """Return a calendar day, or the local day of a moment: Nov 3, 2026."""
    if value is None:
        return MISSING
    local = _local(value) if isinstance(value, datetime) else value
    return dates.format_skeleton("yMMMd", local, locale=_reading.get().locale)


def clock(value: datetime) -> str:
    """Return the local time of a moment with the zone named: 9:05 AM EST."""
    reading = _reading.get()
    local = _local(value)
    time = dates.format_time(local, "short", tzinfo=reading.zone, locale=reading.locale)
    return f"{time} {_zone_name(local)}".replace(" ", NBSP)


def moment(value: datetime | None) -> str:
    """Return a moment in the tenant's timezone with the zone named: Nov 3, 2026, 9:05 AM EST."""
    return MISSING if value is None else f"{day(value)}, {clock(value)}"


def month(value: Month | date | str | None) -> str:
    """Return a month in words: October 2026. Strings are written 2026-10."""
    if value is None or value == "":
        return MISSING
    first = _first_day(value)
    return dates.format_skeleton("yMMMM", first, locale=_reading.get().locale)


def duration(value: timedelta | None) -> str:
    """Return how long something took in its two largest units: 2 min 05 s."""
    if value is None:
        return MISSING
    seconds = int(value.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{number(hours)}{NBSP}h {minutes:02d}{NBSP}min"
    if minutes:
        return f"{minutes}{NBSP}min {rest:02d}{NBSP}s"
    tenths = value // timedelta(milliseconds=100)
    return f"{number(Decimal(tenths).scaleb(-1), most=1)}{NBSP}s"


def zone_label() -> str:
    """Name the timezone in force, for footers and captions: America/New_York."""
    return _reading.get().zone.key


def _zone_name(local: datetime) -> str:
    translated = dates.get_timezone_name(local, "short", locale=_reading.get().locale)
    if re.fullmatch("[A-Z]{2,5}", translated):
        return translated
    common = local.tzname() or ""
    offset = f"{local:%z}"
    return common if common.isalpha() else f"UTC{offset[:3]}:{offset[3:]}"


def _local(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("A moment needs its timezone.")
    return value.astimezone(_reading.get().zone)


def _first_day(value: Month | date | str) -> date:
    if isinstance(value, str):
        value = Month.parse(value)
    return value.first_day if isinstance(value, Month) else value
