"""Contract prices and discounts as rows of a sheet: written and read back without a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from apps.catalog.domain.conditions import Conditions
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.terms import DiscountDraft, Scope

COLUMNS: Final = (
    "type",
    "provider",
    "family",
    "model",
    "meter",
    "service_tier",
    "batch",
    "region",
    "context_gt",
    "window",
    "amount",
    "unit_size",
    "currency",
    "percent",
    "valid_from",
    "valid_to",
    "note",
    "confirm_unit_slip",
)
PRICE, DISCOUNT = "price", "discount"
_NEEDED: Final = ("type", "valid_from")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTE: Final = "'"
_WORDS: Final = {"yes": True, "no": False}
_MOST_DIGITS: Final = 60
_FIRST, _LAST = 1970, 9000

Draft = ContractDraft | DiscountDraft
Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of a sheet: `line` counts from 1 below the header; a draft, or what is wrong."""

    line: int
    draft: Draft | None
    faults: tuple[FieldError, ...] = ()


def guard(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, and that `unguard` undoes.

    A quote goes before what would begin a formula, and before a quote, so that no text is lost.
    """
    return f"{_QUOTE}{text}" if text.startswith((*_FORMULA, _QUOTE)) else text


def unguard(cell: str) -> str:
    """Return the text behind a guarded cell."""
    return cell.removeprefix(_QUOTE)


def cells_of(draft: Draft) -> list[str]:
    """Return a price or discount as cells in the order of the columns, guarded."""
    values = _price_cells(draft) if isinstance(draft, ContractDraft) else _discount_cells(draft)
    return [guard(values.get(column, "")) for column in COLUMNS]


def rows_of(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[SheetRow]:
    """Return the rows of a sheet; a row that cannot be read says why, by column.

    Empty lines are left out. The header names columns in any order.

    :raises ValueError: when the header lacks a column that is needed, or names one that is not.
    """
    names = [name.strip().lower() for name in header]
    _check_header(names)
    found = []
    for line, cells in enumerate(lines, start=1):
        if any(cell.strip() for cell in cells):
            found.append(_row(line, names, cells))
    return found


def _check_header(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in _NEEDED if name not in names]
    twice = [name for name in names if names.count(name) > 1]
    if unknown:
        raise ValueError(f"There is no column {unknown[0]!r}; known are {', '.join(COLUMNS)}.")
    if missing:
        raise ValueError(f"The header lacks the column {missing[0]!r}.")
    if twice:
        raise ValueError(f"The header names {twice[0]!r} twice.")


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> SheetRow:
    if len(cells) != len(names):
        text = f"The row has {len(cells)} cells, the header {len(names)}."
        return SheetRow(line, None, (FieldError("", "cells", text),))
    values = {name: unguard(cell) for name, cell in zip(names, cells, strict=True)}
    reader = _Reader(values)
    kind = values["type"].strip().lower()
    if kind == PRICE:
        draft: Draft | None = reader.price()
    elif kind == DISCOUNT:
        draft = reader.discount()
    else:
        draft = None
        reader.refuse("type", "Write price or discount.")
    return SheetRow(line, None if reader.faults else draft, tuple(reader.faults))


class _Reader:
    """Reads the cells of one row, and collects what is wrong with them."""

    def __init__(self, values: Cells) -> None:
        self._values = values
        self.faults: list[FieldError] = []

    def refuse(self, column: str, text: str) -> None:
        """Note that a cell is wrong."""
        self.faults.append(FieldError(column, "invalid", text))

    def price(self) -> ContractDraft | None:
        """Return the row as a contract price."""
        self._leave_empty("a price", "family", "percent")
        amount, size = self._decimal("amount"), self._whole("unit_size")
        start, end = self._moment("valid_from"), self._moment("valid_to", needed=False)
        conditions = Conditions(
            service_tier=self._text("service_tier"),
            batch=self._yes_or_no("batch") or False,
            region=self._text("region"),
            context_gt=self._whole("context_gt", needed=False) or 0,
            window=self._text("window"),
        )
        confirmed = self._yes_or_no("confirm_unit_slip") or False
        if self.faults or amount is None or size is None or start is None:
            return None
        return ContractDraft(
            provider=self._text("provider"),
            model=self._text("model"),
            meter=self._text("meter"),
            amount=amount,
            unit_size=size,
            currency=self._text("currency"),
            valid_from=start,
            valid_to=end,
            conditions=conditions,
            note=self._text("note"),
            confirm_unit_slip=confirmed,
        )

    def discount(self) -> DiscountDraft | None:
        """Return the row as a discount."""
        empty = ("window", "amount", "unit_size", "currency", "confirm_unit_slip")
        self._leave_empty("a discount", *empty)
        percent = self._decimal("percent")
        start, end = self._moment("valid_from"), self._moment("valid_to", needed=False)
        batch, context = self._yes_or_no("batch"), self._whole("context_gt", needed=False)
        if self.faults or percent is None or start is None:
            return None
        names = ("provider", "family", "model", "meter")
        return DiscountDraft(
            scope=Scope(**{name: self._text(name) for name in names}),
            percent=percent,
            valid_from=start,
            valid_to=end,
            service_tier=self._text("service_tier"),
            batch=batch,
            region=self._text("region"),
            context_gt=context,
            note=self._text("note"),
        )

    def _text(self, column: str) -> str:
        return self._values.get(column, "")

    def _leave_empty(self, what: str, *columns: str) -> None:
        for column in columns:
            if self._text(column).strip():
                self.refuse(column, f"Leave it empty: {what} has none.")

    def _read(
        self, column: str, needed: bool, read: Callable[[str], object], remedy: str
    ) -> object:
        text = self._text(column).strip()
        if not text and not needed:
            return None
        try:
            if len(text) > _MOST_DIGITS:
                raise ValueError(text)
            return read(text)
        except (ValueError, InvalidOperation):
            self.refuse(column, remedy)
            return None

    def _decimal(self, column: str) -> Decimal | None:
        remedy = "Write a number in plain notation with a point: 2.50."
        found = self._read(column, True, _plain_decimal, remedy)
        return found if isinstance(found, Decimal) else None

    def _whole(self, column: str, *, needed: bool = True) -> int | None:
        found = self._read(column, needed, _plain_whole, "Write a whole number: 1000000.")
        return found if isinstance(found, int) else None

    def _moment(self, column: str, *, needed: bool = True) -> datetime | None:
        remedy = "Write a moment with its offset: 2026-11-01T00:00:00Z; a date is midnight in UTC."
        found = self._read(column, needed, _moment_of, remedy)
        return found if isinstance(found, datetime) else None

    def _yes_or_no(self, column: str) -> bool | None:
        remedy = "Write yes or no, or leave it empty."
        found = self._read(column, False, lambda text: _WORDS[_known(text)], remedy)
        return found if isinstance(found, bool) else None


def _known(text: str) -> str:
    word = text.lower()
    if word not in _WORDS:
        raise ValueError(text)
    return word


def _plain_decimal(text: str) -> Decimal:
    if not set(text) <= set("0123456789.-"):
        raise ValueError(text)
    return Decimal(text)


def _plain_whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(text)
    return int(text)


def _moment_of(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) > len("2026-11-01"):
            raise ValueError(text)
        moment = moment.replace(tzinfo=UTC)
    if not _FIRST <= moment.year <= _LAST:
        raise ValueError(text)
    return moment


def _price_cells(draft: ContractDraft) -> dict[str, str]:
    wanted = draft.conditions
    return {
        "type": PRICE,
        "provider": draft.provider,
        "model": draft.model,
        "meter": draft.meter,
        "service_tier": wanted.service_tier,
        "batch": "yes" if wanted.batch else "",
        "region": wanted.region,
        "context_gt": str(wanted.context_gt) if wanted.context_gt else "",
        "window": wanted.window,
        "amount": plain_decimal(draft.amount),
        "unit_size": str(draft.unit_size),
        "currency": draft.currency,
        **_times(draft),
        "note": draft.note,
        "confirm_unit_slip": "yes" if draft.confirm_unit_slip else "",
    }


def _discount_cells(draft: DiscountDraft) -> dict[str, str]:
    scope = draft.scope
    return {
        "type": DISCOUNT,
        "provider": scope.provider,
        "family": scope.family,
        "model": scope.model,
        "meter": scope.meter,
        "service_tier": draft.service_tier,
        "batch": {True: "yes", False: "no", None: ""}[draft.batch],
        "region": draft.region,
        "context_gt": "" if draft.context_gt is None else str(draft.context_gt),
        "percent": plain_decimal(draft.percent),
        **_times(draft),
        "note": draft.note,
    }


def _times(draft: Draft) -> dict[str, str]:
    return {
        "valid_from": _said(draft.valid_from),
        "valid_to": "" if draft.valid_to is None else _said(draft.valid_to),
    }


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
