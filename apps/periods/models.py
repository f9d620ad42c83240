"""Accounting months, their exchange rates, and the tables whose rows belong to a month."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import F, Q

from apps.core.domain.months import Month
from apps.periods.domain.calendar import PeriodFacts, State
from apps.periods.domain.fx import FxRateFacts, RateKind


class Period(models.Model):
    """One accounting month of the tenant.

    Triggers hold what rows alone cannot say: only legal transitions, months close in order, only
    the latest closed month reopens, and a closed row never changes in place.
    """

    month = models.DateField(unique=True, help_text="first day of the month")
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in State], default=State.OPEN.value
    )
    starts_at = models.DateTimeField(help_text="first instant, from the tenant's timezone")
    ends_at = models.DateTimeField(help_text="first instant after the month")
    price_book_version = models.BigIntegerField(
        null=True, blank=True, help_text="price book pinned by the freeze"
    )
    frozen_at = models.DateTimeField(null=True, blank=True)
    frozen_by = models.CharField(max_length=254, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=254, blank=True, help_text="who prepared the close")
    closed_by_user = models.BigIntegerField(null=True, blank=True)
    approved_by = models.CharField(max_length=254, blank=True, help_text="the second person")
    approved_by_user = models.BigIntegerField(null=True, blank=True)
    reopened_at = models.DateTimeField(null=True, blank=True)
    reopened_by = models.CharField(max_length=254, blank=True)
    reopen_approved_by = models.CharField(max_length=254, blank=True)
    reopen_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(month__day=1), name="periods_period_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in State]), name="periods_period_state_known"
            ),
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="periods_period_bounds_in_order"
            ),
            models.CheckConstraint(
                condition=Q(state="open", frozen_at__isnull=True)
                | (~Q(state="open") & Q(frozen_at__isnull=False)),
                name="periods_period_frozen_unless_open",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="closed",
                    closed_at__isnull=False,
                    closed_by__gt="",
                    approved_by__gt="",
                )
                | (~Q(state="closed") & Q(closed_at__isnull=True, closed_by="", approved_by="")),
                name="periods_period_closed_names_both_people",
            ),
            models.CheckConstraint(
                condition=~Q(state="closed")
                | (
                    ~Q(closed_by=F("approved_by"))
                    & (
                        Q(closed_by_user__isnull=True)
                        | Q(approved_by_user__isnull=True)
                        | ~Q(closed_by_user=F("approved_by_user"))
                    )
                ),
                name="periods_period_approver_differs_from_closer",
            ),
        ]

    def __str__(self) -> str:
        return str(self.key)

    # Factories

    @classmethod
    def for_month(cls, month: Month, *, zone: ZoneInfo) -> Period:
        """Return the unsaved, open period of a month as that timezone sees it."""
        starts_at, ends_at = month.bounds(zone)
        return cls(month=month.first_day, starts_at=starts_at, ends_at=ends_at)

    # Mutators

    def freeze(self, *, by: str, at: datetime, price_book_version: int | None) -> None:
        """Stop new entries and pin the price book."""
        self.state = State.SOFT_CLOSED.value
        self.frozen_at, self.frozen_by = at, by
        self.price_book_version = price_book_version
        self.save()

    def open_again(self) -> None:
        """Take new entries again; forgets the freeze and the close."""
        self.state = State.OPEN.value
        self.frozen_at, self.frozen_by, self.price_book_version = None, "", None
        self.closed_at, self.closed_by, self.closed_by_user = None, "", None
        self.approved_by, self.approved_by_user = "", None
        self.save()

    def close(
        self,
        *,
        by: str,
        by_user: int | None,
        approved_by: str,
        approved_by_user: int | None,
        at: datetime,
    ) -> None:
        """Put the month in the books."""
        self.state = State.CLOSED.value
        self.closed_at, self.closed_by, self.closed_by_user = at, by, by_user
        self.approved_by, self.approved_by_user = approved_by, approved_by_user
        self.save()

    def reopen(self, *, by: str, approved_by: str, reason: str, at: datetime) -> None:
        """Take a closed month out of the books."""
        self.reopened_at, self.reopened_by = at, by
        self.reopen_approved_by, self.reopen_reason = approved_by, reason
        self.open_again()

    # Properties

    @property
    def key(self) -> Month:
        """Return the month as a value."""
        return Month.of(self.month)

    @property
    def facts(self) -> PeriodFacts:
        """Return the row as a frozen value."""
        return PeriodFacts(
            month=self.key,
            state=State(self.state),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            price_book_version=self.price_book_version,
            frozen_at=self.frozen_at,
            closed_at=self.closed_at,
            closed_by=self.closed_by,
            approved_by=self.approved_by,
        )


class FxRate(models.Model):
    """One entered exchange rate of a month; append-only, a correction is a new revision."""

    month = models.DateField(help_text="first day of the month it applies to")
    base = models.CharField(max_length=3, help_text="ISO 4217 code of one unit")
    quote = models.CharField(max_length=3, help_text="ISO 4217 code of what it is worth")
    rate = models.DecimalField(
        max_digits=24, decimal_places=12, help_text="units of quote for one unit of base"
    )
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in RateKind])
    revision = models.IntegerField(default=1, help_text="the last revision counts")
    source = models.CharField(max_length=200, help_text="who published the rate")
    rate_on = models.DateField(help_text="day for which the source states the rate")
    entered_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["month", "base", "quote", "kind", "revision"],
                name="periods_fxrate_one_per_revision",
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="periods_fxrate_positive"),
            models.CheckConstraint(
                condition=~Q(base=F("quote")), name="periods_fxrate_two_currencies"
            ),
            models.CheckConstraint(
                condition=Q(base__regex="^[A-Z]{3}$") & Q(quote__regex="^[A-Z]{3}$"),
                name="periods_fxrate_currency_codes",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[k.value for k in RateKind]), name="periods_fxrate_kind_known"
            ),
            models.CheckConstraint(condition=Q(source__gt=""), name="periods_fxrate_source_stated"),
            models.CheckConstraint(
                condition=Q(month__day=1), name="periods_fxrate_month_is_a_first_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{Month.of(self.month)} {self.base}/{self.quote} {self.kind} #{self.revision}"

    @property
    def facts(self) -> FxRateFacts:
        """Return the row as a frozen value."""
        return FxRateFacts(
            month=Month.of(self.month),
            base=self.base,
            quote=self.quote,
            rate=self.rate,
            kind=RateKind(self.kind),
            source=self.source,
            rate_on=self.rate_on,
            revision=self.revision,
        )


class GuardedTable(models.Model):
    """A table whose rows belong to a month; written by the migration that guards the table.

    A month that has no row in any of them was never used and may be closed on the way.
    """

    table_name = models.CharField(max_length=63, unique=True)
    column_name = models.CharField(max_length=63)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(table_name__gt="", column_name__gt=""),
                name="periods_guardedtable_named",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_name}.{self.column_name}"
