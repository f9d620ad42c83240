"""Where usage is shown: the log, one event, a receipt, and the form of a price that is missing."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

_PLAIN: Final = re.compile(r"[A-Za-z0-9_:@~-][A-Za-z0-9._:@~-]*")


def log_url(**wanted: str) -> str:
    """Return the log under some filters."""
    query = urlencode({key: value for key, value in wanted.items() if value})
    return reverse("usage:log") + (f"?{query}" if query else "")


def event_url(source: str, event_id: str) -> str:
    """Return the page of an event: by path where both names are plain, else by query."""
    if _PLAIN.fullmatch(source) and _PLAIN.fullmatch(event_id):
        return reverse("usage:event", args=[source, event_id])
    return f"{reverse('usage:event_named')}?{urlencode({'source': source, 'id': event_id})}"


def receipts_url() -> str:
    """Return the list of receipts."""
    return reverse("usage:receipts")


def receipt_url(batch: UUID) -> str:
    """Return the receipt of a batch."""
    return reverse("usage:receipt", args=[batch])


def price_url(*, provider: str, model: str, meter: str) -> str:
    """Return the form of a contract price, filled in as far as is known."""
    query = urlencode({"provider": provider, "model": model, "meter": meter})
    return f"{reverse('rating:new')}?{query}"


_TERM: Final = re.compile(r"\b(contract|discount|commitment) ([0-9a-f-]{36})\b")
_TERM_PAGES: Final = {
    "contract": "rating:contract_price",
    "discount": "rating:discount",
    "commitment": "insights:commitment",
}


def term_url(source: str) -> str:
    """Return the page of the term that a price's source names; empty for a list price."""
    found = _TERM.search(source)
    return reverse(_TERM_PAGES[found[1]], args=[found[2]]) if found else ""


def unpriced_url() -> str:
    """Return the queue of what has no price."""
    return reverse("usage:unpriced")


def solve_url(
    *, provider: str, model: str, meant: tuple[str, str] | None = None, since: str = ""
) -> str:
    """Return the page that solves a model without a price, with what it may mean filled in."""
    query = {"sent_provider": provider, "sent_model": model}
    if meant is not None:
        query |= {"meant": "yes", "provider": meant[0], "model": meant[1], "valid_from": since}
    return f"{reverse('usage:solve')}?{urlencode(query)}"


def meanings_url() -> str:
    """Return the list of what sent models mean."""
    return reverse("usage:meanings")


def meaning_url(mapping: UUID) -> str:
    """Return the page of one mapping of a sent model."""
    return reverse("usage:meaning", args=[mapping])


def corrections_url() -> str:
    """Return the months whose prices may be corrected."""
    return reverse("usage:price_corrections")


def backfills_url() -> str:
    """Return the list of backfills."""
    return reverse("usage:backfills")


def backfill_url(backfill: UUID) -> str:
    """Return the page of one backfill."""
    return reverse("usage:backfill", args=[backfill])
