"""HTTP by the standard library: one kept connection, proxies of the environment, gzip."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from finops_metering.errors import ApiError

_WORTH_PACKING = 1024
AGENT = "finops-metering/0.1.0 (Python)"


class NoAnswer(Exception):
    """The server did not answer: no connection, or it broke off."""


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; an empty object when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def retry_after(self) -> float | None:
        """Return the seconds that the server asks to wait, None when it names none."""
        try:
            return max(0.0, float(self.headers["retry-after"]))
        except (KeyError, ValueError):
            return None

    def error(self) -> ApiError:
        """Return what a refusal says."""
        found = self.json()
        body = found if isinstance(found, dict) else {}
        message = str(body.get("detail") or f"The server answered {self.status}.")
        return ApiError(
            message,
            status=self.status,
            code=str(body.get("code") or f"http_{self.status}"),
            errors=[one for one in body.get("errors") or [] if isinstance(one, dict)],
            retry_after=self.retry_after,
        )


class Transport:
    """Sends requests on one connection that is kept; for one thread at a time."""

    def __init__(self, *, base_url: str, key: str, timeout: float) -> None:
        self._base = urlsplit(base_url.rstrip("/"))
        if self._base.scheme not in ("http", "https") or not self._base.hostname:
            raise ValueError(f"base_url is http(s)://HOST[:PORT], not {base_url!r}.")
        self._key = key
        self._timeout = timeout
        self._connection: HTTPConnection | None = None

    def post_events(self, body: bytes) -> Answer:
        """Post a batch of events, packed; again at once when a kept connection had gone stale.

        :raises NoAnswer: when the server cannot be reached or breaks off.
        """
        headers = {"Content-Type": "application/json"}
        if len(body) > _WORTH_PACKING:
            body = gzip.compress(body, 5)
            headers["Content-Encoding"] = "gzip"
        was_kept = self._connection is not None
        try:
            return self.send("POST", "/api/v1/usage/events", body, headers)
        except NoAnswer:
            if not was_kept:
                raise
            return self.send("POST", "/api/v1/usage/events", body, headers)

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request and read the whole answer.

        :raises NoAnswer: when the server cannot be reached or breaks off.
        """
        every = {"Authorization": f"Bearer {self._key}", "User-Agent": AGENT, **headers}
        try:
            connection = self._connection or self._connect()
            self._connection = connection
            connection.request(method, self._base.path + path, body=body, headers=every)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        except (OSError, HTTPException) as error:
            self.close()
            raise NoAnswer(f"{type(error).__name__}: {error}") from error

    def within(self, seconds: float) -> None:
        """Wait at most so long for each step of the requests to come."""
        self._timeout = seconds
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def forget(self) -> None:
        """Leave the connection to the process that this one was forked from."""
        self._connection = None

    def _connect(self) -> HTTPConnection:
        host, port = str(self._base.hostname), self._base.port
        proxy = _proxy_for(self._base)
        at = (proxy.hostname or host, proxy.port) if proxy else (host, port)
        connection: HTTPConnection
        if self._base.scheme == "https":
            context = ssl.create_default_context()
            connection = HTTPSConnection(*at, timeout=self._timeout, context=context)
        else:
            connection = HTTPConnection(*at, timeout=self._timeout)
        if proxy:
            connection.set_tunnel(host, port, headers=_proxy_login(proxy))
        return connection


def _proxy_for(base: SplitResult) -> SplitResult | None:
    proxy = getproxies().get(base.scheme)
    if not proxy or proxy_bypass(str(base.hostname)):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}
