"""Slugs, schemas and the other names that a tenant is known by (rule 21)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from apps.core.domain.errors import FieldError, Unprocessable

_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{1,30}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
RESERVED: Final = frozenset({"api", "www", "public", "admin"})
COLOR: Final = r"^#[0-9a-f]{6}$"


class TenantNotValid(Unprocessable):
    """A tenant cannot be made of what was given; every wrong field is named."""

    default_code = "tenant_not_valid"


def slug_problem(slug: str) -> str | None:
    """Say what is wrong with a slug, or nothing."""
    if not _SLUG.fullmatch(slug):
        return "Use 2 to 31 lower-case letters, digits and hyphens, starting with a letter."
    if slug in RESERVED or slug.startswith("pg"):
        return f"{slug!r} is reserved; choose another."
    return None


def schema_of(slug: str) -> str:
    """Return the schema of a slug: `acme-eu` lives in `t_acme_eu`; no two slugs share one."""
    return "t_" + slug.replace("-", "_")


def zone_of(name: str) -> ZoneInfo:
    """Return the IANA time zone.

    :raises TenantNotValid: when there is none of that name.
    """
    if name not in available_timezones():
        raise TenantNotValid(f"{name!r} is no IANA time zone, such as Europe/Berlin.")
    return ZoneInfo(name)


def is_host(host: str) -> bool:
    """Tell whether the text is a lower-case host name without port."""
    return bool(_HOST.fullmatch(host))


@dataclass(frozen=True, slots=True)
class TenantDraft:
    """What a tenant is to be called and how it counts money and days."""

    slug: str
    name: str
    currency: str
    timezone: str
    locale: str
    contact_email: str

    @property
    def schema(self) -> str:
        """Return the schema that the tenant will live in."""
        return schema_of(self.slug)

    def check(self) -> None:
        """Pass when a tenant may be made of this.

        :raises TenantNotValid: naming every wrong field.
        """
        wrong = tuple(self._problems())
        if wrong:
            raise TenantNotValid(wrong[0].message, errors=wrong)

    def _problems(self) -> Iterator[FieldError]:
        if problem := slug_problem(self.slug):
            yield FieldError("slug", "slug", problem)
        if not 1 <= len(self.name.strip()) <= 120:
            yield FieldError("name", "name", "Give a name of 1 to 120 characters.")
        if not _CURRENCY.fullmatch(self.currency):
            yield FieldError("base_currency", "currency", "Use an ISO 4217 code, such as USD.")
        if self.timezone not in available_timezones():
            yield FieldError("timezone", "timezone", "Use an IANA zone, such as Europe/Berlin.")
        if not _LOCALE.fullmatch(self.locale):
            yield FieldError("locale", "locale", "Use a language tag, such as en-US or de.")
