"""Limits a tenant: `manage.py limit_tenant acme --requests 500 --events 20000`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from apps.core.command import PlatformCommand
from apps.core.domain.limits import Limits
from apps.tenants import services


class Command(PlatformCommand):
    help = (
        "Hold all keys of a tenant together to so many requests and events a second; what is left "
        "out is the platform's default again. Other processes follow within 30 seconds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--requests", type=int, help="API requests a second")
        parser.add_argument("--events", type=int, help="events a second")

    def handle(self, *args: Any, **options: Any) -> None:
        limits = Limits(options["requests"], options["events"])
        services.limit(actor=self.actor, slug=options["slug"], limits=limits, now=timezone.now())
        stated = {"requests": options["requests"], "events": options["events"]}
        words = ", ".join(f"{name} {value or 'by default'}" for name, value in stated.items())
        self.stdout.write(f"{options['slug']}, a second: {words}.")
