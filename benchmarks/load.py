"""Sends small requests over many connections and times the answers: by wrk where it is installed.

Requests count upwards: `{n}` in body and headers becomes twelve digits that no other request has.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SCRIPT: Final = """
local path, body = %s, %s
local headers = {%s}
local before, after = body:match("^(.-){n}(.*)$")
local n = %d
local counted = {}
for name, value in pairs(headers) do
    local first, last = value:match("^(.-){n}(.*)$")
    if first then counted[name] = {first, last} end
end
request = function()
    n = n + 1
    for name, ends in pairs(counted) do
        headers[name] = ends[1] .. string.format("%%012d", n) .. ends[2]
    end
    local text = before and (before .. string.format("%%012d", n) .. after) or body
    return wrk.format("POST", path, headers, text)
end
"""
_UNITS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_FAR: Final = 10**9
"""Between the numbers of two loads: none sends so many requests."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is sent where: one POST, its headers by name, its body; `{n}` at most once in each."""

    port: int
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Load:
    """How many answers a second came, and how long half and 99 in 100 took at most, in ms."""

    rate: float
    p50: float
    p99: float
    answered: int


class Loads:
    """Loads one target again and again, never with the same number twice."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._run = 0

    def load(self, *, connections: int, seconds: float) -> Load:
        """Keep every connection busy for that long.

        :raises RuntimeError: when an answer is not 200.
        """
        start = self._run * _FAR
        self._run += 1
        if shutil.which("wrk"):
            return _by_wrk(self.target, start, connections, seconds)
        return _by_hand(self.target, start, connections, seconds)


def _by_wrk(target: Target, start: int, connections: int, seconds: float) -> Load:
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in target.headers.items())
    script = _SCRIPT % (_lua(target.path), _lua(target.body), headers, start)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        shown = subprocess.run(
            [
                *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"),
                *("-s", str(Path(file.name)), f"http://127.0.0.1:{target.port}{target.path}"),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    if "Non-2xx" in shown or "Socket errors" in shown:
        raise RuntimeError(shown)
    return Load(
        rate=float(_found(r"Requests/sec: +([\d.]+)", shown)),
        p50=_milliseconds(_found(r" 50% +([\d.]+\w+)", shown)),
        p99=_milliseconds(_found(r" 99% +([\d.]+\w+)", shown)),
        answered=int(_found(r"(\d+) requests in", shown)),
    )


def _lua(text: str) -> str:
    return f"[==[{text}]==]"


def _found(pattern: str, shown: str) -> str:
    match = re.search(pattern, shown)
    if match is None:
        raise RuntimeError(shown)
    return match[1]


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert match, text
    return float(match[1]) * _UNITS[match[2]]


def _by_hand(target: Target, start: int, connections: int, seconds: float) -> Load:
    sends = _requests(target, start)
    chooser = selectors.DefaultSelector()
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", target.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(next(sends))
        chooser.register(connection, selectors.EVENT_READ, time.perf_counter())
    begin = time.perf_counter()
    took: list[float] = []
    busy = connections
    while busy:
        for key, _ in chooser.select(timeout=30):
            socket_: Any = key.fileobj
            answer = socket_.recv(65_536)
            now = time.perf_counter()
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:500].decode(errors="replace"))
            took.append(now - key.data)
            if now - begin < seconds:
                chooser.modify(socket_, selectors.EVENT_READ, now)
                socket_.sendall(next(sends))
            else:
                chooser.unregister(socket_)
                socket_.close()
                busy -= 1
    rate = len(took) / (time.perf_counter() - begin)
    took.sort()
    return Load(rate, took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3, len(took))


def _requests(target: Target, start: int) -> Iterator[bytes]:
    before, found, after = target.body.partition("{n}")
    number = start
    while True:
        number += 1
        body = f"{before}{number:012d}{after}" if found else target.body
        head = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
        head = head.replace("{n}", f"{number:012d}")
        yield (
            f"POST {target.path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
