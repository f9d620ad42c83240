"""Verifies audit chains: `manage.py verify_audit acme`, or `--all` with the operator's own."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django_tenants.utils import schema_context

from apps.audit import selectors as audit
from apps.budgets import services as budgets
from apps.core.command import PlatformCommand
from apps.ingest.services.witness import broken_witnesses
from apps.tenants import selectors as tenants


class Command(PlatformCommand):
    help = "Read the audit chain and name every changed, removed or reordered record."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("slug", nargs="?", help="a tenant, or 'public' for the operator's chain")
        which.add_argument("--all", action="store_true", help="the operator's and every tenant's")
        parser.add_argument("--witness", help="a head from the log to look for: SEQUENCE:HASH")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = sum(not self._holds(schema, options["witness"]) for schema in _schemas(options))
        if broken:
            raise CommandError(f"{broken} chain{'s' if broken > 1 else ''} broken.")

    def _holds(self, schema: str, witness: str | None) -> bool:
        with schema_context(schema):
            found = [*audit.faults(), *audit.contradictions(witness or "")]
            head = audit.head()
            changed = [] if schema == settings.PUBLIC_SCHEMA_NAME else broken_witnesses()
        wrong = [f"record {fault.sequence} {fault.kind}: {fault.message}" for fault in found]
        if schema != settings.PUBLIC_SCHEMA_NAME:
            with schema_context(schema):
                wrong += [
                    f"decisions {one.after + 1} to {one.last} are not what was witnessed: one or "
                    "its hold was changed, removed or added."
                    for one in budgets.broken_witnesses()
                ]
        wrong += [
            f"events {one.after + 1} to {one.last} are not what was witnessed: one was changed, "
            "removed or added."
            for one in changed
        ]
        for line in wrong:
            self.stderr.write(f"{schema}: {line}")
        if not wrong:
            self.stdout.write(f"{schema}: {head.sequence} records intact, head {head.hash}")
        return not wrong


def _schemas(options: dict[str, Any]) -> list[str]:
    public: str = settings.PUBLIC_SCHEMA_NAME
    if options["all"]:
        return [public, *(tenant.schema for tenant in tenants.every() if tenant.has_schema)]
    if options["slug"] == public:
        return [public]
    return [tenants.by_slug(slug=options["slug"]).schema]
