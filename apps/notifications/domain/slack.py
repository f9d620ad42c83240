"""A notice as a Slack message: blocks of an incoming webhook (docs.slack.dev, Block Kit)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apps.notifications.domain.topics import Severity

MOST_HEADER: Final = 150
MOST_SECTION: Final = 2900
MOST_BUTTONS: Final = 25
_SIGNS: Final = {
    Severity.INFO: "",
    Severity.WARNING: ":warning: ",
    Severity.CRITICAL: ":rotating_light: ",
}


def slack_message(
    *,
    subject: str,
    text: str,
    severity: Severity,
    source: str,
    buttons: Sequence[tuple[str, str]],
) -> dict[str, object]:
    """Return the body that Slack takes; `buttons` are labels with their addresses.

    Whatever people wrote is escaped, so that no name mentions a channel or hides an address.
    """
    head = f"{_SIGNS[severity]}{' '.join(subject.split())}"
    blocks: list[dict[str, object]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(head, MOST_HEADER)}}
    ]
    if text.strip():
        body = _cut(escaped(text.strip()), MOST_SECTION)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": body}})
    if buttons:
        shown = [
            {
                "type": "button",
                "text": {"type": "plain_text", "text": _cut(label, 75)},
                "url": address,
                "action_id": f"open-{number}",
            }
            for number, (label, address) in enumerate(buttons[:MOST_BUTTONS])
        ]
        blocks.append({"type": "actions", "elements": shown})
    blocks.append(
        {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(source) or "-"}]}
    )
    return {"text": escaped(head), "blocks": blocks}


def escaped(text: str) -> str:
    """Return text in which Slack sees no markup of links, mentions or channels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
