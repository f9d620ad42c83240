"""Checks a CSV against the static rules of FOCUS 1.2 and the columns of 1.2 to 1.4."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "focus"
RULES: Mapping[str, Any] = json.loads((HERE / "rules_1_2.json").read_text())["rules"]
COLUMNS: Mapping[str, Any] = json.loads((HERE / "columns.json").read_text())["columns"]
# What our data can have; the rest of the specification's criteria does not apply to it.
SUPPORTED = frozenset(
    {
        "ACCOUNT_NAMING_SUPPORTED",
        "MULTIPLE_PRICING_CATEGORIES_SUPPORTED",
        "NEGOTIATED_PRICING_SUPPORTED",
        "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
        "PUBLIC_PRICE_LIST_SUPPORTED",
        "SUB_ACCOUNT_SUPPORTED",
        "TAGGING_SUPPORTED",
        "UNIT_PRICING_SUPPORTED",
        "USAGE_MEASUREMENT_SUPPORTED",
    }
)
NUMBER = re.compile(r"^-?[0-9]+(\.[0-9]+)?(E-?[0-9]+)?$")
MOMENT = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
TWELVE = Decimal("1e-12")
Row = Mapping[str, str]


# Its condition, that a charge has no invoice, is not in the model: it would forbid every invoice.
UNSAID = frozenset({"InvoiceId-C-004-C"})


def leaf_rules() -> dict[str, Any]:
    """Return the rules that apply and check something themselves: MUST and MUST NOT.

    A rule under a composite one holds where its parent's condition does.
    """
    return {
        name: rule | {"conditions": _conditions(name)}
        for name, rule in RULES.items()
        if rule["keyword"] in ("MUST", "MUST NOT")
        and set(rule["needs"]) <= SUPPORTED
        and not _refers(rule["requirement"])
        and name not in UNSAID
    }


def _conditions(name: str) -> list[Any]:
    found = [RULES[name]["condition"]] if RULES[name]["condition"] else []
    for parent in PARENTS.get(name, ()):
        found += _conditions(parent)
    return found


def _parents() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, rule in RULES.items():
        for item in _all(rule["requirement"]):
            if item.get("CheckFunction") == "CheckModelRule" and item["ModelRuleId"] in RULES:
                found.setdefault(item["ModelRuleId"], []).append(name)
    return found


def broken_rules(rows: Sequence[Row]) -> tuple[int, list[str]]:
    """Return how many rules were applied and what each broken one says, with the first row."""
    present = set(rows[0])
    applied, broken = 0, []
    for name, rule in leaf_rules().items():
        requirement, conditions = rule["requirement"], rule["conditions"]
        if requirement["CheckFunction"] == "ColumnPresent":
            applied += 1
            if requirement["ColumnName"] not in present:
                broken.append(f"{name}: {requirement['ColumnName']} is missing")
            continue
        if not _columns(requirement) <= present:
            continue
        applied += 1
        if requirement["CheckFunction"] == "CheckDistinctCount":
            broken += [f"{name}: {rule['says']}"] * (not _distinct(requirement, rows))
            continue
        bad = next(
            (
                row
                for row in rows
                if all(_holds(one, row) for one in conditions) and not _holds(requirement, row)
            ),
            None,
        )
        if bad is not None:
            seen = {column: bad[column] for column in sorted(_columns(requirement))}
            broken.append(f"{name}: {rule['says']} {seen}")
    return applied, broken


def broken_columns(rows: Sequence[Row], *, version: str) -> list[str]:
    """Return which columns of a version are unknown, missing, wrongly null or of another type."""
    present = list(rows[0])
    focus = [name for name in present if not name.startswith("x_")]
    found = [f"{name} is no column" for name in focus if name not in COLUMNS]
    found += [f"{name} is newer" for name in focus if name in COLUMNS and _since(name) > version]
    if present != [*focus, *(name for name in present if name.startswith("x_"))]:
        found.append("x_ columns come last")
    dropped = {"ProviderName", "PublisherName"} if version == "1.4" else set()
    found += [
        f"{name} is missing"
        for name, facts in COLUMNS.items()
        if facts["level"] == "Mandatory"
        and _since(name) <= version
        and name not in {*present, *dropped}
    ]
    found += [f"{name} is removed" for name in dropped & set(present)]
    for name in focus:
        facts = COLUMNS[name]
        for row in rows:
            problem = _problem(row[name], facts)
            if problem:
                found.append(f"{name} {problem}: {row[name]!r}")
                break
    return found


def _since(name: str) -> str:
    since = str(COLUMNS[name]["since"]).removesuffix("-preview")
    return max(since, "1.0")


def _problem(value: str, facts: Mapping[str, Any]) -> str:
    if value == "":
        return "" if facts["nulls"] else "is null"
    if facts["type"] == "Decimal" and not NUMBER.match(value):
        return "is no number"
    if facts["type"] == "Date/Time" and not MOMENT.match(value):
        return "is no UTC moment"
    if facts["type"] == "JSON":
        json.loads(value)
    if facts.get("values") and value not in facts["values"]:
        return "is no allowed value"
    return ""


def _refers(requirement: Mapping[str, Any]) -> bool:
    """Tell whether a requirement only names other rules."""
    return any(item.get("CheckFunction") == "CheckModelRule" for item in _all(requirement))


def _all(requirement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield requirement
    for item in requirement.get("Items", ()):
        yield from _all(item)


def _columns(requirement: Mapping[str, Any]) -> set[str]:
    names = ("ColumnName", "ColumnAName", "ColumnBName", "ResultColumnName")
    return {item[name] for item in _all(requirement) for name in names if name in item}


def _distinct(requirement: Mapping[str, Any], rows: Sequence[Row]) -> bool:
    found: dict[str, set[str]] = {}
    for row in rows:
        if row[requirement["ColumnAName"]]:
            found.setdefault(row[requirement["ColumnAName"]], set()).add(
                row[requirement["ColumnBName"]]
            )
    return all(len(values) == requirement["ExpectedCount"] for values in found.values())


def _holds(check: Mapping[str, Any], row: Row) -> bool:
    kind = check["CheckFunction"]
    if kind == "AND":
        return all(_holds(item, row) for item in check["Items"])
    if kind == "OR":
        return any(_holds(item, row) for item in check["Items"])
    if kind in ("CheckSameValue", "CheckNotSameValue"):
        same = row.get(check["ColumnAName"], "") == row.get(check["ColumnBName"], "")
        return same is (kind == "CheckSameValue")
    if kind == "ColumnByColumnEqualsColumnValue":
        return _product(check, row)
    return _of_column(kind, check, row.get(check["ColumnName"], ""))


def _product(check: Mapping[str, Any], row: Row) -> bool:
    names = (check["ColumnAName"], check["ColumnBName"], check["ResultColumnName"])
    if not all(row[name] for name in names):
        return True
    one, other, result = (Decimal(row[name]) for name in names)
    return abs(one * other - result) < TWELVE


def _of_column(kind: str, check: Mapping[str, Any], value: str) -> bool:
    wanted = check.get("Value")
    if kind in ("CheckValue", "CheckNotValue"):
        equal = value == "" if wanted is None else _same(value, wanted)
        return equal is (kind == "CheckValue")
    if value == "":
        return True
    if kind == "CheckGreaterOrEqualThanValue":
        return Decimal(value) >= Decimal(str(wanted))
    if kind in ("TypeDecimal", "FormatNumeric", "CheckDecimalValue"):
        return bool(NUMBER.match(value))
    if kind in ("TypeDateTime", "FormatDateTime"):
        return bool(MOMENT.match(value))
    if kind == "FormatKeyValue":
        return all(not isinstance(one, dict | list) for one in json.loads(value).values())
    if kind in ("FormatCurrency", "CheckNationalCurrency"):
        return bool(re.fullmatch("[A-Z]{3}", value))
    if kind == "FormatUnit":
        return bool(re.fullmatch(r"([0-9]+ )?[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)*", value))
    assert kind in ("TypeString", "FormatString"), kind
    return value == value.strip() and value not in ("NULL", "null", "N/A")


def _same(value: str, wanted: Any) -> bool:
    if value == str(wanted):
        return True
    try:
        return Decimal(value) == Decimal(str(wanted))
    except InvalidOperation:
        return False


PARENTS = _parents()
