"""Pages by cursor through a list of frozen values that is short enough to be read whole."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.core.domain.errors import Invalid

T = TypeVar("T")
PAGE_SIZE: Final = 50
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """One page and the links to its neighbors."""

    items: Sequence[T]
    next: str | None
    previous: str | None

    def body(self, rendered: Any) -> dict[str, Any]:
        """Return the answer that every list gives."""
        return {"results": rendered, "next": self.next, "previous": self.previous}


def page_of(request: Request, items: Sequence[T], key: Callable[[T], str]) -> Slice[T]:
    """Return the page of `items` that the query string asks for by `cursor` and `page_size`.

    A key is unique among the items. A cursor names the last item before the page, so what is
    added or removed elsewhere neither repeats nor hides an item.

    :raises Invalid: when the cursor or the page size is no such thing.
    """
    size = _size(request.query_params.get("page_size", ""))
    cursor = request.query_params.get("cursor", "")
    keys = [key(item) for item in items]
    start = 0 if not cursor else _position(cursor, keys) + 1
    end = min(start + size, len(items))
    after = keys[end - 1] if end < len(items) and end > start else None
    earlier = max(start - size, 0)
    return Slice(
        items=items[start:end],
        next=_link(request, after),
        previous=_link(request, keys[earlier - 1] if earlier else "") if start else None,
    )


def _size(text: str) -> int:
    if not text:
        return PAGE_SIZE
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST:
        raise Invalid(f"Give a page_size from 1 to {MOST}.", code="page_size")
    return int(text)


def _position(cursor: str, keys: Sequence[str]) -> int:
    try:
        return keys.index(base64.urlsafe_b64decode(cursor.encode()).decode())
    except (ValueError, binascii.Error, UnicodeError):
        raise Invalid("The cursor names no item any more; start again.", code="cursor") from None


def _link(request: Request, key: str | None) -> str | None:
    if key is None:
        return None
    here = request.build_absolute_uri()
    cursor = base64.urlsafe_b64encode(key.encode()).decode()
    return str(replace_query_param(here, "cursor", cursor))
