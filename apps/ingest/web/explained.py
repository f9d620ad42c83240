"""One event in words: its facts, its rating a meter at a time, its corrections."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from apps.audit import selectors as audit
from apps.catalog.domain.meters import meter_facts, plural
from apps.core import presentation
from apps.core.presentation import UNPRICED, UnitPrice, Unpriced
from apps.core.web.page import Fact
from apps.core.web.parts import Entry
from apps.directory.domain.attribution import Owner
from apps.ingest import selectors
from apps.ingest.web import links
from apps.usage.domain.raw import raw_json
from apps.usage.selectors import EventFacts, RatedEvent, RatedMeter

_OWNED: Final = (
    ("Product", "product"),
    ("Feature", "feature"),
    ("Customer", "customer"),
    ("Experiment", "experiment"),
    ("Environment", "environment"),
)
_DEEDS: Final = {
    "event.voided": ("voided this event", "ban"),
    "event.amended": ("amended this event", "edit"),
    "event.reverted": ("undid the last correction", "arrow-back-up"),
}


_BACKFILLED: Final = {
    "add": "added this event by a backfill",
    "amend": "amended this event by a backfill",
    "revive": "brought this event back by a backfill",
    "void": "voided this event: a backfill left it out",
}


def head_facts(found: RatedEvent) -> list[Fact]:
    """Return the facts that stand under the title."""
    event = found.event
    booked = presentation.month(event.period)
    if event.period != event.original_period:
        booked = f"{booked}, used in {presentation.month(event.original_period)}"
    return [
        Fact("Model", f"{event.provider} {event.model}")
        if event.provider
        else Fact("Service", event.service),
        Fact("Cost", _cost_text(found)),
        Fact("Booked in", booked),
        Fact("Status", event.status),
        Fact("Price book", f"version {found.price_book_version}"),
    ]


def owner_facts(owner: Owner) -> list[Fact]:
    """Return whose an event is, and which rule says so."""
    return [
        Fact("Team", owner.team or "nobody"),
        Fact("Cost center", owner.cost_center),
        *(Fact(label, getattr(owner, name)) for label, name in _OWNED if getattr(owner, name)),
        Fact("Decided by", f"the rule {owner.rule}" if owner.rule else "its tags; no rule applied"),
    ]


def sent_facts(event: EventFacts) -> list[Fact]:
    """Return what else the sender told; what was left out is left out."""
    told = (
        ("Service tier", event.service_tier),
        ("Batch", "yes" if event.batch_mode else ""),
        ("Region", event.region),
        ("Operation", event.operation),
        ("Account", event.account),
        ("Credential", event.credential),
        ("Context", _tokens(event.context_tokens or None)),
        ("Reasoning, inside the output", _tokens(event.reasoning_tokens)),
        ("End user", "kept as a hash only" if event.has_end_user else ""),
        ("Received", presentation.moment(event.received_at)),
    )
    facts = [Fact(label, value) for label, value in told if value]
    if event.trace_id:
        facts.append(Fact("Trace", event.trace_id, links.log_url(q=event.trace_id)))
    return facts


def raw_text(found: RatedEvent) -> str:
    """Return the usage object that the event came with as indented JSON, "" where it had none."""
    if found.raw_usage is None:
        return ""
    return msgspec.json.format(raw_json(found.raw_usage), indent=2).decode()


def _tokens(count: int | None) -> str:
    return "" if count is None else presentation.quantity(count, "tokens")


def line_of(line: RatedMeter, found: RatedEvent, *, may_price: bool) -> dict[str, Any]:
    """Return a meter with its price and cost; one without a price leads to the form of one."""
    event = found.event
    unit = plural(line.unit)
    is_unpriced = not line.price and not line.free
    return {
        "label": meter_facts(line.meter).label,
        "meter": line.meter,
        "quantity": line.quantity,
        "unit": unit if line.quantity != 1 else line.unit,
        "price": _unit_price(line, unit, is_unpriced=is_unpriced),
        "cost": UNPRICED if is_unpriced else line.cost,
        "currency": line.currency,
        "source": _source(line),
        "source_url": links.term_url(line.source) if may_price else "",
        "valid_from": line.valid_from,
        "valid_to": line.valid_to,
        "free": line.free,
        "price_url": links.price_url(
            provider=event.provider, model=event.model or event.service, meter=line.meter
        )
        if is_unpriced and may_price
        else "",
    }


def _source(line: RatedMeter) -> str:
    """Say where a price comes from; of a discounted one what is off, and by which term."""
    named = presentation.price_source(line.source)
    if line.percent is None:
        return named
    share = presentation.number(line.percent, most=6)
    return f"{share}% off list, by {named.partition(' less ')[2] or named}"


def _unit_price(line: RatedMeter, unit: str, *, is_unpriced: bool) -> UnitPrice | Unpriced | None:
    if is_unpriced:
        return UNPRICED
    if line.unit_price is None or line.unit_size is None:
        return None
    return UnitPrice(line.unit_price, line.currency, line.unit_size, unit)


def compared(found: RatedEvent) -> dict[str, Any] | None:
    """Return what the sender reported, and in words how far it is from ours."""
    event = found.event
    amount, currency = event.reported_amount, event.reported_currency or ""
    if amount is None:
        return None
    ours = None if found.is_unpriced else found.costs.get(currency)
    return {
        "amount": amount,
        "currency": currency,
        "difference": "" if ours is None else _difference(amount - ours, currency),
    }


def _difference(difference: Decimal, currency: str) -> str:
    if not difference:
        return "the same as ours"
    shown = presentation.exact_money(abs(difference), currency)
    return f"{shown} {'more' if difference > 0 else 'less'} than ours"


def entries_of(event: EventFacts) -> list[Entry]:
    """Return what was corrected, why and by whom, newest first."""
    history = audit.history(subject="event", subject_id=f"{event.source}/{event.id}")
    corrections = []
    for one in reversed(history):
        text, icon = _DEEDS.get(one.action, (one.action, "point"))
        corrections.append(
            Entry(
                at=one.at,
                actor=one.actor,
                text=text,
                detail=str(one.detail.get("reason", "")),
                icon=icon,
                mark=one.hash[:12],
            )
        )
    return sorted([*corrections, *_backfilled(event)], key=lambda entry: entry.at, reverse=True)


def _backfilled(event: EventFacts) -> Iterator[Entry]:
    for one in selectors.backfills_of(source=event.source, event_id=event.id):
        yield Entry(
            at=one.at,
            actor=one.by,
            text=_BACKFILLED[one.kind],
            detail=one.reason,
            icon="history",
            url=links.backfill_url(one.backfill),
        )
        if one.reverted_at is not None:
            yield Entry(
                at=one.reverted_at,
                actor="",
                text="the backfill was reverted",
                icon="arrow-back-up",
                url=links.backfill_url(one.backfill),
            )


def _cost_text(found: RatedEvent) -> str:
    amounts = [presentation.exact_money(cost, code) for code, cost in sorted(found.costs.items())]
    words = " and ".join(amounts)
    if found.event.state == "void":
        return f"{words or 'unpriced'}, taken back"
    if found.is_unpriced:
        return f"{words} and what is unpriced" if words else "unpriced"
    return words or "nothing"
