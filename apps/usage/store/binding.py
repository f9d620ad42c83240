"""Cursors that bind on the server, qualified names, and parts that repeat packed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

from apps.core.db import current_schema
from apps.usage.adapters.packed import server_cursor


@contextmanager
def binding_cursor() -> Iterator[psycopg.Cursor[Any]]:
    """Open a cursor that binds on the server; its errors are Django's, as everywhere."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        yield server_cursor(cursor)


def packed_once(values: Sequence[Any], pack: Callable[[Any], bytes]) -> list[bytes]:
    """Return the part of each value; equal values are packed once."""
    known = {value: pack(value) for value in set(values)}
    return [known[value] for value in values]


def table(name: str) -> str:
    """Return a table of the current schema, qualified and quoted."""
    schema = connection.ops.quote_name(current_schema())
    return f"{schema}.{connection.ops.quote_name(name)}"
