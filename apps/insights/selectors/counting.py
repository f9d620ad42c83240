"""Keeps the usage that counts: of a model of an account one feed does, as costs has it."""

from __future__ import annotations

from collections.abc import Sequence

from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.usage import selectors as usage
from apps.usage.domain.feeds import FeedRule, Stream


def counted(rows: Sequence[usage.RollupRow], month: Month) -> list[usage.RollupRow]:
    """Return the rollups of a month that count, so that nothing counts twice; two queries.

    The declared feed counts; undeclared, requests do, else the provider's totals.
    """
    streams = [_stream(row, month) for row in rows]
    rule = FeedRule.over(streams, costs.declared_feeds())
    return [row for row, stream in zip(rows, streams, strict=True) if rule.counts(stream)]


def _stream(row: usage.RollupRow, month: Month) -> Stream:
    return Stream(row.sku.provider, row.account, row.sku.model, month, row.feed)
