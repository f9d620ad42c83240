"""Which feed counts for which account and model, what each tells, and what a change would do."""

from __future__ import annotations

from dataclasses import replace

from apps.core.domain.errors import Missing
from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Feed
from apps.costs.domain.feeds import FeedChange, FeedRow, Said, change_of, side_by_side
from apps.costs.selectors.accounts import accounts
from apps.periods import selectors as periods
from apps.usage import selectors as usage
from apps.usage.domain.feeds import Declared, Stream


def feeds(*, month: Month) -> list[FeedRow]:
    """Return what each feed tells of a month's usage, a row a model and meter; three queries."""
    sums = usage.sums_by_feed(month=month)
    declared = accounts(month)
    said = {stream: _said(declared, stream) for stream in usage.streams_of(sums)}
    return side_by_side(sums, said)


def foresee_feed(*, code: str, model: str, feed: Feed | None, since: Month) -> list[FeedChange]:
    """Return what another counted feed would change in the open months from one on.

    An empty model is the whole account. A feed of None leaves the model to its account. Costs are
    rated, by the currency of their prices; a bill that is the truth goes over all of it.

    :raises Missing: when the account is not declared.
    """
    changes = []
    for month in periods.open_months():
        if month < since:
            continue
        declared = accounts(month)
        account = declared.by_code(code)
        if account is None:
            text = f"There is no provider account {code}."
            raise Missing(text, code="provider_account_not_found")
        sums = usage.sums_by_feed(month=month)
        if sums:
            after = _with(declared, account, model, feed)
            changes.append(change_of(month, sums, _rule(declared), _rule(after)))
    return changes


def _rule(declared: Accounts) -> Declared:
    def of(stream: Stream) -> str | None:
        provider, account, model = stream[:3]
        return declared.feed_of(provider=provider, account=account, model=model)

    return of


def _with(declared: Accounts, account: AccountFacts, model: str, feed: Feed | None) -> Accounts:
    feeds = dict(declared.feeds)
    if model:
        feeds.pop((account.id, model), None)
        if feed is not None:
            feeds[account.id, model] = feed
        return Accounts(declared.declared, feeds)
    others = [each for each in declared.declared if each.code != account.code]
    return Accounts([*others, replace(account, feed=feed or account.feed)], feeds)


def _said(declared: Accounts, stream: Stream) -> Said:
    account = declared.of_usage(provider=stream.provider, account=stream.account)
    if account is None:
        return Said(None, "nothing", "")
    of_model = declared.feeds.get((account.id, stream.model))
    if of_model is not None:
        return Said(of_model, "model", account.code)
    return Said(account.feed, "account", account.code)
