"""What a dry run asks: which digests are known, and whether a draft would be unpriced."""

from __future__ import annotations

from collections.abc import Sequence

from apps.rating.domain.book import PriceBook
from apps.usage import store
from apps.usage.adapters import packed
from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import REQUESTS, Quantities


def known_digests(*, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], set[bytes]]:
    """Return by (source, id) every digest that stored events ever had; one query."""
    distinct = sorted(set(names))
    parts = [packed.text(event_id) for _, event_id in distinct]
    with store.looking_up([source for source, _ in distinct], parts) as known:
        pass
    return {name: set(key.digests) for name, key in known.items()}


def is_unpriced(
    *, book: PriceBook, draft: Draft, quantities: Quantities, context_tokens: int
) -> bool:
    """Tell whether a meter of the draft expects a price and has none; writes nothing."""
    sku = book.sku_for(
        provider="" if draft.service else draft.provider or "",
        model=draft.service or draft.model or "",
        service_tier=draft.service_tier,
        batch=bool(draft.batch),
        region=draft.region,
        context_tokens=context_tokens,
        at=draft.time,
    )
    return any(
        book.quote(sku=sku, meter=meter, at=draft.time) is None
        and book.expects_price(sku=sku, meter=meter)
        for meter in (*quantities, REQUESTS)
    )
