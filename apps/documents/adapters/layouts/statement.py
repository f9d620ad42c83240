"""Lays out a chargeback statement: its payload as strings in the reader's language.

Nothing is computed here but what the eye needs: shares for charts, running totals, wording. The
figures are those of the payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from apps.core import presentation
from apps.documents.adapters.layouts import (
    statement_appendix,
    statement_charts,
    statement_extras,
    statement_story,
    statement_tables,
)
from apps.documents.adapters.layouts.words import MISSING, Words
from apps.documents.adapters.texts import texts_of, written_in
from apps.documents.domain.color import palette_of
from apps.documents.domain.paper import paper_of

TEMPLATE: Final = "documents/statement.html"
STYLESHEET: Final = "documents/statement.css"
TEMPLATE_VERSION: Final = "statement/4"

_FLOWING: Final = 6
"""Statements with up to this many lines go on below the first page's summary."""

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What sealing added to a payload; empty for a draft. Names are shown as given."""

    number: str = ""
    issued_at: datetime | None = None
    prepared_by: str = ""
    approved_by: str = ""
    audit_sequence: int | None = None
    audit_hash: str = ""
    replaces: str = ""


def layout(*, payload: Payload, issue: Issue, data_hash: str, locale: str) -> dict[str, Any]:
    """Return the template's context; every leaf is a string ready to print."""
    written = written_in(locale)
    with presentation.reading_as(locale=written, timezone=payload["issuer"]["timezone"]):
        words = Words(texts_of(written), payload["currency"])
        deadline = _deadline(payload, issue)
        palette = palette_of(payload["issuer"]["brand_color"])
        return {
            "lang": written,
            "paper": paper_of(locale).value,
            "palette": palette,
            "t": words.texts,
            "currency": payload["currency"],
            "created": issue.issued_at.isoformat() if issue.issued_at else "",
            "new_page": len(payload["lines"]) > _FLOWING,
            "draft": issue.issued_at is None,
            "head": _head(payload, issue, words),
            "key_figures": _key_figures(payload, words),
            "why": statement_story.why(payload, words),
            "actions": statement_story.actions(payload, words, deadline),
            "charts": statement_charts.charts(payload, words, palette),
            **statement_tables.tables(payload, words),
            **statement_extras.extras(payload, words),
            "evidence": _evidence(payload, issue, data_hash, words, deadline),
            "appendix": statement_appendix.appendix(payload, words),
            "footer": _footer(payload, issue, data_hash, words),
        }


def _deadline(payload: Payload, issue: Issue) -> str | None:
    """Return the last day for questions, counted from the tenant's day of issue."""
    if issue.issued_at is None:
        return None
    zone = presentation.current_reading().zone
    last = issue.issued_at.astimezone(zone).date()
    return presentation.day(last + timedelta(days=int(payload["terms"]["dispute_days"])))


def _head(payload: Payload, issue: Issue, words: Words) -> dict[str, Any]:
    recipient, period = payload["recipient"], payload["period"]
    kind = statement_extras.rollup_kind(payload)
    owner = recipient["owner_name"] or ("" if kind else words("nobody"))
    total = Decimal(payload["total"])
    return {
        "issuer": payload["issuer"]["name"],
        "title": words(f"rollup_{kind}" if kind else "document"),
        "code_label": words(f"{kind}_code" if kind else "cost_center"),
        "number": issue.number or words("draft"),
        "replaces": words("replaces", number=issue.replaces) if issue.replaces else "",
        "name": recipient["name"],
        "code": recipient["code"] or MISSING,
        "owner": owner,
        "owner_email": recipient["owner_email"],
        "gl_code": "" if kind else recipient["gl_code"] or words("not_mapped"),
        "parent": recipient["parent"],
        "month": words.month(period["month"]),
        "period": f"{words.day(period['first_day'])} – {words.day(period['last_day'])}",
        "zone": payload["issuer"]["timezone"].replace("_", " "),
        "issued": words.moment(issue.issued_at.isoformat())
        if issue.issued_at
        else words("not_issued"),
        "total_label": words("total_credit" if total < 0 else "total_charge"),
        "total": words.money(payload["total"]),
        "change": statement_story.change(payload, words),
        "direction": _direction(payload),
    }


def _direction(payload: Payload) -> str:
    amount = Decimal(payload["change"].get("amount") or 0)
    return "up" if amount > 0 else "down" if amount < 0 else "same"


def _key_figures(payload: Payload, words: Words) -> list[dict[str, str]]:
    sections = {name: Decimal(amount) for name, amount in payload["sections"].items()}
    total = Decimal(payload["total"])
    other = sum(
        (sections[name] for name in ("markup", "correction", "adjustment", "rounding")), Decimal(0)
    )
    cards = [
        _part("direct", sections["direct"], total, words),
        _part("shared", sections["shared"], total, words),
        _part("other_sections", other, total, words),
    ]
    return [*cards, _unit_cost(payload["unit_costs"], words)]


def _part(key: str, amount: Decimal, total: Decimal, words: Words) -> dict[str, str]:
    share = words.percent(amount / total) if total else MISSING
    note = words("of_total", percent=share) if total else ""
    return {"label": words(key), "value": words.money(amount), "note": note}


def _unit_cost(costs: Payload, words: Words) -> dict[str, str]:
    by_request = costs["per_1000_requests"]
    if by_request is not None:
        note = words("requests_counted", count=presentation.compact(costs["requests"]))
        return {
            "label": words("per_1000_requests"),
            "value": presentation.exact_money(_four(by_request), words.currency),
            "note": note,
        }
    if costs["per_million_tokens"] is not None:
        note = words("tokens_counted", count=presentation.compact(costs["tokens"]))
        return {
            "label": words("per_million_tokens"),
            "value": presentation.exact_money(_four(costs["per_million_tokens"]), words.currency),
            "note": note,
        }
    return {"label": words("per_1000_requests"), "value": MISSING, "note": ""}


def _four(ratio: str) -> Decimal:
    return Decimal(ratio).quantize(Decimal("0.0001"))


def _evidence(
    payload: Payload, issue: Issue, data_hash: str, words: Words, deadline: str | None
) -> dict[str, Any]:
    contact = payload["terms"]["dispute_contact"]
    rows = [
        (words("run"), payload["run"]["id"]),
        (words("input_hash"), payload["run"]["input_hash"]),
        (words("output_hash"), payload["run"]["output_hash"]),
        (words("data_hash"), data_hash),
    ]
    if issue.audit_sequence is not None:
        entry = words("audit_entry", sequence=issue.audit_sequence, hash=issue.audit_hash)
        rows.append((words("audit_head"), entry))
    days = payload["terms"]["dispute_days"]
    questions = (
        words("questions_text", contact=contact, date=deadline)
        if deadline
        else words("questions_days", contact=contact, days=days)
    )
    return {
        "rows": rows,
        "prepared_by": issue.prepared_by or MISSING,
        "approved_by": issue.approved_by or MISSING,
        "issued": words.moment(issue.issued_at.isoformat()) if issue.issued_at else MISSING,
        "questions": questions,
    }


def _footer(payload: Payload, issue: Issue, data_hash: str, words: Words) -> dict[str, str]:
    number = issue.number or words("draft")
    recipient = payload["recipient"]
    name = statement_appendix.cut(f"{recipient['code']} {recipient['name']}".strip(), 60)
    return {
        "subject": f"{number} · {name} · {words.month(payload['period']['month'])}",
        "run": f"{words('run_short')} {payload['run']['id']}",
        "data": f"{words('data_short')} {data_hash}",
    }
