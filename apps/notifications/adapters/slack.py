"""Posts a message to a Slack channel by its incoming webhook, and never inside our own network."""

from __future__ import annotations

from typing import Final

from apps.notifications.adapters import webhook

_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "finops-slack/1",
    "Connection": "close",
}
_HOPELESS: Final = frozenset({400, 403, 404, 410})
"""What Slack answers to a payload or a channel that it will never take; 429 and 5xx pass."""


def post(*, url: str, body: bytes) -> None:
    """Post blocks; Slack answers 200 when they stand in the channel.

    :raises Unavailable: when it was not taken; `permanent` when it never will be.
    """
    webhook.handed_over(url=url, body=body, headers=dict(_HEADERS), hopeless=_HOPELESS)
