"""Reads a reviewed sheet: list prices that a person wrote down, one a row."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from apps.catalog.domain.conditions import Conditions, WindowInvalid, canonical_tier, parse_window
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import SHEET, Reading, StatedPrice, Subject
from apps.core.domain.errors import FieldError, Invalid

COLUMNS: Final = (
    "provider",
    "model",
    "meter",
    "conditions",
    "amount",
    "unit_size",
    "currency",
    "valid_from",
    "valid_to",
    "note",
)
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_ROWS: Final = 50_000
_NEEDED: Final = frozenset(COLUMNS) - {"conditions", "valid_to", "note"}
_MOST_ERRORS: Final = 20
_METER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CONTEXT: Final = re.compile(r"\d{1,12}", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,12}(?:\.\d{1,18})?", re.ASCII)
_SIZES: Final = {str(10**power): 10**power for power in range(19)}


class SheetInvalid(Invalid):
    """The sheet cannot be read as it is; every wrong cell is named by row and column."""

    default_code = "price_sheet_invalid"


class _WrongCell(Exception):
    """A cell that says no value; carries its column and what to write."""

    def __init__(self, column: str, remedy: str) -> None:
        super().__init__(remedy)
        self.column = column
        self.remedy = remedy


def read_sheet(content: bytes, *, name: str = "") -> Reading:
    """Return the prices of a CSV file with the columns `COLUMNS`, all of them or none.

    Conditions are written `tier=flex & batch & region=eu & context>200000 & window=mon-fri
    16:30-00:30 Asia/Shanghai`; moments in ISO 8601 with an offset.

    :raises SheetInvalid: when it is no such file; names up to 20 wrong cells with the remedy.
    """
    prices: dict[tuple[Subject, datetime], StatedPrice] = {}
    errors: list[FieldError] = []
    for number, row in _rows(content):
        try:
            price = _price(row, f"{name or 'sheet'} row {number}"[:300])
            key = (price.subject, _begun(price))
            if key in prices:
                raise _WrongCell("valid_from", f"{prices[key].stated_as} says the same moment.")
            prices[key] = price
        except _WrongCell as wrong:
            errors.append(FieldError(f"row {number}.{wrong.column}", "invalid", wrong.remedy))
    if errors:
        shown = "; ".join(f"{one.field}: {one.message}" for one in errors[:_MOST_ERRORS])
        raise SheetInvalid(
            f"{len(errors)} {'row is' if len(errors) == 1 else 'rows are'} wrong, and nothing was "
            f"taken. {shown}",
            errors=tuple(errors[:_MOST_ERRORS]),
        )
    if not prices:
        raise SheetInvalid("The sheet holds no price.")
    digest = hashlib.sha256(content).hexdigest()
    return Reading(SHEET, digest[:12], digest, tuple(prices.values()), (), name[:200])


def _rows(content: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    if len(content) > MOST_BYTES:
        raise SheetInvalid("The sheet is larger than 8 MiB; split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise SheetInvalid("The sheet is not UTF-8; save it as CSV UTF-8.") from wrong
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        missing = sorted(_NEEDED - set(names))
        unknown = sorted(set(names) - set(COLUMNS))
        if missing or unknown or len(names) != len(set(names)):
            raise SheetInvalid(
                f"The first line must name the columns {', '.join(COLUMNS)}, each once"
                + (f"; missing: {', '.join(missing)}" if missing else "")
                + (f"; unknown: {', '.join(unknown)[:200]}" if unknown else "")
                + "."
            )
        reader.fieldnames = names
        for count, row in enumerate(reader, start=1):
            if count > MOST_ROWS:
                raise SheetInvalid(f"The sheet has more than {MOST_ROWS:,} rows; split it.")
            if None in row or None in row.values():
                raise SheetInvalid(f"Row {reader.line_num} has another number of cells.")
            if any(cell.strip() for cell in row.values()):
                yield reader.line_num, {key: cell.strip() for key, cell in row.items()}
    except csv.Error as wrong:
        raise SheetInvalid(f"The sheet is no CSV file: {wrong}.") from wrong


def _price(row: Mapping[str, str], stated_as: str) -> StatedPrice:
    subject = Subject(
        _name(row, "provider", 64),
        _name(row, "model", 200),
        _matching(row, "meter", _METER, "Write a meter code such as input_tokens."),
        conditions_of(row.get("conditions", "")),
    )
    amount = row["amount"]
    if _NUMBER.fullmatch(amount) is None:
        raise _WrongCell(
            "amount", "Write a plain number of at most 12 digits and 18 decimals, as 2.50."
        )
    size = _SIZES.get(row["unit_size"].replace(",", ""))
    if size is None:
        raise _WrongCell("unit_size", "Write a power of ten: 1, 1000, 1000000 and so on.")
    currency = _matching(row, "currency", _CURRENCY, "Write three capital letters, as USD.")
    starts, ends = _moment(row, "valid_from"), _moment(row, "valid_to")
    if starts is None:
        raise _WrongCell("valid_from", "Write the moment at which the price begins.")
    if ends is not None and ends <= starts:
        raise _WrongCell("valid_to", "End the price after it begins.")
    rate = Rate(_decimal(amount), size, currency)
    return StatedPrice(subject, rate, starts, ends, stated_as, row.get("note", "")[:500])


def conditions_of(text: str) -> Conditions:
    """Read the cell of conditions; an empty one is an ordinary request.

    :raises _WrongCell: when a part is unknown, written twice, or no value.
    """
    found: dict[str, str | int | bool] = {}
    for part in filter(None, (piece.strip() for piece in text.split("&"))):
        name, value = _condition(part)
        if name in found:
            raise _WrongCell("conditions", f"{name} is written twice.")
        found[name] = value
    tier, batch = canonical_tier(str(found.get("service_tier", "")), bool(found.get("batch")))
    return Conditions(
        service_tier=tier,
        batch=batch,
        region=str(found.get("region", "")),
        context_gt=int(found.get("context_gt", 0)),
        window=str(found.get("window", "")),
    )


def _condition(part: str) -> tuple[str, str | int | bool]:
    if part.lower() == "batch":
        return "batch", True
    name, sign, value = re.fullmatch(r"([a-z_]*)\s*([=>]?)\s*(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
    if name == "context" and sign == ">" and _CONTEXT.fullmatch(value):
        return "context_gt", int(value)
    if sign == "=" and name == "window":
        try:
            return name, parse_window(value).text
        except WindowInvalid as wrong:
            raise _WrongCell("conditions", str(wrong)) from wrong
    if sign == "=" and name in {"tier", "region"} and 0 < len(value) <= 64:
        return {"tier": "service_tier"}.get(name, name), value
    raise _WrongCell(
        "conditions",
        f"{part[:80]!r} is no condition; write tier=flex & batch & region=eu & context>200000 & "
        "window=mon-fri 16:30-00:30 Asia/Shanghai.",
    )


def _name(row: Mapping[str, str], column: str, length: int) -> str:
    value = row[column]
    if not value or len(value) > length or _CONTROL.search(value):
        raise _WrongCell(column, f"Write a {column} of 1 to {length} characters.")
    return value


def _matching(row: Mapping[str, str], column: str, form: re.Pattern[str], remedy: str) -> str:
    if form.fullmatch(row[column]) is None:
        raise _WrongCell(column, remedy)
    return row[column]


def _moment(row: Mapping[str, str], column: str) -> datetime | None:
    text = row.get(column, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise _WrongCell(column, "Write 2026-11-01T00:00:00Z, with an offset.") from wrong
    if moment.tzinfo is None or not 2000 <= moment.year < 9000:
        raise _WrongCell(column, "Write 2026-11-01T00:00:00Z, with an offset.")
    return moment


def _begun(price: StatedPrice) -> datetime:
    if price.valid_from is None:
        raise _WrongCell("valid_from", "Write the moment at which the price begins.")
    return price.valid_from


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as wrong:
        raise _WrongCell("amount", "Write a plain number, as 2.50.") from wrong
