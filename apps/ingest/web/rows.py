"""Events as rows of the usage log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from apps.catalog.domain.meters import METERS, meter_facts, plural
from apps.core import presentation
from apps.core.presentation import UNPRICED, Unpriced
from apps.core.web.lists import Column
from apps.ingest.web import links
from apps.usage.selectors import LogEntry

_ORDER: Final = {code: place for place, code in enumerate(METERS)}
_MAIN_TAGS: Final = ("feature", "customer", "experiment")

SCREEN: Final = (
    Column(key="occurred_at", label="Event", kind="when", link="url"),
    Column(key="model", label="Model"),
    Column(
        key="team",
        label="Team",
        kind="owner",
        wide=True,
        help="Whose it is, by your attribution rules.",
    ),
    Column(key="input", label="Input", kind="tokens", wide=True),
    Column(key="cached", label="Cache", kind="tokens", wide=True),
    Column(key="output", label="Output", kind="tokens", wide=True),
    Column(
        key="cost",
        label="Cost",
        kind="exact",
        currency_key="currency",
        help="By the prices in force; nothing once it is void. Unpriced when any of its meters "
        "has no price.",
    ),
    Column(key="state", label="State", kind="badge"),
)
FILE: Final = (
    Column(key="occurred_at", label="When", kind="when"),
    Column(key="source", label="Source"),
    Column(key="event_id", label="Event"),
    Column(key="provider", label="Provider"),
    Column(key="model", label="Model"),
    Column(key="team", label="Team"),
    Column(key="tags", label="Tags"),
    Column(key="input", label="Input", kind="tokens"),
    Column(key="cached", label="Cache", kind="tokens"),
    Column(key="output", label="Output", kind="tokens"),
    Column(key="others", label="Other meters"),
    Column(key="cost", label="Cost", kind="exact", currency_key="currency"),
    Column(key="status", label="Status"),
    Column(key="state", label="State"),
    Column(key="trace_id", label="Trace"),
    Column(key="receipt", label="Receipt"),
)


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event in one of the currencies that it costs, as the list shows it; nearly always one."""

    occurred_at: datetime
    url: str
    source: str
    event_id: str
    provider: str
    model: str
    team: str
    tags: str
    main_tags: str
    input: Decimal | None
    cached: Decimal | None
    output: Decimal | None
    others: str
    meters: str
    cost: Decimal | Unpriced | None
    currency: str
    status: str
    state: str
    trace_id: str
    receipt: str
    receipt_url: str


def rows_of(
    entries: Iterable[LogEntry], *, currency: str, with_receipts: bool
) -> Iterator[EventRow]:
    """Yield the rows of events; `currency` stands where nothing is charged.

    Corrections carry no receipt; those limited to teams see no one else's.
    """
    for entry in entries:
        event = entry.event
        sums = _sums(event.quantities)
        receipt = str(event.batch) if with_receipts and event.revision == 0 else ""
        for cost, code in _costs(entry, currency):
            yield EventRow(
                occurred_at=event.occurred_at,
                url=links.event_url(event.source, event.id),
                source=event.source,
                event_id=event.id,
                provider=event.provider,
                model=event.model or event.service,
                team=entry.owner.team,
                tags=tags_text(event.tags, sorted(event.tags)),
                main_tags=", ".join(event.tags[tag] for tag in _MAIN_TAGS if event.tags.get(tag)),
                input=sums.get("input"),
                cached=sums.get("cached"),
                output=sums.get("output"),
                others=_others(event.quantities),
                meters=meters_text(event.quantities),
                cost=cost,
                currency=code,
                status=event.status,
                state=event.state,
                trace_id=event.trace_id or "",
                receipt=receipt,
                receipt_url=links.receipt_url(event.batch) if receipt else "",
            )


def tags_text(tags: Mapping[str, str], names: Sequence[str]) -> str:
    """Return some of the tags in a line: feature=summarize, customer=globex."""
    return ", ".join(f"{name}={tags[name]}" for name in names if tags.get(name))


def meters_text(quantities: Mapping[str, Decimal]) -> str:
    """Return every meter with its exact quantity."""
    return ", ".join(
        f"{meter_facts(meter).label} {presentation.number(quantities[meter])}"
        for meter in sorted(quantities, key=meter_order)
    )


def meter_order(meter: str) -> tuple[int, str]:
    """Return where a meter stands among the others: as in the catalog, unknown ones at the end."""
    return (_ORDER.get(meter, len(_ORDER)), meter)


def _costs(entry: LogEntry, currency: str) -> list[tuple[Decimal | Unpriced, str]]:
    if entry.event.state == "void":
        return [(Decimal(0), currency)]
    if entry.cost.is_unpriced:
        return [(UNPRICED, "")]
    found = [(amount, code) for code, amount in sorted(entry.cost.amounts.items())]
    return list(found) or [(Decimal(0), currency)]


def _sums(quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Sum tokens by class."""
    sums: dict[str, Decimal] = {}
    for meter, quantity in quantities.items():
        if name := _class_of(meter):
            sums[name] = sums.get(name, Decimal(0)) + quantity
    return sums


def _others(quantities: Mapping[str, Decimal]) -> str:
    """Tell in words what is no token: 2 searches, 14 pages."""
    return ", ".join(
        f"{presentation.number(quantity)} {_unit_of(meter)}"
        for meter, quantity in quantities.items()
        if not _class_of(meter)
    )


def _unit_of(meter: str) -> str:
    facts = meter_facts(meter)
    return facts.label.lower() if facts.unit == "unit" else plural(facts.unit)


def _class_of(meter: str) -> str:
    if not meter.endswith("_tokens"):
        return ""
    if meter.startswith(("cached_", "cache_")):
        return "cached"
    return "output" if meter.startswith("output_") else "input"
