"""Questions about provider accounts, and which feed of each of their models counts."""

from __future__ import annotations

from collections.abc import Mapping

from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Feed, Truth
from apps.costs.models import AccountTruth, ModelFeed, ProviderAccount
from apps.usage.domain.feeds import Declared, Stream


def accounts(month: Month | None = None) -> Accounts:
    """Return the provider accounts as declared for a month (`None`: as last said); two queries.

    An account declared later than the month is not among them.
    """
    rows = AccountTruth.objects.select_related("provider_account").order_by("from_month", "pk")
    if month is not None:
        rows = rows.filter(from_month__lte=month.first_day)
    latest = {row.provider_account_id: row for row in rows}
    return Accounts(
        (
            account_facts(row.provider_account, Truth(row.truth), Feed(row.feed))
            for row in latest.values()
        ),
        _model_feeds(month),
    )


def declared_feeds() -> Declared:
    """Return what tells which feed is declared to count for any scope and month.

    Two queries a month that is asked about. For whoever sums usage above this app: summaries,
    queues, budgets.
    """
    known: dict[Month, Accounts] = {}

    def declared(stream: Stream) -> str | None:
        of = known.get(stream.month)
        if of is None:
            of = known[stream.month] = accounts(stream.month)
        return of.feed_of(provider=stream.provider, account=stream.account, model=stream.model)

    return declared


def account_facts(row: ProviderAccount, truth: Truth, feed: Feed) -> AccountFacts:
    """Return an account with what is said of it as a frozen value."""
    return AccountFacts(
        id=row.pk,
        code=row.code,
        name=row.name,
        provider=row.provider,
        account=row.account,
        truth=truth,
        feed=feed,
    )


def _model_feeds(month: Month | None) -> Mapping[tuple[int, str], Feed]:
    rows = ModelFeed.objects.order_by("from_month", "pk")
    if month is not None:
        rows = rows.filter(from_month__lte=month.first_day)
    latest = {(row.provider_account_id, row.model): row.feed for row in rows}
    return {key: Feed(feed) for key, feed in latest.items() if feed}
