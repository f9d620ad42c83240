"""What a price in the form means: in words, beside the list price, and for a usual amount."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.catalog.domain.meters import meter_facts, plural
from apps.core import presentation
from apps.core.presentation import UnitPrice
from apps.rating import selectors
from apps.rating.domain import contracts
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.prices import PriceRow
from apps.rating.domain.rate import cost_of
from apps.rating.web.forms import ContractPriceForm

_EXAMPLES: Final = {"token": 1_000_000, "request": 1_000, "search": 1_000}


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown beside the form; without `price` it is not filled in far enough yet."""

    price: UnitPrice | None = None
    applies_to: str = ""
    conditions: str = ""
    listed: UnitPrice | None = None
    list_amount: Decimal | None = None
    comparable: bool = False
    example_quantity: str = ""
    example_cost: Decimal | None = None
    currency: str = ""
    warning: str = ""


def preview_of(form: ContractPriceForm) -> Preview:
    """Return the preview of a form that was just read, complete or not."""
    needed = ("amount", "unit_size", "currency", "meter", "model", "valid_from")
    if any(form.cleaned_data.get(name) in (None, "") for name in needed):
        return Preview()
    defaults = dict.fromkeys(form.fields, "") | {"valid_to": None, "replaces": None}
    form.cleaned_data = defaults | form.cleaned_data
    draft = selectors.canonical_draft(form.to_draft())
    if contracts.faults(draft):
        return Preview()
    return _described(draft, selectors.list_peers(draft))


def _described(draft: ContractDraft, peers: list[PriceRow]) -> Preview:
    unit = meter_facts(draft.meter).unit
    peer = peers[0] if len(peers) == 1 else None
    slip = contracts.unit_slip(draft, peers)
    quantity = Decimal(_EXAMPLES.get(unit, 1))
    per_unit = plural(unit)
    return Preview(
        price=UnitPrice(draft.amount, draft.currency, draft.unit_size, per_unit),
        applies_to=f"{draft.provider} {draft.model}".strip(),
        conditions=draft.conditions.in_words(),
        listed=peer and UnitPrice(peer.amount, peer.currency, peer.unit_size, per_unit),
        list_amount=peer and _rescaled(peer, draft),
        comparable=peer is not None and peer.currency == draft.currency,
        example_quantity=presentation.quantity(quantity, per_unit if quantity != 1 else unit),
        example_cost=cost_of(quantity=quantity, amount=draft.amount, unit_size=draft.unit_size),
        currency=draft.currency,
        warning="" if slip is None else slip.message,
    )


def _rescaled(peer: PriceRow, draft: ContractDraft) -> Decimal:
    """Return the list price for the draft's unit size, so that the two compare."""
    return cost_of(quantity=Decimal(draft.unit_size), amount=peer.amount, unit_size=peer.unit_size)
