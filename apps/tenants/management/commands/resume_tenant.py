"""Resumes a tenant: `manage.py resume_tenant acme`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from apps.core.command import PlatformCommand
from apps.tenants import services


class Command(PlatformCommand):
    help = "Serve a suspended tenant again. Other processes follow within 30 seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")

    def handle(self, *args: Any, **options: Any) -> None:
        services.resume(actor=self.actor, slug=options["slug"], now=timezone.now())
        self.stdout.write(f"{options['slug']} is served again.")
