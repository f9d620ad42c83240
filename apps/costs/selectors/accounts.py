"""Questions about provider accounts, and which feed of each of their models counts."""

from __future__ import annotations

from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Feed, Truth
from apps.costs.models import AccountTruth, ModelFeed, ProviderAccount
from apps.usage.domain.feeds import Declared, Stream


def accounts(month: Month | None = None) -> Accounts:
    """Return the provider accounts as declared for a month (`None`: as last said); two queries.

    An account declared later than the month is not among them.
    """
    return _Told().as_of(month)


def declared_feeds() -> Declared:
    """Return what tells which feed is declared to count for any scope and month; two queries.

    For whoever sums usage above this app: summaries, queues, budgets.
    """
    told: list[_Told] = []
    known: dict[Month, Accounts] = {}

    def declared(stream: Stream) -> str | None:
        of = known.get(stream.month)
        if of is None:
            if not told:
                told.append(_Told())
            of = known[stream.month] = told[0].as_of(stream.month)
        return of.feed_of(provider=stream.provider, account=stream.account, model=stream.model)

    return declared


class _Told:
    """Everything that was ever said of accounts and their models, in the order it holds from."""

    def __init__(self) -> None:
        truths = AccountTruth.objects.select_related("provider_account")
        self._truths = list(truths.order_by("from_month", "pk"))
        self._feeds = list(ModelFeed.objects.order_by("from_month", "pk"))

    def as_of(self, month: Month | None) -> Accounts:
        """Return what holds in a month; None: what was last said."""
        latest = {
            row.provider_account_id: row
            for row in self._truths
            if month is None or row.from_month <= month.first_day
        }
        feeds = {
            (row.provider_account_id, row.model): row.feed
            for row in self._feeds
            if month is None or row.from_month <= month.first_day
        }
        return Accounts(
            (
                account_facts(row.provider_account, Truth(row.truth), Feed(row.feed))
                for row in latest.values()
            ),
            {key: Feed(feed) for key, feed in feeds.items() if feed},
        )


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
