"""Posts a signed message to a webhook, and never to an address inside our own network.

Signature and headers follow Standard Webhooks 1.0: `v1,` and the base64 of HMAC-SHA-256 over
`id.timestamp.body`, so that receivers verify with a library they have.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.core.db import current_schema
from apps.core.domain.errors import Unavailable

PATIENCE: Final = 10
"""Seconds for one step of the conversation."""

DEADLINE: Final = 20
"""Seconds for the whole of it, however slowly the receiver drips."""

_HOPELESS: Final = frozenset({410})
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def allows_private() -> bool:
    """Tell whether this installation delivers to private addresses and plain http."""
    return bool(settings.WEBHOOKS_MAY_BE_PRIVATE)


def secret_of(*, channel: str, generation: int) -> str:
    """Return the signing secret of a channel, as `whsec_` and base64.

    It is derived from the installation's key, the schema, the channel and how often it was
    renewed; so nothing secret lies in the database.
    """
    value = f"{current_schema()}:{channel}:{generation}"
    digest = salted_hmac("apps.notifications.webhook", value, algorithm="sha256").digest()
    return f"whsec_{base64.b64encode(digest).decode()}"


def signature_of(*, secret: str, id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header Webhook-Signature."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def post(*, url: str, id: str, body: bytes, secret: str, timestamp: int) -> None:
    """Post a body; any answer from 200 to 299 is a yes. Redirects are not followed.

    :raises Unavailable: when it was not taken; `permanent` when it never will be.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "finops-webhooks/1",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signature_of(secret=secret, id=id, timestamp=timestamp, body=body),
        "Connection": "close",
    }
    handed_over(url=url, body=body, headers=headers, hopeless=_HOPELESS)


def handed_over(
    *, url: str, body: bytes, headers: dict[str, str], hopeless: frozenset[int]
) -> None:
    """Post a body with these headers to a public address, whatever the kind of receiver.

    :raises Unavailable: when it was not taken; `permanent` when the answer is in `hopeless`.
    """
    try:
        status = _posted(url, body, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        name = type(error).__name__
        raise Unavailable(f"{name}: {error}"[:500], code="webhook") from error
    if not 200 <= status <= 299:
        message = f"The receiver answered {status}."
        raise Unavailable(message, permanent=status in hopeless, code="webhook")


def _posted(url: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = parts.path or "/"
    path = f"{target}?{parts.query}" if parts.query else target
    connection = _connection(parts.scheme, host, port, str(_address(host, port)))
    try:
        with _deadline(connection):
            connection.request("POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read(1024)
            return int(answer.status)
    finally:
        connection.close()


def _address(host: str, port: int) -> _Address:
    """Return the address to connect to; the very one that was looked at is used.

    :raises Unavailable: when the name leads nowhere, or any of its addresses is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"The name {host} leads nowhere: {error}", code="webhook") from error
    addresses = [ipaddress.ip_address(str(one[4][0]).split("%")[0]) for one in found]
    if not allows_private() and not all(is_public(one) for one in addresses):
        raise Unavailable(
            f"{host} leads to a private address, to which nothing is delivered.",
            permanent=True,
            code="webhook",
        )
    return addresses[0]


def is_public(address: _Address) -> bool:
    """Tell whether an address lies in the public internet, embedded IPv4 addresses included."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _connection(scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
    if scheme == "http":
        plain = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        plain._create_connection = _to(address)  # type: ignore[attr-defined]
        return plain
    secure = http.client.HTTPSConnection(
        host, port, timeout=PATIENCE, context=ssl.create_default_context()
    )
    secure._create_connection = _to(address)  # type: ignore[attr-defined]
    return secure


def _to(address: str) -> Any:
    """Return what connects to the address that was checked instead of asking the name again."""

    def connect(target: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        return socket.create_connection((address, target[1]), *args, **options)

    return connect


@contextmanager
def _deadline(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Cut the line when the whole takes too long."""

    def cut() -> None:
        if connection.sock is not None:
            with suppress(OSError):  # it hung up meanwhile
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(DEADLINE, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
