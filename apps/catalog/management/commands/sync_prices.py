"""Imports list prices from the installed genai-prices package."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from apps.catalog import services as catalog
from apps.catalog.domain.published import PublishedProvider
from apps.core.domain.access import shell_actor


class Command(BaseCommand):
    """Run `manage.py sync_prices`; a second run changes nothing."""

    help = "Import list prices from the installed genai-prices package."

    def handle(self, *args: Any, **options: Any) -> None:
        report = catalog.import_list_prices(
            now=timezone.now(), actor=shell_actor(getpass.getuser()), progress=_bar
        )
        self.stdout.write(
            f"{report.source}: {report.providers} providers, {report.models} models "
            f"({report.changed_models} changed, {report.delisted_models} delisted), "
            f"{report.opened} prices opened, {report.closed} closed"
        )


def _bar(providers: Iterable[PublishedProvider]) -> Iterable[PublishedProvider]:
    return tqdm(tuple(providers), desc="List prices", unit="provider", disable=None)
