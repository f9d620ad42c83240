"""Keeps the demo's random passwords and keys in one private file, for later runs to show."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from finops_platform.embedded.home import Home


@dataclass(slots=True)
class Access:
    """Passwords by e-mail and keys by tenant, mirrored in `var/secrets/demo.json` (mode 0600)."""

    path: Path
    passwords: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Access:
        """Read what an earlier run made, if there was one."""
        path = Home.from_environment().secrets / "demo.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls(path, kept.get("passwords", {}), kept.get("keys", {}))

    def password_of(self, email: str) -> str:
        """Return a person's password, made at random when there is none yet."""
        if email not in self.passwords:
            self.passwords[email] = secrets.token_urlsafe(12)
            self._keep()
        return self.passwords[email]

    def keep_key(self, slug: str, key: str) -> None:
        """Remember a tenant's demo key."""
        self.keys[slug] = key
        self._keep()

    def keep_password(self, email: str, password: str) -> None:
        """Remember a password that another made."""
        self.passwords[email] = password
        self._keep()

    def _keep(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"passwords": self.passwords, "keys": self.keys}, indent=1)
        draft = self.path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        draft.replace(self.path)
