"""Records what the installed genai-prices package says of prices."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from apps.catalog import selectors
from apps.catalog import services as catalog
from apps.catalog.domain.published import PublishedProvider
from apps.catalog.management.report import outcome_of, waiting_in_words
from apps.core.domain.access import shell_actor


class Command(BaseCommand):
    """Run `manage.py sync_prices`; a second run changes nothing."""

    help = (
        "Record what the installed genai-prices package says of prices. A change is published "
        "when two sources agree within 1 %; the others wait for an operator, who is told of them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = catalog.import_list_prices(
            now=timezone.now(), actor=shell_actor(getpass.getuser()), progress=_bar
        )
        self.stdout.write(
            f"{report.source}: {report.providers} providers, {report.models} models "
            f"({report.changed_models} changed, {report.delisted_models} delisted), "
            f"{report.opened} prices opened, {report.closed} closed"
        )
        self.stdout.write(outcome_of(report))
        self.stdout.write(waiting_in_words(selectors.waiting_counts()))


def _bar(providers: Iterable[PublishedProvider]) -> Iterable[PublishedProvider]:
    return tqdm(tuple(providers), desc="List prices", unit="provider", disable=None)
