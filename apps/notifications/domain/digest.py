"""The daily digest: until when it reaches, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

HOUR: Final = time(8)
"""When a day's digest is due, in the tenant's timezone."""

MOST: Final = 50
"""How many notices a digest shows; it counts the rest."""


@dataclass(frozen=True, slots=True)
class Item:
    """One notice as a digest shows it; `address` is that of the page, or empty."""

    subject: str
    address: str


@dataclass(frozen=True, slots=True)
class Due:
    """The digest that is due last: its day, and the moment to which it reaches."""

    day: date
    until: datetime


_WORDS: Final = {
    "en": (
        "{count} notices of {day}",
        "What happened since the last digest:",
        "and {rest} more in your inbox",
        "Your inbox: {inbox}\nWhat you are told of: {preferences}",
    ),
    "de": (
        "{count} Meldungen, {day}",
        "Was seit der letzten Zusammenfassung geschah:",
        "und {rest} weitere im Posteingang",
        "Ihr Posteingang: {inbox}\nWorüber Sie informiert werden: {preferences}",
    ),
    "fr": (
        "{count} notifications, {day}",
        "Depuis le dernier récapitulatif :",
        "et {rest} de plus dans votre boîte de réception",
        "Votre boîte de réception : {inbox}\nVos préférences : {preferences}",
    ),
}
_ONE: Final = {"en": "1 notice of {day}", "de": "1 Meldung, {day}", "fr": "1 notification, {day}"}


def due_at(now: datetime, *, zone: ZoneInfo) -> Due | None:
    """Return today's digest once its hour has come, None before.

    What comes later waits for tomorrow; a day on which nothing ran is caught up by the next.
    """
    today = now.astimezone(zone).date()
    until = datetime.combine(today, HOUR, tzinfo=zone).astimezone(UTC)
    return Due(today, until) if until <= now else None


def written(items: Sequence[Item], *, day: str, base: str, locale: str) -> tuple[str, str]:
    """Return subject and text of a digest in the tenant's language; others read English."""
    language = locale.split("-", maxsplit=1)[0]
    language = language if language in _WORDS else "en"
    subject, head, more, foot = _WORDS[language]
    if len(items) == 1:
        subject = _ONE[language]
    lines = [f"- {one.subject}" + (f"\n  {one.address}" if one.address else "") for one in items]
    if len(lines) > MOST:
        lines = [*lines[:MOST], f"- {more.format(rest=len(lines) - MOST)}"]
    links = foot.format(inbox=f"{base}/inbox/", preferences=f"{base}/inbox/preferences/")
    text = "\n\n".join((head, "\n".join(lines), links))
    return subject.format(count=len(items), day=day), text
