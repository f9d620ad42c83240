"""Verifies documents: `manage.py verify_documents acme`, or `--all`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django_tenants.utils import schema_context

from apps.core.command import PlatformCommand
from apps.documents import selectors as documents
from apps.tenants import selectors as tenants


class Command(PlatformCommand):
    help = "Check sealed documents against their hashes, and stored files against their records."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("slug", nargs="?", help="a tenant")
        which.add_argument("--all", action="store_true", help="every tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        altered = sum(self._check(schema) for schema in _schemas(options))
        if altered:
            raise CommandError(f"{altered} document{'s' if altered > 1 else ''} altered.")

    def _check(self, schema: str) -> int:
        with schema_context(schema):
            found = documents.alterations()
        for text in found:
            self.stderr.write(f"{schema}: {text}")
        if not found:
            self.stdout.write(f"{schema}: every sealed document and stored file is as recorded")
        return len(found)


def _schemas(options: dict[str, Any]) -> list[str]:
    if options["all"]:
        return [tenant.schema for tenant in tenants.every() if tenant.has_schema]
    return [tenants.by_slug(slug=options["slug"]).schema]
