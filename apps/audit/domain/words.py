"""Actions and field names of the trail as people read them."""

from __future__ import annotations


def words(name: str) -> str:
    """Return `person.role_changed` as `Person role changed`."""
    text = name.replace(".", " ").replace("_", " ").strip()
    return text[:1].upper() + text[1:]
