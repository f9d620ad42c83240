"""Questions about costs."""

from apps.costs.domain.accounts import AccountFacts, Accounts, Feed, Truth
from apps.costs.domain.lines import Basis, CostBase, CostLine, MissingPair
from apps.costs.domain.reports import BillFacts, ImportReport
from apps.costs.selectors.accounts import accounts, declared_feeds
from apps.costs.selectors.answers import CostAnswer, costs, owned_lines
from apps.costs.selectors.attention import coverage, loose_values, preview_rule
from apps.costs.selectors.base import attribution_of, cost_base
from apps.costs.selectors.bills import bill, bills
from apps.costs.selectors.feeds import feeds, foresee_feed
from apps.costs.selectors.overview import Overview, Share, overview
from apps.costs.selectors.reconciliation import reconciliation, reconciliation_of_accounts

__all__ = [
    "AccountFacts",
    "Accounts",
    "Basis",
    "BillFacts",
    "CostAnswer",
    "CostBase",
    "CostLine",
    "Feed",
    "ImportReport",
    "MissingPair",
    "Overview",
    "Share",
    "Truth",
    "accounts",
    "attribution_of",
    "bill",
    "bills",
    "cost_base",
    "costs",
    "coverage",
    "declared_feeds",
    "feeds",
    "foresee_feed",
    "loose_values",
    "overview",
    "owned_lines",
    "preview_rule",
    "reconciliation",
    "reconciliation_of_accounts",
]
