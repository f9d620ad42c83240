"""Imports a file of events into a tenant."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.files import File
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context
from tqdm import tqdm

from apps.core.command import PlatformCommand
from apps.ingest import selectors
from apps.ingest import services as ingest
from apps.ingest.domain.report import csv_lines
from apps.tenants import selectors as tenants

_SHOWN = 20
_COUNTS = ("accepted", "duplicates", "conflicts", "rejected", "unpriced")


class Command(PlatformCommand):
    help = "Import a CSV, JSONL or Parquet file of usage events; repeating it adds nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("file", type=Path, nargs="?")
        parser.add_argument("--source", default="", help="source of rows that name none")
        parser.add_argument("--form", default="", help="csv, jsonl or parquet; else by the name")
        parser.add_argument(
            "--kind", default="", help="native, litellm or bedrock; else by the first row"
        )
        parser.add_argument("--resume", type=UUID, help="go on with an import that broke off")
        parser.add_argument("--errors", type=Path, help="write every bad row to this CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = tenants.by_slug(slug=options["slug"])
        with schema_context(tenant.schema):
            import_id = options["resume"] or self._start(options)
            one = self._run(import_id)
            if options["errors"] is not None:
                self._write_errors(import_id, options["errors"])
        counts = [f"{getattr(one, name):,} {name}" for name in _COUNTS]
        if one.ignored:
            counts.append(f"{one.ignored:,} ignored")
        self.stdout.write(", ".join(counts))
        if one.state != "done":
            raise CommandError(f"The import {one.state}: {one.message or 'nothing more is read'}")
        if one.rejected or one.conflicts:
            raise CommandError("Not every row was taken; the others are stored.")

    def _start(self, options: dict[str, Any]) -> UUID:
        path: Path | None = options["file"]
        if path is None or not path.is_file():
            raise CommandError(f"There is no file {path}.")
        with path.open("rb") as file:
            upload = ingest.Upload(
                name=path.name,
                file=File(file),
                size=path.stat().st_size,
                form=options["form"],
                kind=options["kind"],
                source=options["source"],
            )
            import_id = ingest.start_import(upload=upload, actor=self.actor, now=timezone.now())
        self.stderr.write(f"import {import_id}; go on with --resume {import_id} if this breaks off")
        return import_id

    def _run(self, import_id: UUID) -> selectors.ImportFacts:
        before = selectors.one_import(import_id=import_id, actor=self.actor)
        shown = 0
        with tqdm(desc=before.name, unit="B", unit_scale=True, total=before.size) as bar:
            bar.update(before.size_done)

            def told(stored: ingest.Stored) -> None:
                nonlocal shown
                bar.update(stored.part.read - bar.n)
                for error in stored.receipt.errors[: _SHOWN - shown]:
                    shown += 1
                    place = f"row {error.index}, {error.id or 'no id'}"
                    self.stderr.write(f"{place}: {error.message} ({error.code})")

            ingest.run_import(import_id=import_id, clock=timezone.now, told=told)
        return selectors.one_import(import_id=import_id, actor=self.actor)

    def _write_errors(self, import_id: UUID, path: Path) -> None:
        problems = selectors.import_problems(import_id=import_id, actor=self.actor)
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(csv_lines(problems))
