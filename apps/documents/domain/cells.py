"""Keeps a spreadsheet from running text that a sender wrote (rule 26)."""

from __future__ import annotations

from typing import Final

_STARTERS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes before a starter.

    Leading blanks and full-width look-alikes are seen through, because importers trim them.
    NUL and other control characters are dropped: they end cells early.
    """
    clean = "".join(c for c in text if c >= " " or c in "\t\r\n")
    bare = clean.lstrip(" \u00a0\u3000\ufeff").translate(_LOOKALIKES)
    return f"'{clean}" if bare.startswith(_STARTERS) or clean.startswith(_STARTERS) else clean


_LOOKALIKES: Final = str.maketrans("＝＋－＠", "=+-@")
