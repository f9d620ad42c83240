"""What is told: a message to addresses, and a notice to people, addresses and channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from apps.core.domain.access import Role
from apps.notifications.domain.topics import Severity, Topic


@dataclass(frozen=True, slots=True)
class Message:
    """What is told; `key` identifies it for ever, as `statement.issued/2026-10/CC-1100`."""

    key: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Something the reader can do at once: `label` on a button, and a link in the reader's name.

    `link_of` is called with a mail address, or `channel:` and the id of a channel; what it signs
    names that reader and still asks for a sign-in.
    """

    label: str
    link_of: Callable[[str], str] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to the people it concerns and, as data, to every channel of its topic.

    `people` are ids of users and `roles` everybody active in one of them: they find it in their
    inbox and get a mail, each as they prefer. `recipients` are addresses; one that belongs to
    somebody who signs in here counts as that person, another gets a mail at once.

    `link` is the path of the page that it is about. `link_of`, when given, makes a link for the
    recipient that stands in its name; the text holds `{link}` where it belongs, and the data of
    webhooks carries it as `link`. Inbox and Slack show the page instead, which asks for a sign-in.
    `event` is the `type` that webhooks are told, when it is another than the topic.

    :raises ValueError: when `link` leads out of the site.
    """

    topic: Topic
    key: str
    subject: str
    text: str
    data: Mapping[str, object]
    recipients: tuple[str, ...] = ()
    people: tuple[int, ...] = ()
    roles: frozenset[Role] = frozenset()
    severity: Severity = Severity.INFO
    link: str = ""
    offers: tuple[Offer, ...] = ()
    link_of: Callable[[str], str] | None = field(default=None, compare=False)
    event: str = ""

    def __post_init__(self) -> None:
        if self.link and (not self.link.startswith("/") or self.link[1:2] in ("/", "\\")):
            raise ValueError(f"A notice links to a path of this site, not to {self.link!r}.")

    def text_for(self, recipient: str) -> str:
        """Return the text of a mail: with the recipient's own link and offers."""
        own = self.link_of(recipient) if self.link_of else ""
        offered = "".join(f"\n{one.label}: {one.link_of(recipient)}" for one in self.offers)
        return self.text.replace("{link}", own) + (f"\n{offered}" if offered else "")

    @property
    def plain_text(self) -> str:
        """Return the text for the inbox and for chat: without the lines that hold a signed link."""
        lines = [line for line in self.text.splitlines() if "{link}" not in line]
        return "\n".join(lines).strip()
