"""Makes an operator: `manage.py create_operator ops@example.com`."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.accounts import services
from apps.core.command import PlatformCommand


class Command(PlatformCommand):
    help = "Make a person who operates the platform: signs in on the bare host."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(15)
        with schema_context(settings.PUBLIC_SCHEMA_NAME):
            person = services.found_owner(
                actor=self.actor,
                email=options["email"],
                name=options["name"],
                password=password,
                is_operator=True,
                now=timezone.now(),
            )
        self.stdout.write(f"address   {settings.PUBLIC_URL}/")
        self.stdout.write(f"e-mail    {person.email}")
        self.stdout.write(f"password  {password}   (shown once)")
