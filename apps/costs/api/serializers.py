"""Shapes of costs, bills and provider accounts at the API."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from rest_framework import serializers

from apps.core.api.fields import KnownFields, MonthField, UtcMoment
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import published
from apps.costs.domain.accounts import AccountDraft, Feed, Truth
from apps.costs.domain.feeds import FeedChange, FeedRow
from apps.costs.domain.grouping import CostRow
from apps.costs.selectors import BillFacts, CostAnswer, ImportReport, MissingPair

AXES: Final = ("team", "customer")
TRUTHS: Final = [truth.value for truth in Truth]
FEEDS: Final = [feed.value for feed in Feed]


class CostQuery(KnownFields):
    """The query string of the costs."""

    period = MonthField()
    axis = serializers.ChoiceField(choices=AXES, default="team")
    group_by = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=1000,
        help_text="dimensions by comma, as team,model; the axis when absent",
    )

    def dimensions(self) -> list[str]:
        """Return the dimensions asked for, in order."""
        text: str = self.validated_data["group_by"]
        return [name.strip() for name in text.split(",") if name.strip()]


def answer_body(answer: CostAnswer) -> dict[str, Any]:
    """Return the costs as the API gives them: amounts with 12 decimals, in `currency`."""
    return {
        "period": str(answer.month),
        "axis": answer.axis,
        "group_by": list(answer.group_by),
        "currency": answer.currency,
        "provisional_fx": answer.provisional_fx,
        "rows": [_row(row, answer.group_by) for row in answer.rows],
        "total": _row(answer.total, ()),
        "unpriced": [unpriced_body(each) for each in answer.unpriced],
        "missing_rates": [_missing(each) for each in answer.missing_rates],
        "hash": answer.hash,
    }


def unpriced_body(unpriced: Any) -> dict[str, Any]:
    """Return unpriced usage: what it is, and how much of it."""
    return {
        "sku": unpriced.sku.label,
        "meter": unpriced.meter,
        "quantity": plain_decimal(unpriced.quantity),
        "events": int(unpriced.events),
    }


def _row(row: CostRow, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        **dict(zip(names, row.values, strict=bool(names))),
        "billed": published(row.billed),
        "effective": published(row.effective),
        "quantity": None if row.quantity is None else plain_decimal(row.quantity),
        "unit": row.unit,
        "lines": row.lines,
    }


def _missing(pair: MissingPair) -> dict[str, Any]:
    return {
        "base": pair.base,
        "quote": pair.quote,
        "lines": pair.lines,
        "amount": published(pair.amount),
    }


class CostRowOutput(serializers.Serializer[Any]):
    """The sum of some lines; beside these fields one for each dimension asked for."""

    billed = serializers.CharField(help_text="invoiced cost, 12 decimals")
    effective = serializers.CharField(help_text="amortized cost, 12 decimals")
    quantity = serializers.CharField(allow_null=True, help_text="null: in several units")
    unit = serializers.CharField()
    lines = serializers.IntegerField()


class MissingOutput(serializers.Serializer[Any]):
    """A pair of currencies without a rate; its lines are not in the sums."""

    base = serializers.CharField()
    quote = serializers.CharField()
    lines = serializers.IntegerField()
    amount = serializers.CharField(help_text="in the base currency")


class UnpricedOutput(serializers.Serializer[Any]):
    """Usage without a price; its cost is not known and not in the sums."""

    sku = serializers.CharField()
    meter = serializers.CharField()
    quantity = serializers.CharField()
    events = serializers.IntegerField()


class CostAnswerOutput(serializers.Serializer[Any]):
    """Costs of a month by the dimensions asked for."""

    period = MonthField()
    axis = serializers.ChoiceField(choices=AXES)
    group_by = serializers.ListField(child=serializers.CharField())
    currency = serializers.CharField()
    provisional_fx = serializers.BooleanField()
    rows = CostRowOutput(many=True)
    total = CostRowOutput()
    unpriced = UnpricedOutput(many=True)
    missing_rates = MissingOutput(many=True)
    hash = serializers.CharField()


class AccountInput(KnownFields):
    """A provider account to declare."""

    code = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=200)
    provider = serializers.CharField(max_length=64, default="", allow_blank=True)
    account = serializers.CharField(
        max_length=256, default="", allow_blank=True, help_text="* for every account"
    )
    truth = serializers.ChoiceField(choices=TRUTHS, default=Truth.BILLED.value)
    feed = serializers.ChoiceField(choices=FEEDS, default=Feed.REQUEST.value)

    def to_draft(self) -> AccountDraft:
        """Return the account as the service takes it."""
        values = dict(self.validated_data)
        return AccountDraft(
            **{**values, "truth": Truth(values["truth"]), "feed": Feed(values["feed"])}
        )


class AccountOutput(serializers.Serializer[Any]):
    """A provider account, and whose amounts count now."""

    code = serializers.CharField()
    name = serializers.CharField()
    provider = serializers.CharField()
    account = serializers.CharField()
    truth = serializers.ChoiceField(choices=TRUTHS)
    feed = serializers.ChoiceField(choices=FEEDS)


class TruthInput(KnownFields):
    """Whose amounts count from a month on."""

    truth = serializers.ChoiceField(choices=TRUTHS)
    feed = serializers.ChoiceField(choices=FEEDS, default=Feed.REQUEST.value)
    since = MonthField()


class ImportInput(KnownFields):
    """A FOCUS file, as multipart/form-data."""

    file = serializers.FileField(help_text="FOCUS 1.0 or later, CSV, UTF-8, plain or gzip")
    account = serializers.CharField(max_length=64, help_text="code of the provider account")


class TotalsOutput(serializers.Serializer[Any]):
    """Sums of one currency, exact."""

    currency = serializers.CharField()
    billed = serializers.CharField()
    effective = serializers.CharField()


class DiagnosticOutput(serializers.Serializer[Any]):
    """What was odd about a column and was accepted all the same."""

    code = serializers.CharField()
    column = serializers.CharField()
    count = serializers.IntegerField()
    first_line = serializers.IntegerField()
    message = serializers.CharField()


class FieldErrorOutput(serializers.Serializer[Any]):
    """What is wrong with one cell."""

    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class RowErrorOutput(serializers.Serializer[Any]):
    """A row that could not be booked."""

    line = serializers.IntegerField()
    errors = FieldErrorOutput(many=True)  # type: ignore[assignment]


class BillOutput(serializers.Serializer[Any]):
    """One version of a provider's bill for one billing month."""

    id = serializers.UUIDField()
    account = serializers.CharField(source="provider_account")
    billing_month = MonthField()
    period = MonthField(help_text="the accounting month it is booked in")
    version = serializers.IntegerField()
    is_current = serializers.BooleanField()
    rows = serializers.IntegerField()
    rejected = serializers.IntegerField()
    totals = serializers.SerializerMethodField()
    file_name = serializers.CharField()
    source_sha256 = serializers.CharField()
    imported_at = UtcMoment()
    imported_by = serializers.CharField()

    def get_totals(self, bill: BillFacts) -> list[dict[str, str]]:
        """Return the sums by currency."""
        return totals_body(bill.totals)


class ImportOutput(serializers.Serializer[ImportReport]):
    """What came of a file."""

    already_imported = serializers.BooleanField()
    rows = serializers.IntegerField()
    rejected = serializers.IntegerField()
    totals = serializers.SerializerMethodField()
    bills = BillOutput(many=True)
    diagnostics = DiagnosticOutput(many=True)
    errors = RowErrorOutput(many=True, help_text="the first hundred")  # type: ignore[assignment]

    def get_totals(self, report: ImportReport) -> list[dict[str, str]]:
        """Return the sums by currency."""
        return totals_body(report.totals)


def totals_body(totals: Any) -> list[dict[str, str]]:
    """Return sums by currency in plain notation, exact."""
    return [
        {
            "currency": currency,
            "billed": plain_decimal(sums.billed),
            "effective": plain_decimal(sums.effective),
        }
        for currency, sums in sorted(totals.items())
    ]


class FeedQuery(KnownFields):
    """The query string of the feeds."""

    period = MonthField(required=False, help_text="the present month when absent")


class ModelFeedInput(KnownFields):
    """Which feed of a model counts from a month on."""

    model = serializers.CharField(max_length=200, help_text="as the catalogue names it")
    feed = serializers.ChoiceField(
        choices=[*FEEDS, "account"], help_text="account: what is said of the whole account"
    )
    since = MonthField()
    reason = serializers.CharField(max_length=500, allow_blank=True, default="")

    def said(self) -> Feed | None:
        """Return the feed; None leaves the model to its account."""
        feed = self.validated_data["feed"]
        return None if feed == "account" else Feed(feed)


class FeedRowOutput(serializers.Serializer[Any]):
    """A meter of a model as each feed tells it; null: it tells nothing."""

    provider = serializers.CharField()
    account = serializers.CharField()
    model = serializers.CharField()
    meter = serializers.CharField()
    requests = serializers.SerializerMethodField()
    buckets = serializers.SerializerMethodField()
    difference = serializers.SerializerMethodField()
    counted = serializers.ChoiceField(choices=FEEDS)
    said_of = serializers.ChoiceField(choices=["model", "account", "nothing"])
    provider_account = serializers.CharField(source="code")

    def get_requests(self, row: FeedRow) -> str | None:
        """Return the quantity by single requests."""
        return _plain_or_none(row.requests)

    def get_buckets(self, row: FeedRow) -> str | None:
        """Return the quantity by the provider's totals."""
        return _plain_or_none(row.buckets)

    def get_difference(self, row: FeedRow) -> str | None:
        """Return (requests - buckets) / buckets with six decimals."""
        ratio = row.difference
        return None if ratio is None else f"{ratio:.6f}"


class FeedsOutput(serializers.Serializer[Any]):
    """What each feed tells of a month."""

    period = serializers.CharField()
    results = FeedRowOutput(many=True)


class FeedChangeOutput(serializers.Serializer[Any]):
    """What a choice changes, or would, by open month."""

    dry_run = serializers.BooleanField()
    account = serializers.CharField()
    model = serializers.CharField()
    feed = serializers.CharField()
    since = serializers.CharField()
    months = serializers.ListField(child=serializers.DictField())


def feed_changes_body(changes: Iterable[FeedChange]) -> list[dict[str, Any]]:
    """Return counted cost by month before and after, by currency."""
    return [
        {
            "period": str(change.month),
            "cost_before": {code: plain_decimal(sum_) for code, sum_ in change.before.items()},
            "cost_after": {code: plain_decimal(sum_) for code, sum_ in change.after.items()},
        }
        for change in changes
    ]


def _plain_or_none(quantity: Decimal | None) -> str | None:
    return None if quantity is None else plain_decimal(quantity)
