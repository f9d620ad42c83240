"""What every page shows around its content: tenant, period, person, theme, navigation.

Things that only higher apps know come through `settings.CONSOLE_HOOKS`, a mapping of dotted paths:
`period` (request -> PeriodBadge or None), `bell` (request -> an object with `url`, `unread` and
`shown`, or None), `owners` (request -> names of owners, in the order of
their colors) and `granters` (request -> people who can grant access).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from apps.core import presentation
from apps.core.domain.access import Actor
from apps.core.web.navigation import OPERATOR, TENANT, navigation

THEMES: Final = ("light", "dark")
_SIGN_OUT: Final = ("accounts:logout", "logout")
_SIGN_IN: Final = ("accounts:login", "login")
_RESET: Final = ("accounts:password_reset", "password_reset")
_PROFILE: Final = ("accounts:profile", "profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodBadge:
    """The current period in the top bar: October 2026, open."""

    label: str
    status: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granter:
    """A person who can grant access, named on the page that refuses it."""

    name: str
    email: str


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of `base.html`; a view may override every key."""
    actor = getattr(request, "actor", None)
    tenant = getattr(request, "tenant", None)
    reading = presentation.current_reading()
    return {
        "product_name": getattr(settings, "PRODUCT_NAME", "FinOps Platform"),
        "tenant_name": getattr(tenant, "name", ""),
        "zone_label": reading.zone.key,
        "locale_tag": str(reading.locale).replace("_", "-"),
        "theme": theme_of(request),
        "signed_in": isinstance(actor, Actor),
        "person": _person(request, actor),
        "sign_out_url": url_of(_SIGN_OUT),
        "sign_in_url": url_of(_SIGN_IN),
        "password_reset_url": url_of(_RESET),
        "profile_url": url_of(_PROFILE),
        "period": SimpleLazyObject(partial(ask, "period", request)),
        "bell": SimpleLazyObject(partial(ask, "bell", request)),
        "nav": SimpleLazyObject(partial(_nav, request, actor)),
    }


def theme_of(request: HttpRequest) -> str:
    """Return the chosen theme, empty when the reader follows the system."""
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else ""


def owners(request: HttpRequest) -> Sequence[str]:
    """Return the tenant's owners in the order of their colors."""
    names: Sequence[str] | None = ask("owners", request)
    return names or ()


def granters(request: HttpRequest) -> Sequence[Granter]:
    """Return who can grant access; empty when nobody is known, so that the role is named."""
    people: Sequence[Granter] | None = ask("granters", request)
    return people or ()


def ask(hook: str, request: HttpRequest) -> Any:
    """Call a hook of `settings.CONSOLE_HOOKS`; None when it is not set."""
    dotted: str = getattr(settings, "CONSOLE_HOOKS", {}).get(hook, "")
    if not dotted:
        return None
    answer: Callable[[HttpRequest], Any] = import_string(dotted)
    return answer(request)


def url_of(names: Sequence[str]) -> str:
    """Return the URL of the first name that exists, empty when none does."""
    for name in names:
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return ""


def _person(request: HttpRequest, actor: object) -> dict[str, str]:
    if not isinstance(actor, Actor):
        return {}
    user = getattr(request, "user", None)
    name = getattr(user, "name", "") or getattr(user, "email", "") or actor.label
    role = actor.role.value if actor.role else ""
    initials = "".join(part[0] for part in name.split("@")[0].replace(".", " ").split()[:2])
    return {
        "name": name,
        "email": getattr(user, "email", ""),
        "role": role,
        "initials": initials.upper() or "?",
    }


def _nav(request: HttpRequest, actor: object) -> list[Any]:
    if not isinstance(actor, Actor):
        return []
    return list(
        navigation(
            actor=actor,
            path=request.path,
            urlconf=getattr(request, "urlconf", None),
            places=TENANT if getattr(request, "tenant", None) else OPERATOR,
        )
    )
