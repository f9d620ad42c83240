"""Every route of an urlconf, with paths that can be called; new URLs are found by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# What to put for a parameter: by its name, or else the first of these that its converter takes.
BY_NAME = {
    "month": "2026-01",
    "period": "2026-01",
    "axis": "team",
    "kind": "team",
    "app_label": "accounts",
}
SAMPLES = (
    "00000000-0000-4000-8000-000000000000",
    "nothing",
    "999999",
    "2026-01",
    "2026-01-01",
    "no/thing",
    "pdf",
    "csv",
    "JNL-2026-01-01",
)
_PARAMETER = re.compile(r"<(?:\w+:)?(?P<name>\w+)>")
_GROUP = re.compile(r"\(\?P<(?P<name>\w+)>(?P<regex>(?:[^()]|\([^()]*\))*)\)")


@dataclass(frozen=True)
class Route:
    """One URL pattern: how it is written, what answers there, and what its parameters take."""

    pattern: str
    view: Any = field(compare=False, repr=False)
    parameters: Mapping[str, str] = field(compare=False, default_factory=dict)

    def path(self, **values: str) -> str:
        """Return a path that reaches it; parameters not given get a value that names nothing."""

        def put(match: re.Match[str]) -> str:
            return values.get(match["name"]) or self._sample(match["name"])

        return _PARAMETER.sub(put, self.pattern)

    def taking(self, value: str) -> list[str]:
        """Return the names of the parameters that take the value."""
        return [name for name, regex in self.parameters.items() if re.fullmatch(regex, value)]

    @property
    def methods(self) -> list[str]:
        """Return the methods that the view answers; a plain function says so or may do both."""
        made_by = self._made_by
        if made_by is self.view:
            return sorted(getattr(self.view, "methods", ("GET", "POST")))
        allowed = getattr(made_by, "http_method_names", ())
        return [m for m in METHODS if m.lower() in allowed and hasattr(made_by, m.lower())]

    @property
    def scopes(self) -> dict[str, Any] | None:
        """Return the scopes that the view declares by method, None when it declares none."""
        found = getattr(self._made_by, "scopes", None)
        return dict(found) if found else None

    @property
    def is_admin(self) -> bool:
        """Tell whether it belongs to an admin site, which opens as a whole."""
        return self.pattern.startswith("/admin/")

    @property
    def is_api(self) -> bool:
        """Tell whether programs call it."""
        return self.pattern.startswith(("/api/", "/v1/", "/webhooks/"))

    @property
    def _made_by(self) -> Any:
        return getattr(self.view, "view_class", None) or getattr(self.view, "cls", self.view)

    def _sample(self, name: str) -> str:
        wanted = (BY_NAME[name], *SAMPLES) if name in BY_NAME else SAMPLES
        for value in wanted:
            if re.fullmatch(self.parameters[name], value):
                return value
        raise LookupError(
            f"No sample fits {name!r} of {self.pattern}; add one to BY_NAME in {__file__}."
        )


def routes(urlconf: str) -> list[Route]:
    """Return all routes of an urlconf in the order of their patterns, each pattern once."""
    found: dict[str, Route] = {}
    for route in _walk(get_resolver(urlconf).url_patterns, "/", {}):
        found.setdefault(route.pattern, route)
    return [found[pattern] for pattern in sorted(found)]


def _walk(
    patterns: list[URLPattern | URLResolver], prefix: str, outer: dict[str, str]
) -> Iterator[Route]:
    for one in patterns:
        text, parameters = _readable(one.pattern)
        if isinstance(one, URLResolver):
            yield from _walk(one.url_patterns, prefix + text, outer | parameters)
        else:
            yield Route(prefix + text, one.callback, outer | parameters)


def _readable(pattern: Any) -> tuple[str, dict[str, str]]:
    """Write a pattern as `text/<converter:name>/`, whether it is a route or a regex."""
    if isinstance(pattern, RoutePattern):
        taken = {name: converter.regex for name, converter in pattern.converters.items()}
        return str(pattern), taken
    regex = str(getattr(pattern, "_regex", ""))
    taken = {match["name"]: match["regex"] for match in _GROUP.finditer(regex)}
    text = _GROUP.sub(lambda match: f"<{match['name']}>", regex)
    text = re.sub(r"/\?\$$|\$$|\\Z$", "", text.removeprefix("^"))
    return text.replace("\\", ""), taken
