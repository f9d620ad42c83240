"""Issues a key: `manage.py create_api_key acme --scopes usage:write usage:read`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.accounts import selectors, services
from apps.accounts.domain.keys import KeyKind
from apps.core.command import PlatformCommand
from apps.core.domain.access import Actor, Scope
from apps.tenants import selectors as tenants


class Command(PlatformCommand):
    help = "Issue an API key and print it, this once, on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument(
            "--scopes", nargs="+", required=True, help=", ".join(scope.value for scope in Scope)
        )
        parser.add_argument("--name", default="command line")
        parser.add_argument("--user", help="e-mail address: a personal key of this person")
        parser.add_argument("--bind", nargs="*", default=[], metavar="TAG=VALUE")
        parser.add_argument("--expires-in-days", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        days = options["expires_in_days"]
        with schema_context(tenants.by_slug(slug=options["slug"]).schema):
            request = services.KeyRequest(
                kind=KeyKind.PERSONAL if options["user"] else KeyKind.SERVICE,
                name=options["name"],
                scopes=frozenset(_scopes(options["scopes"])),
                bound_tags=dict(_tag(text) for text in options["bind"]),
                expires_at=now + timedelta(days=days) if days is not None else None,
            )
            issued = services.issue_key(
                actor=self._actor_for(options["user"]), request=request, now=now
            )
        self.stderr.write(f"{issued.facts.kind} key of {options['slug']}, shown this once:")
        self.stdout.write(issued.text)

    def _actor_for(self, email: str | None) -> Actor:
        """Return the shell, acting for the person who will own the key and saying so."""
        if email is None:
            return self.actor
        person = selectors.actor_of_person(email)
        return replace(person, kind="shell", label=f"{self.actor.label} as {person.label}")


def _scopes(texts: list[str]) -> list[Scope]:
    names = [name for text in texts for name in text.replace(",", " ").split()]
    try:
        return [Scope(name) for name in names]
    except ValueError as error:
        known = ", ".join(scope.value for scope in Scope)
        raise CommandError(f"{error}; choose from: {known}") from None


def _tag(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise CommandError(f"Write {text!r} as TAG=VALUE.")
    return key, value
