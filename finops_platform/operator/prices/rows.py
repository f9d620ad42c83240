"""Prices, changes and readings as the operator's lists show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.http import QueryDict
from django.urls import reverse

from apps.catalog.domain.meters import meter_facts, plural
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import SOURCES, NotTaken, Subject
from apps.catalog.selectors import ChangeFacts, HistoryRow, ImportFacts, StatedFacts
from apps.core import presentation
from apps.core.presentation import UnitPrice
from apps.core.web.lists import Column

KINDS: Final = {
    "changed": "Changed",
    "new_price": "New price",
    "new_model": "New model",
    "withdrawn": "Withdrawn",
}
CHANGE_COLUMNS: Final = (
    Column(key="model", label="Model", link="url"),
    Column(key="provider", label="Provider"),
    Column(key="meter", label="Price of"),
    Column(key="old", label="Listed", kind="unit_price"),
    Column(key="new", label="Proposed", kind="unit_price"),
    Column(key="ratio", label="Change", kind="pct"),
    Column(
        key="agreement",
        label="Sources",
        help="How many sources state this price within 1 %, and how many state another one.",
    ),
    Column(key="needs", label="Needs", kind="badge"),
    Column(key="validity", label="Applies", wide=True),
)
SETTLED_COLUMNS: Final = (
    *(column for column in CHANGE_COLUMNS if column.key not in {"needs", "agreement"}),
    Column(key="state", label="State", kind="badge"),
    Column(key="basis", label="Because", wide=True),
    Column(key="settled_at", label="Settled", kind="when", wide=True),
)
IMPORT_COLUMNS: Final = (
    Column(key="source", label="Source", link="url"),
    Column(key="read_at", label="Read", kind="when"),
    Column(key="read_by", label="By", wide=True),
    Column(key="prices", label="Prices", kind="quantity"),
    Column(key="differ", label="Differ", kind="quantity", help="Statements unlike those before."),
    Column(key="published", label="Published", kind="quantity"),
    Column(key="proposed", label="Wait", kind="quantity", help="Changes left to a person."),
)
NOT_TAKEN_COLUMNS: Final = (
    Column(key="key", label="Key"),
    Column(key="why", label="Why it became no price"),
    Column(key="count", label="Entries", kind="quantity"),
    Column(key="examples", label="Such as", wide=True),
)
EVERY_NOT_TAKEN: Final = (
    Column(key="entry", label="Entry"),
    Column(key="key", label="Key"),
    Column(key="value", label="Value"),
    Column(key="why", label="Why it became no price"),
)
STATED_COLUMNS: Final = (
    Column(key="source", label="Source"),
    Column(key="price", label="States", kind="unit_price"),
    Column(key="validity", label="For"),
    Column(key="stated_as", label="Its own name", kind="code", wide=True),
    Column(key="since", label="Says so since", kind="when"),
)
HISTORY_COLUMNS: Final = (
    Column(key="price", label="Price", kind="unit_price"),
    Column(key="validity", label="Applies"),
    Column(key="known_from", label="Known from", kind="when"),
    Column(key="known_to", label="Known until", kind="when"),
    Column(key="basis", label="Because", link="url"),
    Column(key="source", label="Source", wide=True),
    Column(key="believed", label="As known then", kind="badge"),
)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change of a price as a list shows it."""

    id: str
    url: str
    provider: str
    model: str
    meter: str
    old: UnitPrice | None
    new: UnitPrice | None
    ratio: Decimal | None
    agreement: str
    needs: str
    validity: str
    state: str
    basis: str
    settled_at: datetime | None


def change_row(change: ChangeFacts) -> ChangeRow:
    """Return the row of a change."""
    return ChangeRow(
        id=str(change.public_id),
        url=reverse("operator:price_change", args=[change.public_id]),
        provider=change.subject.provider,
        model=change.subject.model,
        meter=subject_label(change.subject),
        old=unit_price_of(change.old, change.unit),
        new=unit_price_of(change.new, change.unit),
        ratio=change.ratio,
        agreement=agreement_of(change),
        needs=needs_of(change),
        validity=validity_of(change.valid_from, change.valid_to),
        state=change.state,
        basis=basis_of(change.basis),
        settled_at=change.settled_at,
    )


def import_row(one: ImportFacts) -> dict[str, object]:
    """Return the row of a reading."""
    return {
        "source": f"{one.source_name} {one.release}",
        "url": reverse("operator:price_import", args=[one.public_id]),
        "read_at": one.read_at,
        "read_by": one.read_by,
        "prices": one.prices,
        "differ": one.opened,
        "published": one.published,
        "proposed": one.proposed,
    }


def stated_row(stated: StatedFacts, unit: str) -> dict[str, object]:
    """Return the row of what a source says."""
    return {
        "source": stated.source_name,
        "price": unit_price_of(stated.rate, unit),
        "validity": validity_of(stated.valid_from, stated.valid_to)
        if SOURCES[stated.source].dated
        else "now; it gives no dates",
        "stated_as": stated.stated_as,
        "since": stated.known_from,
    }


def history_row(row: HistoryRow, *, unit: str, known_at: datetime) -> dict[str, object]:
    """Return the row of a list price in both times."""
    url = "" if row.change is None else reverse("operator:price_change", args=[row.change])
    return {
        "price": unit_price_of(row.rate, unit),
        "validity": validity_of(row.valid_from, row.valid_to),
        "known_from": row.known_from,
        "known_to": row.known_to,
        "basis": basis_of(row.basis),
        "url": url,
        "source": row.source,
        "believed": "current" if row.is_known(known_at) else "not known",
    }


def unit_price_of(rate: Rate | None, unit: str) -> UnitPrice | None:
    """Return a rate with its unit, as figures are shown."""
    if rate is None:
        return None
    return UnitPrice(rate.amount, rate.currency, rate.unit_size, plural(unit))


def conditions_of(subject: Subject) -> str:
    """Say under which conditions a price holds."""
    return subject.conditions.in_words() or "standard requests"


def agreement_of(change: ChangeFacts) -> str:
    """Say how many sources state the price, and how many another."""
    if change.new is None:
        return f"{change.differing} still state a price" if change.differing else "none states one"
    differ = f", {change.differing} differ" if change.differing else ""
    return f"{change.agreeing} of {change.agreeing + change.differing}{differ}"


def needs_of(change: ChangeFacts) -> str:
    """Say who must still approve."""
    if change.approvers == 1:
        return "one person"
    return "second person" if change.approvals else "two people"


def validity_of(start: datetime | None, end: datetime | None) -> str:
    """Say when a price applies."""
    begins = "since ever" if start is None else f"from {presentation.moment(start)}"
    return begins if end is None else f"{begins} until {presentation.moment(end)}"


def basis_of(basis: str) -> str:
    """Say why a price is listed."""
    words = {
        "agreement": "sources agree",
        "person": "approved",
        "baseline": "first prices taken whole",
    }
    return words.get(basis, "")


def history_url(subject: Subject) -> str:
    """Return the page of a price's history."""
    query = QueryDict(mutable=True)
    query["provider"], query["model"] = subject.provider, subject.model
    query["price"] = subject.key.hex
    return f"{reverse('operator:price_history')}?{query.urlencode()}"


def subject_label(subject: Subject) -> str:
    """Say which price of a model it is."""
    words = subject.conditions.in_words()
    label = meter_facts(subject.meter).label
    return f"{label}, {words}" if words else label


def consequences(changes: Sequence[ChangeFacts], *, now: datetime) -> list[str]:
    """Say what approving these changes leads to, one sentence each."""
    past = sum(one.valid_from is None or one.valid_from < now for one in changes)
    two = sum(one.approvers - one.approvals > 1 for one in changes)
    gone = sum(one.new is None for one in changes)
    models = len({one.subject[:2] for one in changes if one.kind == "new_model"})
    ready = len(changes) - two
    sentences = (
        [f"{_prices(ready)} will be listed, each from its own beginning on."] if ready else []
    )
    if past:
        sentences.append(
            f"{_prices(past, 'reaches back', 'reach back')}: every tenant's open months are rated "
            "again; closed months keep what they were charged."
        )
    if gone:
        sentences.append(
            f"{_prices(gone, 'ends', 'end')}: usage from then on is unpriced, never zero."
        )
    if models:
        sentences.append(f"{models:,} new {'model' if models == 1 else 'models'} will be known.")
    if two:
        sentences.append(
            f"{_prices(two, 'waits', 'wait')} for a second person, being far from what it is "
            "compared with."
        )
    sentences.append("A published price cannot be changed; a correction is a new price.")
    return sentences


def not_taken_rows(left: Sequence[NotTaken]) -> list[dict[str, object]]:
    """Return what became no price, by key and reason, the most frequent first."""
    groups: dict[tuple[str, str], list[NotTaken]] = {}
    for one in left:
        groups.setdefault((one.key, one.why), []).append(one)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        {
            "key": key or "(the whole entry)",
            "why": why,
            "count": len(found),
            "examples": f"{found[0].entry}: {found[0].value}"[:80],
        }
        for (key, why), found in ranked
    ]


def _prices(count: int, one: str = "", many: str = "") -> str:
    noun, verb = ("price", one) if count == 1 else ("prices", many)
    return f"{count:,} {noun} {verb}".rstrip()
