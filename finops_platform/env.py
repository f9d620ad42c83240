"""Typed reading of the environment: what may differ between machines, and clear errors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off"})


class SettingInvalid(ImproperlyConfigured):
    """An environment variable holds something that we cannot act on."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


@dataclass(frozen=True, slots=True)
class Env:
    """Reads variables by name; `NAME_FILE` may point at a file that holds the value instead.

    An empty variable counts as unset, because compose files cannot leave one out.
    """

    values: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def optional(self, name: str) -> str | None:
        """Return the text of a variable or of the file it names; None when neither is set.

        :raises SettingInvalid: when both are set, or the file cannot be read or is empty.
        """
        direct, path = self.values.get(name) or None, self.values.get(f"{name}_FILE") or None
        if direct and path:
            raise SettingInvalid(name, f"set either {name} or {name}_FILE, not both.")
        return _read_secret(f"{name}_FILE", Path(path)) if path else direct

    def text(self, name: str, *, default: str | None = None) -> str:
        """Return a variable's text.

        :raises SettingInvalid: when it is unset and has no default.
        """
        value = self.optional(name)
        if value is None:
            value = default
        if value is None:
            raise SettingInvalid(name, f"is required here; set {name} or {name}_FILE.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a yes/no variable.

        :raises SettingInvalid: on a word that is neither.
        """
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in YES | NO:
            raise SettingInvalid(name, f"'{value}' is neither yes nor no; use 1 or 0.")
        return value.lower() in YES

    def number(self, name: str, *, default: int, low: int = 0, high: int = 2**31 - 1) -> int:
        """Return a whole number within [low, high].

        :raises SettingInvalid: on other text or a number outside.
        """
        value = self.optional(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and low <= int(value[:12]) <= high):
            raise SettingInvalid(name, f"'{value}' is not a whole number from {low} to {high}.")
        return int(value)

    def words(self, name: str, *, default: tuple[str, ...] = ()) -> list[str]:
        """Return a comma-separated list without blanks."""
        value = self.optional(name)
        return (
            list(default) if value is None else [w.strip() for w in value.split(",") if w.strip()]
        )


def parse_database(name: str, url: str) -> dict[str, Any]:
    """Return Django's connection settings for `postgresql://user:password@host:5432/db?sslmode=...`.

    A percent-encoded directory as the host means the unix socket in it.

    :raises SettingInvalid: on another scheme, a missing database or user, or an unknown option.
    """
    parts = _split(name, url, schemes=("postgresql", "postgres"))
    database = unquote(parts.path.lstrip("/"))
    if not database or "/" in database:
        raise SettingInvalid(name, "names no database; write postgresql://USER:PASSWORD@HOST/DB.")
    if not parts.username:
        raise SettingInvalid(name, "names no user; write postgresql://USER:PASSWORD@HOST/DB.")
    return {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": database,
        "USER": unquote(parts.username),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(_host(parts)),
        "PORT": str(_port(name, parts) or ""),
        "OPTIONS": _options(name, parts, allowed=DATABASE_OPTIONS),
    }


DATABASE_OPTIONS = frozenset(
    {
        "application_name", "channel_binding", "connect_timeout", "keepalives", "keepalives_idle",
        "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
    }
)  # fmt: skip


def parse_redis(name: str, url: str, *, schemes: tuple[str, ...]) -> str:
    """Return a broker or cache URL as it is, once its scheme is one we can speak.

    :raises SettingInvalid: on another scheme.
    """
    _split(name, url, schemes=schemes)
    return url


def parse_storage(name: str, url: str) -> dict[str, Any]:
    """Return Django's `STORAGES["default"]` for `file:///directory` or `s3://bucket/prefix`.

    `s3` takes `?endpoint=https://...&region=...`; its keys come from the usual AWS variables.

    :raises SettingInvalid: on another scheme, a relative directory, or a missing bucket.
    """
    parts = _split(name, url, schemes=("file", "s3"))
    if parts.scheme == "file":
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": str(_directory(name, parts)),
                "base_url": None,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    if not parts.hostname:
        raise SettingInvalid(name, "names no bucket; write s3://BUCKET/PREFIX.")
    options = _options(name, parts, allowed=frozenset({"endpoint", "region"}))
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "endpoint_url": options.get("endpoint"),
            "region_name": options.get("region"),
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": False,
        },
    }


def parse_email(name: str, url: str) -> dict[str, Any]:
    """Return Django's `EMAIL_*` settings for `console:`, `file:///directory` or `smtp(s)://`.

    `smtp://user:password@host:587` uses STARTTLS unless `?tls=0`; `smtps://` is TLS from the start.

    :raises SettingInvalid: on another scheme, a relative directory, or a missing host.
    """
    parts = _split(name, url, schemes=("console", "file", "smtp", "smtps"))
    backend = "django.core.mail.backends.{}.EmailBackend"
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": backend.format("console")}
    if parts.scheme == "file":
        return {
            "EMAIL_BACKEND": backend.format("filebased"),
            "EMAIL_FILE_PATH": str(_directory(name, parts)),
        }
    if not parts.hostname:
        raise SettingInvalid(name, "names no mail server; write smtp://USER:PASSWORD@HOST:587.")
    secure = parts.scheme == "smtps"
    options = _options(name, parts, allowed=frozenset({"tls"}))
    tls = Env({name: options.get("tls", "")}).flag(name, default=True)
    return {
        "EMAIL_BACKEND": backend.format("smtp"),
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": _port(name, parts) or (465 if secure else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": secure,
        "EMAIL_USE_TLS": tls and not secure,
        "EMAIL_TIMEOUT": 15,
    }


def _read_secret(name: str, path: Path) -> str:
    try:
        value = path.read_text().strip()
    except OSError as error:
        raise SettingInvalid(name, f"cannot read {path}: {error.strerror}.") from error
    if not value:
        raise SettingInvalid(name, f"{path} is empty.")
    return value


def _split(name: str, url: str, *, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingInvalid(name, f"is not a URL: {error}.") from error
    if parts.scheme not in schemes:
        known = ", ".join(f"{scheme}:" for scheme in schemes)
        raise SettingInvalid(name, f"must start with one of {known} and not '{parts.scheme}:'.")
    return parts


def _host(parts: SplitResult) -> str:
    """Return the host as written: `SplitResult.hostname` lowers the case, which breaks a path."""
    address = parts.netloc.rpartition("@")[2]
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0]


def _port(name: str, parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError as error:
        raise SettingInvalid(name, f"has an impossible port: {error}.") from error


def _options(name: str, parts: SplitResult, *, allowed: frozenset[str]) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - allowed)
    if unknown:
        raise SettingInvalid(
            name, f"has unknown options {', '.join(unknown)}; known: {', '.join(sorted(allowed))}."
        )
    return options


def _directory(name: str, parts: SplitResult) -> Path:
    path = Path(unquote(parts.path))
    if parts.netloc or not path.is_absolute():
        raise SettingInvalid(name, "must name an absolute directory: file:///var/lib/finops.")
    return path
