"""Reads a provider's answers as they pass: JSON, and server-sent events cut anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_END = re.compile(rb"\r?\n\r?\n")


class Item(dict[str, Any]):
    """A JSON object whose fields are attributes, as those of the SDKs' answers are."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Events:
    """Cuts a stream into its events; nothing is lost or changed."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, part: bytes) -> Iterator[tuple[bytes, Item | None]]:
        """Yield the events that end in this part: their bytes, and their data where it is JSON."""
        self._kept += part
        while found := _END.search(self._kept):
            text, self._kept = self._kept[: found.end()], self._kept[found.end() :]
            yield text, _data(text)

    def rest(self) -> bytes:
        """Return what came after the last event."""
        return self._kept


def read_item(body: bytes, *, request_id: str | None = None) -> Item | None:
    """Return an answer that is a JSON object, else None; `request_id` is its header's."""
    try:
        found = json.loads(body, object_pairs_hook=Item)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, Item):
        return None
    found.setdefault("_request_id", request_id)
    return found


def _data(event: bytes) -> Item | None:
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return read_item(b"\n".join(lines)) if lines else None
