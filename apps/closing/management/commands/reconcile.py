"""Proves that nothing was lost on the way: `manage.py reconcile acme 2026-10`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django_tenants.utils import schema_context

from apps.closing.selectors import proof_of
from apps.core.command import PlatformCommand
from apps.core.domain.months import Month
from apps.tenants import selectors as tenants


class Command(PlatformCommand):
    help = "Compare events, rollups, cost base, allocation lines and statements of a month."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("month", help="2026-10")

    def handle(self, *args: Any, **options: Any) -> None:
        month = Month.parse(options["month"])
        with schema_context(tenants.by_slug(slug=options["slug"]).schema):
            proof = proof_of(month=month)
        width = max(len(link.name) for link in proof.links)
        for link in proof.links:
            self.stdout.write(
                f"{link.name:<{width}}  {link.left:f} against {link.right:f} {link.currency}, "
                f"difference {link.difference:f}"
            )
        for note in proof.notes:
            self.stdout.write(note)
        if not proof.holds:
            raise CommandError(f"{month} does not reconcile.")
        self.stdout.write(f"{month} reconciles: difference 0.00 {proof.currency}")
