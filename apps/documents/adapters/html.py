"""Turns a laid-out document into HTML, by templates that reach nothing but themselves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.template import Context, Engine

ROOT: Final = Path(__file__).resolve().parents[3]
TEMPLATES: Final = ROOT / "templates"


@lru_cache(maxsize=1)
def engine() -> Engine:
    """Return the engine of documents: escaping, cached, apart from the site's processors."""
    loader = (
        "django.template.loaders.cached.Loader",
        ["django.template.loaders.filesystem.Loader"],
    )
    return Engine(dirs=[str(TEMPLATES)], loaders=[loader], autoescape=True)


def html_of(*, template: str, context: Mapping[str, Any]) -> str:
    """Return the document's HTML; every value of the context is a string ready to print."""
    return engine().get_template(template).render(Context(dict(context), use_l10n=False))
