"""Random passwords and keys of an embedded copy, made once and kept in `var/secrets` (0600)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from finops_platform.embedded.errors import StartRefused
from finops_platform.embedded.home import Home

SUPERUSER = "postgres"
OWNER_ROLE = "finops_owner"
APP_ROLE = "finops_app"


def secret(home: Home, name: str) -> str:
    """Return the secret called `name`, creating it on first use.

    Two processes that ask at the same moment get the same answer: the first file wins.

    :raises StartRefused: when the file exists but cannot be read, or is empty.
    """
    path = home.secrets / name
    try:
        value = path.read_text().strip()
    except FileNotFoundError:
        return _create(home, path)
    except PermissionError as error:
        raise StartRefused(
            f"{path} belongs to another user. Run as that user, or choose another FINOPS_HOME."
        ) from error
    if not value:
        raise StartRefused(f"{path} is empty. Restore it from a backup, or start over: make clean.")
    return value


def existing_secret(home: Home, name: str) -> str | None:
    """Return the secret called `name`, or None before the first start."""
    return secret(home, name) if (home.secrets / name).exists() else None


def _create(home: Home, path: Path) -> str:
    home.prepare()
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secrets.token_urlsafe(48))
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    return path.read_text().strip()
