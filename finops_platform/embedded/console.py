"""Lines on the terminal: coloured when it is one, plain when it is a file or a pipe."""

from __future__ import annotations

import os
import sys
import threading

COLORS = {"web": "36", "worker": "35", "beat": "33", "run": "32", "error": "31"}
_lock = threading.Lock()


def is_colored() -> bool:
    """Follow https://no-color.org and stay plain outside a terminal."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def say(text: str, *, name: str = "run") -> None:
    """Print one line with the name of whoever speaks in front; safe from several threads."""
    prefix = f"{name:<6} | "
    if is_colored():
        prefix = f"\x1b[{COLORS.get(name, '37')}m{prefix}\x1b[0m"
    with _lock:
        try:
            sys.stdout.write(f"{prefix}{text}\n")
            sys.stdout.flush()
        except (BrokenPipeError, OSError):
            # The terminal went away (ssh dropped, a pipe closed): going on quietly is right,
            # because the servers still have to be stopped in order.
            return


def fail(text: str) -> None:
    """Print a refusal on standard error."""
    prefix = "\x1b[31merror\x1b[0m" if sys.stderr.isatty() else "error"
    sys.stderr.write(f"{prefix}: {text}\n")
    sys.stderr.flush()
