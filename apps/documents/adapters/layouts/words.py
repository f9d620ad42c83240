"""Puts words and figures of a payload into the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from babel import numbers

from apps.core import presentation
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import minor_digits

MISSING: Final = presentation.MISSING

_SIZES: Final = {1_000: "count_1000", 1_000_000: "count_1000000", 1_000_000_000: "count_1000000000"}


@dataclass(frozen=True, slots=True)
class Words:
    """Formats for one document; use it inside `presentation.reading_as`."""

    texts: Mapping[str, str]
    currency: str

    def __call__(self, key: str, **facts: object) -> str:
        """Return the words of a key with its facts filled in."""
        return self.texts[key].format(**facts) if facts else self.texts[key]

    def money(self, amount: str | Decimal) -> str:
        """Return an amount with its currency code."""
        return presentation.money(amount, self.currency)

    def figure(self, amount: str | Decimal) -> str:
        """Return an amount without its code, for columns that name it in their head."""
        digits = minor_digits(self.currency)
        return presentation.number(amount, least=digits, most=digits)

    def exact(self, amount: str | Decimal) -> str:
        """Return an amount with every digit it has, without its code."""
        return presentation.number(amount, least=minor_digits(self.currency), most=12)

    def rounded(self, amount: str | Decimal) -> str:
        """Return an amount in whole units for chart labels, or in minor units when small."""
        small = abs(Decimal(amount)) < 100
        digits = minor_digits(self.currency) if small else 0
        return presentation.number(amount, least=digits, most=digits)

    def magnitude(self, amount: str | Decimal) -> str:
        """Return the size of an amount, without sign, with its currency code."""
        return self.money(abs(Decimal(amount)))

    def percent(self, ratio: str | Decimal | None) -> str:
        """Return a ratio as a percentage; an en dash when there is none; whole from 1,000% on."""
        large = ratio is not None and abs(Decimal(ratio)) >= 10
        return presentation.percent(ratio, digits=0 if large else 1)

    def signed(self, amount: str | Decimal) -> str:
        """Return an amount with its sign always shown."""
        text = self.figure(amount)
        return f"+{text}" if Decimal(amount) > 0 else text

    def month(self, month: str) -> str:
        """Return a month in words."""
        return presentation.month(month)

    def day(self, value: str | date) -> str:
        """Return a calendar day."""
        return presentation.day(date.fromisoformat(value) if isinstance(value, str) else value)

    def moment(self, value: str | None) -> str:
        """Return a moment in the tenant's timezone."""
        return presentation.moment(datetime.fromisoformat(value) if value else None)

    def price_day(self, value: str) -> str:
        """Return the day of a price's validity; providers count it in UTC."""
        return presentation.day(datetime.fromisoformat(value).astimezone(UTC).date())

    def aligned(self, amounts: Sequence[str | Decimal]) -> list[str]:
        """Return amounts with as many decimals each as the finest of them needs."""
        scales = [len(plain_decimal(Decimal(amount)).partition(".")[2]) for amount in amounts]
        digits = max([minor_digits(self.currency), *scales])
        return [presentation.number(amount, least=digits, most=digits) for amount in amounts]

    def meter(self, code: str) -> str:
        """Return a meter in plain words; a meter of the tenant's own keeps its code."""
        return self.texts.get(f"meter_{code}", code)

    def driver(self, code: str) -> str:
        """Return what shared cost is split by in plain words; an uploaded driver keeps its code."""
        return self.texts.get(f"driver_{code}") or self.meter(code.removeprefix("meter:"))

    def dimension(self, code: str) -> str:
        """Return what a budget or filter is about in plain words; an unknown one keeps its code."""
        return self.texts.get(f"dimension_{code}", code)

    def unit_price(self, price: Mapping[str, Any]) -> str:
        """Return a price with its unit: $2.50 per 1M tokens; digits are never dropped."""
        size, unit = int(price["unit_size"]), str(price["unit"])
        amount = self._price_amount(Decimal(price["amount"]), str(price["currency"]))
        if size == 1:
            return f"{amount} {self('per_one', unit=self._unit(unit, many=False))}"
        count = self.texts[_SIZES[size]] if size in _SIZES else presentation.number(size)
        return f"{amount} {self('per_unit', count=count, unit=self._unit(unit, many=True))}"

    def _unit(self, unit: str, *, many: bool) -> str:
        return self.texts.get(f"unit_{unit}_many" if many else f"unit_{unit}", unit)

    def _price_amount(self, amount: Decimal, currency: str) -> str:
        locale = presentation.current_reading().locale
        pattern = numbers.parse_pattern(locale.currency_formats["standard"].pattern)
        least = max(minor_digits(currency), -int(amount.as_tuple().exponent))
        pattern.frac_prec = (least, least)
        shown: str = pattern.apply(amount, locale, currency=currency, currency_digits=False)
        return shown.replace("\u00a4", numbers.get_currency_symbol(currency, locale))
