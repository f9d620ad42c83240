"""What the smaller components show: KPI cards, steps of long work, audit entries, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from apps.core.presentation import Figure
from apps.core.web.page import Action

StepState = Literal["pending", "running", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """A card of a cockpit: one figure, its change against `previous`, and its trend.

    `good` says which direction is good news (`up`, `down` or empty); `against` names the earlier
    period; `kind` is how the figure is shown.
    """

    label: str
    value: Figure
    kind: Literal["money", "tokens", "quantity", "pct"] = "money"
    currency: str = ""
    unit: str = ""
    previous: Figure = None
    good: Literal["up", "down", ""] = ""
    against: str = ""
    trend: Sequence[Figure] = ()
    url: str = ""
    help: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of long work; `percent` is None when it is not known."""

    name: str
    state: StepState = "pending"
    percent: int | None = None
    message: str = ""
    took: timedelta | None = None
    url: str = ""

    @property
    def word(self) -> str:
        """Say the state in a word, so that the sign is never alone."""
        return _WORDS[self.state]

    @property
    def sign(self) -> str:
        """Return the icon of the state."""
        return _SIGNS[self.state]


_WORDS: Final[dict[StepState, str]] = {
    "pending": "waiting",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "skipped": "not needed",
}
_SIGNS: Final[dict[StepState, str]] = {
    "pending": "circle-dashed",
    "running": "loader-2",
    "done": "check",
    "failed": "x",
    "skipped": "minus",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Long work with its steps. While it runs, `poll_url` answers with this component again.

    `time_left` is shown when known, `cancel` only where it is safe, `result` when it is done.
    """

    key: str
    title: str
    steps: Sequence[Step]
    poll_url: str = ""
    time_left: timedelta | None = None
    cancel: Action | None = None
    result: Action | None = None

    @property
    def percent(self) -> int:
        """Return how much of the whole is done, every step counting the same."""
        if not self.steps:
            return 0
        return sum(_percent(step) for step in self.steps) // len(self.steps)

    @property
    def state(self) -> StepState:
        """Return the state of the whole."""
        states = {step.state for step in self.steps}
        if "failed" in states:
            return "failed"
        if states <= {"done", "skipped"}:
            return "done"
        return "pending" if states == {"pending"} else "running"

    @property
    def running(self) -> bool:
        """Tell whether the page should ask again."""
        return bool(self.poll_url) and self.state in ("running", "pending")

    @property
    def announcement(self) -> str:
        """Return one sentence for a screen reader."""
        names = [step.name for step in self.steps if step.state in ("running", "failed")]
        return f"{self.title}: {self.state}{', ' + names[0] if names else ''}"


def _percent(step: Step) -> int:
    if step.state in ("done", "skipped"):
        return 100
    return (step.percent or 0) if step.state in ("running", "failed") else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record of a timeline: who did what, when; `mark` is a short hash of the audit chain."""

    at: datetime
    actor: str
    text: str
    detail: str = ""
    icon: str = "point"
    url: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that needs a person, with the link that fixes it."""

    title: str
    text: str = ""
    url: str = ""
    action: str = "Open"
    tone: Literal["warn", "bad", "info"] = "warn"
    amount: Figure = None
    currency: str = ""
