"""A statement as tables, one row a printed line; column names are stable and English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from apps.documents.domain.sheets import Cell, Column, Sheet

Payload = Mapping[str, Any]
Line = Mapping[str, Any]

_LINE_COLUMNS: Final[tuple[tuple[Column, Callable[[Line], Any]], ...]] = (
    (Column("position", Cell.NUMBER), lambda line: line["position"]),
    (Column("section"), lambda line: line["section"]),
    (Column("kind"), lambda line: line["kind"]),
    (Column("heading"), lambda line: line["heading"]),
    (Column("provider"), lambda line: line["provider"]),
    (Column("product"), lambda line: line["product"]),
    (Column("meter"), lambda line: line["meter"]),
    (Column("quantity", Cell.NUMBER), lambda line: line["quantity"]),
    (Column("unit"), lambda line: line["unit"]),
    (Column("unit_price", Cell.NUMBER), lambda line: _price(line, "amount")),
    (Column("unit_size", Cell.NUMBER), lambda line: _price(line, "unit_size")),
    (Column("price_currency"), lambda line: _price(line, "currency")),
    (Column("fx_rate", Cell.NUMBER), lambda line: _price(line, "fx_rate")),
    (Column("price_source"), lambda line: _price(line, "source")),
    (Column("price_valid_from"), lambda line: _price(line, "valid_from")),
    (Column("price_valid_to"), lambda line: _price(line, "valid_to")),
    (Column("rule"), lambda line: line["rule"]),
    (Column("method"), lambda line: line["method"]),
    (Column("receiver"), lambda line: line["receiver"]),
    (Column("driver"), lambda line: line["driver"]),
    (Column("driver_value", Cell.NUMBER), lambda line: line["driver_value"]),
    (Column("driver_total", Cell.NUMBER), lambda line: line["driver_total"]),
    (Column("pool_total", Cell.EXACT), lambda line: line["pool_total"]),
    (Column("original_month"), lambda line: line["original_month"]),
    (Column("reason"), lambda line: line.get("reason")),
    (Column("exact", Cell.EXACT), lambda line: line["exact"]),
    (Column("amount", Cell.NUMBER), lambda line: line["amount"]),
)

_USE_COLUMNS: Final = (
    Column("kind"),
    Column("team"),
    Column("product"),
    Column("feature"),
    Column("customer"),
    Column("experiment"),
    Column("environment"),
    Column("name"),
    Column("meter"),
    Column("unit"),
    Column("quantity", Cell.NUMBER),
    Column("original_month"),
    Column("exact", Cell.EXACT),
)


def lines_sheet(payload: Payload, *, number: str) -> Sheet:
    """Return the printed lines, each with the statement it belongs to; amounts sum to the total."""
    frame = (
        number,
        payload["period"]["month"],
        payload["recipient"]["code"],
        payload["currency"],
    )
    return Sheet(
        name="Lines",
        columns=[
            Column("number"),
            Column("month"),
            Column(_subject(payload)),
            Column("currency"),
            *(column for column, _ in _LINE_COLUMNS),
        ],
        rows=[
            [*frame, *(_text(read(line)) for _, read in _LINE_COLUMNS)] for line in payload["lines"]
        ],
    )


def _subject(payload: Payload) -> str:
    """Name what the document is about: a cost center, or the kind of a roll-up."""
    return payload["rollup"]["kind"] if "rollup" in payload else "cost_center"


def sheets(payload: Payload, *, number: str, data_hash: str) -> list[Sheet]:
    """Return the whole statement: summary, lines, every use, reconciliation, postings."""
    return [
        _summary(payload, number, data_hash),
        lines_sheet(payload, number=number),
        Sheet(
            name="Use",
            columns=_USE_COLUMNS,
            rows=[[_text(use[column.name]) for column in _USE_COLUMNS] for use in payload["use"]],
        ),
        _reconciliation(payload),
        _postings(payload),
        *([_parts(payload)] if "rollup" in payload else []),
        *([_budgets(payload)] if payload.get("budgets") else []),
    ]


def _parts(payload: Payload) -> Sheet:
    names = ("cost_center", "name", "number", "statement_total", "amount", "billed")
    columns = [
        Column(name, Cell.NUMBER if rank > 2 else Cell.TEXT) for rank, name in enumerate(names)
    ]
    rows = [[_text(part[name]) for name in names] for part in payload["rollup"]["parts"]]
    return Sheet(name="Statements", columns=columns, rows=rows)


def _budgets(payload: Payload) -> Sheet:
    names = ("amount", "spent", "forecast_low", "forecast", "forecast_high")
    return Sheet(
        name="Budgets",
        columns=[
            Column("budget"),
            Column("scope"),
            Column("currency"),
            *(Column(name, Cell.NUMBER) for name in names),
        ],
        rows=[
            [
                fact["name"],
                " ".join(f"{key}={value}" for key, value in fact["scope"].items()),
                fact["currency"],
                *(_text(fact[name]) for name in names),
            ]
            for fact in payload["budgets"]
        ],
    )


def _summary(payload: Payload, number: str, data_hash: str) -> Sheet:
    recipient, run = payload["recipient"], payload["run"]
    texts = [
        ("issuer", payload["issuer"]["name"]),
        ("number", number),
        ("month", payload["period"]["month"]),
        (_subject(payload), recipient["code"]),
        ("name", recipient["name"]),
        ("owner", recipient["owner_name"]),
        ("gl_account", recipient["gl_code"]),
        ("currency", payload["currency"]),
        ("run", run["id"]),
        ("input_hash", run["input_hash"]),
        ("output_hash", run["output_hash"]),
        ("data_hash", data_hash),
    ]
    figures = [("total", payload["total"]), *payload["sections"].items()]
    previous = payload["change"]["previous"]
    if previous is not None:
        figures += [("previous_total", previous["total"]), ("change", payload["change"]["amount"])]
    return Sheet(
        name="Summary",
        columns=[Column("what"), Column("text"), Column("amount", Cell.NUMBER)],
        rows=[[what, text, None] for what, text in texts]
        + [[what, None, amount] for what, amount in figures],
    )


def _reconciliation(payload: Payload) -> Sheet:
    block = payload["reconciliation"]
    return Sheet(
        name="Reconciliation",
        columns=[Column("what"), Column("effective", Cell.EXACT), Column("billed", Cell.EXACT)],
        rows=[[key, block["effective"][key], block["billed"][key]] for key in _TIE],
    )


_TIE: Final = (
    "cost_base",
    "direct",
    "shared",
    "unallocated",
    "markup",
    "adjustment",
    "rounding",
    "statements",
    "difference",
)


def _postings(payload: Payload) -> Sheet:
    names = ("account", "cost_center", "name", "debit", "credit")
    columns = [
        Column(name, Cell.NUMBER if name in ("debit", "credit") else Cell.TEXT) for name in names
    ]
    return Sheet(
        name="Posting",
        columns=columns,
        rows=[[_text(row[name]) for name in names] for row in payload["postings"]],
    )


def _price(line: Line, field: str) -> Any:
    return line["price"][field] if line["price"] else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
