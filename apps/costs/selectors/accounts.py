"""Questions about provider accounts."""

from __future__ import annotations

from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Feed, Truth
from apps.costs.models import AccountTruth, ProviderAccount


def accounts(month: Month | None = None) -> Accounts:
    """Return the provider accounts as declared for a month (`None`: as last said); one query.

    An account declared later than the month is not among them.
    """
    rows = AccountTruth.objects.select_related("provider_account").order_by("from_month", "pk")
    if month is not None:
        rows = rows.filter(from_month__lte=month.first_day)
    latest = {row.provider_account_id: row for row in rows}
    return Accounts(
        account_facts(row.provider_account, Truth(row.truth), Feed(row.feed))
        for row in latest.values()
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
