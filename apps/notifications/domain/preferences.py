"""What a person wants to be told of, by which medium and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from apps.core.domain.errors import FieldError, Unprocessable
from apps.notifications.domain.topics import Cadence, Medium, Severity, Topic

_BY_DIGEST: Final = frozenset(
    {
        Topic.STATEMENT_ACCEPTED,
        Topic.JOURNAL_EXPORTED,
        Topic.PERIOD_CLOSED,
        Topic.BUDGET_CHANGED,
    }
)

DEFAULTS: Final[Mapping[tuple[Topic, Medium], Cadence]] = MappingProxyType(
    {
        (topic, medium): Cadence.DIGEST
        if medium is Medium.EMAIL and topic in _BY_DIGEST
        else Cadence.AT_ONCE
        for topic in Topic
        for medium in Medium
    }
)
"""What holds for whoever chose nothing: everything at once, mails on mere news once a day."""


class PreferenceInvalid(Unprocessable):
    """A choice cannot be taken as it is."""

    default_code = "preference_invalid"


@dataclass(frozen=True, slots=True)
class Preferences:
    """One person's choices; what was not chosen follows `DEFAULTS`."""

    chosen: Mapping[tuple[Topic, Medium], Cadence]

    def of(self, topic: Topic, medium: Medium) -> Cadence:
        """Return what was chosen, or else the default."""
        return self.chosen.get((topic, medium), DEFAULTS[topic, medium])

    def for_notice(self, topic: Topic, medium: Medium, severity: Severity) -> Cadence:
        """Return when the person learns of a notice: what is critical waits for no digest."""
        cadence = self.of(topic, medium)
        if cadence is Cadence.DIGEST and severity is Severity.CRITICAL:
            return Cadence.AT_ONCE
        return cadence


NOTHING_CHOSEN: Final = Preferences(MappingProxyType({}))


def checked_choices(
    chosen: Mapping[tuple[Topic, Medium], Cadence],
) -> Mapping[tuple[Topic, Medium], Cadence]:
    """Return the choices.

    :raises PreferenceInvalid: when the inbox is asked for a digest, which only mail knows.
    """
    wrong = [
        FieldError(f"{topic.value}.inbox", "invalid", "The inbox is at once or off.")
        for (topic, medium), cadence in chosen.items()
        if medium is Medium.INBOX and cadence is Cadence.DIGEST
    ]
    if wrong:
        raise PreferenceInvalid("The inbox is at once or off.", errors=tuple(wrong))
    return chosen
