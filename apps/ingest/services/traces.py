"""Accepts spans: uses of models as events, totals of what is around them beside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.core.domain.access import Actor, Scope
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

    Repeating it adds nothing.

    :raises TooLarge: when more than 10,000 of them are uses.
    :raises Forbidden: when the actor lacks usage:write.
    """
    actor.require(Scope.USAGE_WRITE)
    ids, names = related(spans)
    stored = Stored(usage.spans_inside(ids=ids), usage.spans_around(names=names))
    traced = read_spans(spans, stored)
    receipt = accept_translated(taken=traced.taken, actor=actor, received_at=received_at)
    _keep(traced.totals, actor, received_at)
    return receipt, traced


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
