"""The base of management commands: a refusal becomes a plain message, never a traceback."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.domain.access import Actor, shell_actor
from apps.core.domain.errors import Refusal


class PlatformCommand(BaseCommand):
    """A command that calls services as whoever is logged in to this machine."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except Refusal as refusal:
            fields = "".join(f"\n  {one.field}: {one.message}" for one in refusal.errors)
            raise CommandError(f"{refusal.message} ({refusal.code}){fields}") from refusal

    @property
    def actor(self) -> Actor:
        """Return the actor of the shell, named after the operating system's user."""
        return shell_actor(getpass.getuser())
