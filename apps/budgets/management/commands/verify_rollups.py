"""Proves that a tenant's rollups are what its events say, and budgets what its rollups say."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context
from tqdm import tqdm

from apps.budgets import services as budgets
from apps.core.command import PlatformCommand
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants
from apps.usage import services as usage

_SHOWN = 20


class Command(PlatformCommand):
    help = "Rebuild rollups from the events and budgets from the rollups; name what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("months", nargs="*", type=Month.parse, help="such as 2026-10; else all")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenants.by_slug(slug=options["slug"])
        with schema_context(tenant.schema):
            months = options["months"] or [p.month for p in periods.calendar().periods]
            found = [
                difference
                for month in tqdm(months, desc=tenant.slug, unit=" months", disable=None)
                for difference in usage.verify_rollups(months=[month])
            ]
            moved = budgets.verify_counters(now=timezone.now())
        for difference in found[:_SHOWN]:
            self.stderr.write(
                f"{difference.month}: kept {difference.kept}, events say {difference.rebuilt}"
            )
        for wrong in moved[:_SHOWN]:
            self.stderr.write(
                f"{wrong.budget} from {wrong.window}: {wrong.counter} is {wrong.kept}, rollups and "
                f"holds say {wrong.rebuilt}"
            )
        if found:
            raise CommandError(f"{len(found):,} rollups of {tenant.slug} differ.")
        if moved:
            raise CommandError(f"{len(moved):,} counters of budgets of {tenant.slug} differ.")
        self.stdout.write(f"All rollups of {tenant.slug} equal their events.")
        self.stdout.write("All budgets equal their rollups and holds.")
