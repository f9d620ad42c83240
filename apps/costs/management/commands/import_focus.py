"""Imports a bill: `manage.py import_focus acme bill.csv.gz --account cloud`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.core.command import PlatformCommand
from apps.core.domain.canonical import plain_decimal
from apps.costs import services
from apps.costs.domain.accounts import AccountDraft
from apps.costs.selectors import ImportReport
from apps.tenants import selectors as tenants


class Command(PlatformCommand):
    help = "Book a FOCUS file (1.0 or later, CSV, plain or gzip) as bills of a provider account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--account",
            required=True,
            help="code of the provider account; a new one is declared as cost beside the usage",
        )
        parser.add_argument("--provider", default="", help="metered usage that the bill covers")
        parser.add_argument("--provider-account", default="", help="its account, or *")
        parser.add_argument(
            "--shift-months", type=int, default=0, help="move every date by whole months"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        now = timezone.now()
        draft = AccountDraft(
            code=options["account"],
            name=options["account"],
            provider=options["provider"],
            account=options["provider_account"],
        )
        with schema_context(tenants.by_slug(slug=options["slug"]).schema), path.open("rb") as file:
            services.ensure_account(draft=draft, actor=self.actor, now=now)
            report = services.import_focus(
                file=file,
                file_name=path.name,
                provider_account=draft.code,
                actor=self.actor,
                now=now,
                shift_months=options["shift_months"],
            )
        self._tell(report)

    def _tell(self, report: ImportReport) -> None:
        for each in report.diagnostics:
            self.stdout.write(
                f"  {each.count:>8} x {each.message} (first on line {each.first_line})"
            )
        for row in report.errors:
            wrong = "; ".join(f"{error.field}: {error.message}" for error in row.errors)
            self.stdout.write(f"  line {row.line} was left out: {wrong}")
        for bill in report.bills:
            self.stdout.write(
                f"{bill.provider_account} {bill.billing_month} version {bill.version}, booked in "
                f"{bill.period}: {bill.rows} rows"
            )
        for currency, sums in sorted(report.totals.items()):
            self.stdout.write(
                f"{report.rows} rows, {report.rejected} left out, billed {currency} "
                f"{plain_decimal(sums.billed)}, effective {currency} "
                f"{plain_decimal(sums.effective)}"
            )
        if report.already_imported:
            self.stdout.write("The same file had been imported before; nothing was changed.")
