"""Exports everything that a tenant owns: `manage.py export_tenant acme [--output FILE.zip]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from apps.core.command import PlatformCommand
from finops_platform.exporting import export_tenant


class Command(PlatformCommand):
    help = "Write a tenant's tables (CSV) and files into one ZIP archive with a manifest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--output", type=Path, help="default: SLUG-DATE.zip in this directory")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        path = options["output"] or Path(f"{options['slug']}-{now:%Y-%m-%d}.zip")
        archive = export_tenant(slug=options["slug"], path=path, actor=self.actor, now=now)
        self.stdout.write(
            f"{archive.path}: {archive.tables} tables with {archive.rows:,} rows, "
            f"{archive.files} files"
        )
