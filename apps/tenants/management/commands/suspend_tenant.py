"""Suspends a tenant: `manage.py suspend_tenant acme --reason "unpaid"`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from apps.core.command import PlatformCommand
from apps.tenants import services


class Command(PlatformCommand):
    help = "Stop serving a tenant; nothing is deleted. Other processes follow within 30 seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        services.suspend(
            actor=self.actor, slug=options["slug"], reason=options["reason"], now=timezone.now()
        )
        self.stdout.write(f"{options['slug']} is suspended.")
