"""What can be told, over which channels, and what a channel must look like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

from apps.core.domain.errors import Conflict, FieldError, Missing, Unprocessable
from apps.notifications.domain.topics import Topic


class Kind(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    SLACK = "slack"


class ChannelMissing(Missing):
    """There is no such channel."""

    default_code = "channel_not_found"


class ChannelInvalid(Unprocessable):
    """The address, the name or the topics cannot be taken as they are."""

    default_code = "channel_invalid"


class DeliveryMissing(Missing):
    """There is no such delivery."""

    default_code = "delivery_not_found"


class NothingToRetry(Conflict):
    """Only what failed is tried again by hand."""

    default_code = "delivery_not_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDraft:
    """A channel to add. `address` is an e-mail address, or the URL of a webhook or of Slack."""

    kind: Kind
    name: str
    address: str
    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """A channel and what it is told of."""

    id: UUID
    kind: Kind
    name: str
    address: str
    topics: tuple[Topic, ...]
    is_active: bool
    created_at: datetime
    created_by: str

    @property
    def shown_address(self) -> str:
        """Return the address as pages show it; whoever knows Slack's may post there."""
        return shown_address(self.kind, self.address)


def shown_address(kind: Kind, address: str) -> str:
    """Return an address without what is secret in it: of Slack's, the path but its last letters."""
    if kind is not Kind.SLACK:
        return address
    return f"{urlsplit(address).scheme}://{urlsplit(address).netloc}/…{address[-4:]}"


def checked_url(url: str, *, allow_private: bool) -> str:
    """Return the URL of a webhook.

    Where it leads is looked at again at every delivery: a name can be pointed elsewhere later.

    :raises ChannelInvalid: when it is no plain https URL (http where private hosts are allowed).
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise _wrong("Write a URL, as https://hooks.example.com/finops.") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or not port_is_fine:
        raise _wrong(f"Write a URL that begins with {' or '.join(schemes)}://.")
    if parts.username or parts.password or parts.fragment:
        raise _wrong("Leave name, password and fragment out of the URL; deliveries are signed.")
    if len(text) > 500 or not text.isascii() or any(c.isspace() or c < "!" for c in text):
        raise _wrong("Write up to 500 plain characters without spaces.")
    return text


def _wrong(message: str) -> ChannelInvalid:
    return ChannelInvalid(message, errors=(FieldError("address", "url", message),))
