"""Imports a file of events into a tenant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context
from tqdm import tqdm

from apps.core.command import PlatformCommand
from apps.ingest import services as ingest
from apps.tenants import selectors as tenants

_SHOWN = 20


class Command(PlatformCommand):
    help = "Import a CSV, JSONL or Parquet file of usage events; repeating it adds nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", default="", help="source of rows that name none")
        parser.add_argument("--form", default="", help="csv, jsonl or parquet; else by the name")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        tenant = tenants.by_slug(slug=options["slug"])
        with schema_context(tenant.schema), path.open("rb") as file:
            upload = ingest.Upload(
                name=path.name,
                file=file,
                size=path.stat().st_size,
                form=options["form"],
                source=options["source"],
            )
            self._import(upload)

    def _import(self, upload: ingest.Upload) -> None:
        counts = dict.fromkeys(("accepted", "duplicates", "conflicts", "rejected", "unpriced"), 0)
        shown = 0
        with tqdm(desc=upload.name, unit=" rows", disable=None) as bar:
            for rows, receipt in ingest.import_events(
                upload=upload, actor=self.actor, clock=timezone.now
            ):
                bar.update(rows)
                for name in counts:
                    counts[name] += getattr(receipt, name)
                for error in receipt.errors[: _SHOWN - shown]:
                    shown += 1
                    place = f"row {error.index}, {error.id or 'no id'}"
                    self.stderr.write(f"{place}: {error.message} ({error.code})")
        self.stdout.write(", ".join(f"{count:,} {name}" for name, count in counts.items()))
        if counts["rejected"] or counts["conflicts"]:
            raise CommandError("Not every row was taken; the others are stored.")
