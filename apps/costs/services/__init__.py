"""What may be done to costs: declare accounts, import bills, reconcile."""

from apps.costs.services.accounts import (
    AccountExists,
    AccountRefused,
    change_truth,
    declare_account,
    ensure_account,
    say_model_feed,
)
from apps.costs.services.imports import (
    AccountMissing,
    NothingToBook,
    SliverOfAnotherBill,
    import_focus,
)
from apps.costs.services.partitions import ensure_partitions
from apps.costs.services.reconcile import reconcile

__all__ = [
    "AccountExists",
    "AccountMissing",
    "AccountRefused",
    "NothingToBook",
    "SliverOfAnotherBill",
    "change_truth",
    "declare_account",
    "ensure_account",
    "ensure_partitions",
    "import_focus",
    "reconcile",
    "say_model_feed",
]
