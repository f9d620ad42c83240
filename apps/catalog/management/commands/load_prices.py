"""Records what a file of the operator says of prices: LiteLLM's JSON, or a reviewed sheet."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.catalog import selectors
from apps.catalog import services as catalog
from apps.catalog.management.report import outcome_of, waiting_in_words
from apps.core.domain.access import shell_actor
from apps.core.domain.errors import Refusal


class Command(BaseCommand):
    """Run `manage.py load_prices --source litellm FILE`; the same file again changes nothing."""

    help = (
        "Record what a file says of prices. A change is published when two sources agree within "
        "1 %; the others wait for an operator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="LiteLLM's JSON, or a sheet as CSV")
        parser.add_argument("--source", required=True, choices=tuple(catalog.FILE_SOURCES))

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        try:
            report = catalog.load_prices(
                source=options["source"],
                content=file.read_bytes(),
                file_name=file.name,
                actor=shell_actor(getpass.getuser()),
                now=timezone.now(),
            )
        except OSError as wrong:
            raise CommandError(f"{file} cannot be read: {wrong.strerror}.") from wrong
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(f"{report.source}: {report.prices:,} prices of {report.models:,} models")
        self.stdout.write(outcome_of(report))
        if report.not_taken:
            self._tell_not_taken(report.not_taken)
        self.stdout.write(waiting_in_words(selectors.waiting_counts()))

    def _tell_not_taken(self, count: int) -> None:
        latest = selectors.imports(limit=1)[0]
        reasons = Counter(
            (one.key, one.why) for one in selectors.not_taken(public_id=latest.public_id)
        )
        self.stdout.write(f"{count:,} entries became no price:")
        for (key, why), number in reasons.most_common(12):
            self.stdout.write(f"  {number:>6,}  {key or '(entry)'}: {why}")
        if len(reasons) > 12:
            self.stdout.write(f"  and {len(reasons) - 12} other kinds; all stand at /prices/")
