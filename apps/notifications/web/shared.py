"""What the pages of notifications share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.urls import reverse

from apps.core.domain.access import Scope
from apps.core.web.page import Tab
from apps.notifications.domain.channels import Kind

READ: Final[Mapping[str, Scope | None]] = {"GET": Scope.BILLING_WRITE}
CHANGE: Final[Mapping[str, Scope | None]] = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}
KINDS: Final = (
    (Kind.EMAIL.value, "E-mail"),
    (Kind.SLACK.value, "Slack"),
    (Kind.WEBHOOK.value, "Webhook"),
)


def tabs(active: str) -> list[Tab]:
    """Return the two pages of the settings as tabs."""
    return [
        Tab(label=label, url=reverse(f"notifications:{name}"), active=name == active)
        for name, label in (("channels", "Channels"), ("deliveries", "Deliveries"))
    ]
