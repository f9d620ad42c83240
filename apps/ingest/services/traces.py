"""Accepts spans: uses of models as events, totals of what is around them beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from django.db import InterfaceError, OperationalError, connection

from apps.core.db import current_schema
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Unavailable
from apps.ingest.domain.otlp import Stored, Total, Traced, read_spans, related
from apps.ingest.domain.receipt import Receipt
from apps.ingest.domain.spans import Span
from apps.ingest.models import SpanTotal
from apps.ingest.services.translated import accept_translated
from apps.usage import selectors as usage


def accept_spans(
    *, spans: Sequence[Span], actor: Actor, received_at: datetime
) -> tuple[Receipt, Traced]:
    """Store the spans that are uses of a model; errors name the place of their span.

    Repeating it adds nothing. Requests that bring spans of one trace at the same time follow each
    other, from the look at what is stored until theirs is: else two spans of one call could each
    find the other missing, and both count.

    :raises TooLarge: when more than 10,000 of them are uses.
    :raises Unavailable: when the database does not answer, or others hold the traces for too long.
    :raises Forbidden: when the actor lacks usage:write.
    """
    actor.require(Scope.USAGE_WRITE)
    ids, names = related(spans)
    with _in_turn(_stripes(ids)):
        stored = Stored(usage.spans_inside(ids=ids), usage.spans_around(names=names))
        traced = read_spans(spans, stored)
        receipt = accept_translated(taken=traced.taken, actor=actor, received_at=received_at)
    _keep(traced.totals, actor, received_at)
    return receipt, traced


_STRIPES: Final = 256
"""Traces of a tenant share this many locks, so that no request fills the server's lock table."""


def _stripes(ids: Sequence[str]) -> list[int]:
    return sorted({crc32(name.partition(":")[0].encode()) % _STRIPES for name in ids})


@contextmanager
def _in_turn(stripes: Sequence[int]) -> Iterator[None]:
    """Hold the locks of traces, taken in one order; the session's, as ingest commits by itself.

    They are let go whatever happens, and with the connection when it breaks.
    """
    if not stripes:
        yield
        return
    values = [_lock_class(), list(stripes)]
    try:
        _ask("SELECT pg_advisory_lock(%s, stripe) FROM unnest(%s::int[]) AS t (stripe)", values)
        yield
    finally:
        _ask("SELECT pg_advisory_unlock(%s, stripe) FROM unnest(%s::int[]) AS t (stripe)", values)


def _lock_class() -> int:
    """Return the first half of the locks' keys, a signed 32-bit number of the tenant's own."""
    return crc32(f"otlp:{current_schema()}".encode()) - 2**31


def _ask(statement: str, values: list[Any]) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(
            "The database did not answer, or other requests brought spans of the same traces for "
            "too long. Send the same again: what was stored counts once.",
            code="database_unavailable",
        ) from error


def _keep(totals: Sequence[Total], actor: Actor, received_at: datetime) -> None:
    named = [total for total in totals if total.trace_id and total.span_id]
    SpanTotal.objects.bulk_create(
        [
            SpanTotal(
                trace_id=total.trace_id[:32],
                span_id=total.span_id[:16],
                parent_id=total.parent_id[:16],
                name=total.name.replace("\0", ""),
                counts=total.counts,
                received_at=received_at,
                received_from=actor.label,
            )
            for total in named
        ],
        ignore_conflicts=True,
    )
