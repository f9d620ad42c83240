"""Proves that a tenant's rollups are what its events say."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django_tenants.utils import schema_context
from tqdm import tqdm

from apps.core.command import PlatformCommand
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants
from apps.usage import services as usage

_SHOWN = 20


class Command(PlatformCommand):
    help = "Rebuild every rollup from the events and name each that differs."

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
        for difference in found[:_SHOWN]:
            self.stderr.write(
                f"{difference.month}: kept {difference.kept}, events say {difference.rebuilt}"
            )
        if found:
            raise CommandError(f"{len(found):,} rollups of {tenant.slug} differ.")
        self.stdout.write(f"All rollups of {tenant.slug} equal their events.")
