"""Proves that nothing was lost on the way: `manage.py reconcile acme 2026-10`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django_tenants.utils import schema_context

from apps.closing.selectors import Link, proof_of
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
        for link in proof.links:
            self.stdout.write(
                f"{link.name}: {link.left:f} {link.currency} against {link.right:f}"
                f"{_rounding(link)}, difference {_shown(link.difference)}"
            )
        for line in (*proof.notes, *proof.faults):
            self.stdout.write(line)
        if not proof.holds:
            raise CommandError(f"{month} does not reconcile.")
        self.stdout.write(f"{month} reconciles: difference 0.00 {proof.currency}")


def _rounding(link: Link) -> str:
    return f" and the rounding {link.allowed:f}" if link.allowed else ""


def _shown(difference: Decimal) -> str:
    return f"{difference:f}" if difference else "0.00"
