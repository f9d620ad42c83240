"""The contract prices and discounts that are believed now, as drafts that would record them."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from apps.core.domain.canonical import plain_decimal
from apps.rating.adapters.sheets import write_csv, write_xlsx
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.sheets import COLUMNS, Draft, cells_of
from apps.rating.domain.terms import DiscountDraft, Scope
from apps.rating.models import ContractPrice
from apps.rating.models import Discount as StoredDiscount


def believed_drafts() -> list[tuple[UUID, Draft]]:
    """Return what is believed now, by id: prices, then discounts, each as it was recorded."""
    prices = ContractPrice.objects.filter(known_to__isnull=True)
    discounts = StoredDiscount.objects.filter(known_to__isnull=True)
    order = ("provider", "model", "meter", "valid_from", "id")
    return [
        *((row.public_id, price_draft(row)) for row in prices.order_by(*order)),
        *((row.public_id, discount_draft(row)) for row in discounts.order_by(*order)),
    ]


def price_draft(row: ContractPrice) -> ContractDraft:
    """Return a contract price as the draft that would record it again."""
    return ContractDraft(
        provider=row.provider,
        model=row.model,
        meter=row.meter,
        amount=_plain(row.amount),
        unit_size=row.unit_size,
        currency=row.currency,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        conditions=row.conditions,
        note=row.note,
    )


def discount_draft(row: StoredDiscount) -> DiscountDraft:
    """Return a discount as the draft that would record it again."""
    return DiscountDraft(
        scope=Scope(provider=row.provider, family=row.family, model=row.model, meter=row.meter),
        percent=_plain(row.percent),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        service_tier=row.service_tier,
        batch=row.batch,
        region=row.region,
        context_gt=row.context_gt,
        note=row.note,
    )


def _plain(value: Decimal) -> Decimal:
    return Decimal(plain_decimal(value))


def sheet_csv() -> bytes:
    """Return what is believed now as a CSV that imports without a change."""
    return write_csv(COLUMNS, (cells_of(draft) for _, draft in believed_drafts()))


def sheet_xlsx() -> bytes:
    """Return the same as a spreadsheet of texts."""
    return write_xlsx(COLUMNS, (cells_of(draft) for _, draft in believed_drafts()))
