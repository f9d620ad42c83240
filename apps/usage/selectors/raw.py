"""The usage objects that events came with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.usage.domain.shapes import ShapeBroken, ShapeUnknown, reading
from apps.usage.store import table

_LATEST: Final = "SELECT raw::text FROM {raw} WHERE key = %s AND revision = %s"


def raw_usage_of(*, key: int, revision: int) -> Mapping[str, Any] | None:
    """Return the usage object that a revision came with, None where it came with none."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST.format(raw=table("usage_rawusage")), [key, revision])
        row = cursor.fetchone()
    return None if row is None else json.loads(row[0], parse_float=Decimal)


def unknown_in(*, provider: str, raw: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the paths of token counts that no reader knows today."""
    if raw is None:
        return ()
    try:
        return reading(provider=provider, usage=raw).unknown
    except (ShapeBroken, ShapeUnknown):
        return ()
