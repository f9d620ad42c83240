"""The tables of a statement, row by row, as strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from apps.core import presentation
from apps.documents.adapters.layouts.statement_story import heading
from apps.documents.adapters.layouts.words import MISSING, Words

Payload = Mapping[str, Any]
Line = Mapping[str, Any]
Row = dict[str, Any]

_TIE: Final = (
    ("cost_base", "cost_base", "lead"),
    ("of_which_direct", "direct", "part"),
    ("of_which_shared", "shared", "part"),
    ("of_which_unallocated", "unallocated", "part"),
    ("of_which_markup", "markup", "part"),
    ("of_which_adjustment", "adjustment", "part"),
    ("plus_rounding", "rounding", ""),
    ("all_statements", "statements", "lead"),
    ("difference", "difference", "total"),
)
_SECTIONS: Final = ("direct", "shared", "markup", "correction", "adjustment", "rounding")
_METER_ORDER: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)


def tables(payload: Payload, words: Words) -> dict[str, Any]:
    """Return every table of the statement; an absent one is empty."""
    by_section: dict[str, list[Line]] = {}
    for line in payload["lines"]:
        by_section.setdefault(line["section"], []).append(line)
    return {
        "direct": _direct(by_section.get("direct", []), words),
        "fx_notes": _fx_notes(payload, words),
        "shared": _shared_rows(by_section.get("shared", []), words),
        "corrections": [_correction(line, words) for line in by_section.get("correction", [])],
        "others": _others(by_section, words),
        "sections": _sections(payload, words),
        "rounding": _rounding(by_section.get("rounding", []), words),
        "empty": "" if payload["lines"] else _nothing(payload, words),
        "moves": _moves(payload, words),
        "customers": [_customer(row, words) for row in payload["customers"]],
        "experiments": _experiments(payload["experiments"], words),
        "unowned": _unowned(payload["unowned"], words),
        "reconciliation": _reconciliation(payload, words),
        "postings": [_posting(row, payload, words) for row in payload["postings"]],
    }


def _nothing(payload: Payload, words: Words) -> str:
    return words("none_lines", month=words.month(payload["period"]["month"]))


def _direct(lines: list[Line], words: Words) -> list[Row]:
    """Group direct lines by product, the dearest first; meters in the order of a request."""
    keyed = sorted(lines, key=lambda line: (line["provider"], line["product"]))
    groups = []
    for (provider, product), members in groupby(
        keyed, key=lambda line: (line["provider"], line["product"])
    ):
        own = sorted(members, key=_meter_rank)
        subtotal = _sum(own)
        groups.append(
            {
                "name": product,
                "provider": provider,
                "subtotal": words.figure(subtotal),
                "weight": subtotal,
                "rows": [_direct_row(line, words) for line in own],
            }
        )
    return sorted(groups, key=lambda group: (-group["weight"], group["name"]))


def _meter_rank(line: Line) -> tuple[int, str, str]:
    meter = line["meter"]
    rank = _METER_ORDER.index(meter) if meter in _METER_ORDER else len(_METER_ORDER)
    return (rank, meter, line["key"])


def _direct_row(line: Line, words: Words) -> Row:
    price = line["price"]
    return {
        "name": words.meter(line["meter"]) if line["meter"] else line["product"],
        "reason": _reason(line, words),
        "quantity": presentation.number(line["quantity"]),
        "price": words.unit_price(price | {"unit": line["unit"]})
        if price
        else words("no_unit_price"),
        "source": presentation.price_source(price["source"]) if price else "",
        "since": _since(price, words),
        "amount": words.figure(line["amount"]),
    }


def _reason(line: Line, words: Words) -> str:
    """Return why a line corrects, or that it is accrued; older payloads do not say."""
    reason = line.get("reason")
    return words(f"reason_{reason}") if reason else ""


def _since(price: Line | None, words: Words) -> str:
    if price is None or price["valid_from"] is None:
        return ""
    return words("valid_from", date=words.price_day(price["valid_from"]))


def _fx_notes(payload: Payload, words: Words) -> list[str]:
    key = "fx_note_provisional" if payload["period"]["fx_provisional"] else "fx_note"
    found = {
        (line["price"]["currency"], line["price"]["fx_rate"])
        for line in payload["lines"]
        if line["price"] and line["price"]["currency"] != payload["currency"]
    }
    month = words.month(payload["period"]["month"])
    return [
        words(
            key,
            currency=currency,
            rate=presentation.number(rate, most=12),
            to=payload["currency"],
            month=month,
        )
        for currency, rate in sorted(found)
    ]


def _shared_rows(lines: list[Line], words: Words) -> list[Row]:
    pools = words.aligned([_four(line["pool_total"] or "0") for line in lines])
    return [_shared(line, pool, words) for line, pool in zip(lines, pools, strict=True)]


def _shared(line: Line, pool: str, words: Words) -> Row:
    value, whole = line["driver_value"], line["driver_total"]
    share = Decimal(value) / Decimal(whole) if value and whole and Decimal(whole) else None
    return {
        "name": line["rule"],
        "receiver": line["receiver"],
        "driver": words.driver(line["driver"] or line["method"]),
        "value": presentation.number(value),
        "whole": presentation.number(whole),
        "share": presentation.percent(share, digits=2),
        "pool": pool if line["pool_total"] else MISSING,
        "amount": words.figure(line["amount"]),
    }


def _four(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.0001"))


def _correction(line: Line, words: Words) -> Row:
    measured = line["meter"] is not None
    name = f"{line['heading']}, {words.meter(line['meter'])}" if line["meter"] else line["heading"]
    return {
        "name": name,
        "reason": _reason(line, words),
        "month": words.month(line["original_month"]),
        "quantity": presentation.number(line["quantity"]) if measured else MISSING,
        "price": words.unit_price(line["price"] | {"unit": line["unit"]})
        if line["price"]
        else MISSING,
        "amount": words.figure(line["amount"]),
    }


def _others(by_section: Mapping[str, list[Line]], words: Words) -> list[Row]:
    lines = [*by_section.get("markup", []), *by_section.get("adjustment", [])]
    return [
        {
            "name": f"{words(line['section'])}: {line['heading']}",
            "receiver": line["receiver"] or MISSING,
            "amount": words.figure(line["amount"]),
        }
        for line in lines
    ]


def _rounding(lines: list[Line], words: Words) -> Row | None:
    if not lines:
        return None
    exact = words.exact(lines[0]["exact"])
    return {
        "name": words("rounding_line", exact=exact),
        "amount": words.figure(lines[0]["amount"]),
    }


def _sections(payload: Payload, words: Words) -> dict[str, str]:
    sections = payload["sections"]
    other = Decimal(sections["markup"]) + Decimal(sections["adjustment"])
    shown = {name: words.figure(amount) for name, amount in sections.items()}
    return shown | {"other": words.figure(other), "total": words.figure(payload["total"])}


def _sum(lines: Iterable[Line]) -> Decimal:
    return sum((Decimal(line["amount"]) for line in lines), Decimal(0))


def _moves(payload: Payload, words: Words) -> dict[str, Any] | None:
    """Compare both months by kind of cost and by heading; None without an earlier month."""
    previous = payload["change"]["previous"]
    if previous is None:
        return None
    kinds = [
        _move(words(name), previous["sections"][name], payload["sections"][name], words)
        for name in _SECTIONS
        if Decimal(payload["sections"][name]) or Decimal(previous["sections"][name])
    ]
    return {
        "previous": words.month(previous["month"]),
        "now": words.month(payload["period"]["month"]),
        "kinds": kinds,
        "items": [
            _move(heading(move, words), move["before"], move["now"], words)
            for move in payload["change"]["movements"]
        ],
        "total": _move(words("statement_total"), previous["total"], payload["total"], words),
    }


def _move(name: str, before: str, now: str, words: Words) -> Row:
    change = Decimal(now) - Decimal(before)
    if Decimal(before):
        ratio = change / abs(Decimal(before))
        percent = presentation.percent(ratio, digits=1 if abs(ratio) < 10 else 0)
    else:
        percent = words("new_item") if change else MISSING
    if Decimal(before) and not Decimal(now):
        percent = words("gone_item")
    return {
        "name": name,
        "before": words.figure(before),
        "now": words.figure(now),
        "change": words.signed(change),
        "percent": percent,
        "arrow": "▲" if change > 0 else "▼" if change < 0 else "",
    }


def _customer(row: Line, words: Words) -> Row:
    return {
        "name": row["customer"] or words("no_customer"),
        "share": words.percent(row["share"]),
        "amount": words.figure(row["amount"]),
        "named": bool(row["customer"]),
    }


def _experiments(rows: list[Line], words: Words) -> list[Row]:
    amounts = words.aligned([_four(row["exact"]) for row in rows])
    return [_experiment(row, amount, words) for row, amount in zip(rows, amounts, strict=True)]


def _experiment(row: Line, amount: str, words: Words) -> Row:
    return {
        "name": row["experiment"],
        "models": ", ".join(row["products"]),
        "budget": words("approved" if row["approved"] else "untracked"),
        "approved": row["approved"],
        "amount": amount,
    }


def _unowned(unowned: Payload, words: Words) -> dict[str, Any]:
    if not Decimal(unowned["amount"]):
        return {"text": words("unowned_none"), "causes": [], "further": ""}
    text = words(
        "unowned_text",
        amount=words.money(unowned["amount"]),
        percent=presentation.percent(unowned["share"], digits=2),
    )
    further = unowned["further_causes"]
    return {
        "text": text,
        "causes": [
            {
                "account": cause["account"] or MISSING,
                "credential": cause["credential"] or MISSING,
                "team": cause["team"] or words("no_team_tag"),
                "name": cause["product_name"],
                "amount": words.figure(cause["amount"]),
            }
            for cause in unowned["causes"]
        ],
        "further": words("unowned_further", count=further) if further else "",
    }


def _reconciliation(payload: Payload, words: Words) -> dict[str, Any]:
    block = payload["reconciliation"]
    metrics = [block["effective"], block["billed"]]
    shown = [row for row in _TIE if _is_shown(row[1], metrics)]
    keys = [key for _, key, _ in shown if key not in ("statements", "difference")]
    columns = [
        dict(zip(keys, words.aligned([metric[key] for key in keys]), strict=True))
        | {key: words.figure(metric[key]) for key in ("statements", "difference")}
        for metric in metrics
    ]
    month = words.month(payload["period"]["month"])
    return {
        "note": words("reconciliation_note", count=block["statements"], month=month),
        "rows": [
            {"label": words(label), "cells": [column[key] for column in columns], "style": style}
            for label, key, style in shown
        ],
    }


def _is_shown(key: str, metrics: list[Line]) -> bool:
    """Leave out markup and adjustments where there are none."""
    return key not in ("markup", "adjustment") or any(Decimal(metric[key]) for metric in metrics)


def _posting(row: Line, payload: Payload, words: Words) -> Row:
    month = words.month(payload["period"]["month"])
    return {
        "account": row["account"] or words("not_mapped"),
        "cost_center": row["cost_center"] or MISSING,
        "text": f"{row['name']}, {month}",
        "debit": words.figure(row["debit"]) if row["debit"] else "",
        "credit": words.figure(row["credit"]) if row["credit"] else "",
    }
