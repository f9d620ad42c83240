"""What a page says about itself: title, trail, facts, tabs and its one primary action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the breadcrumb; the last one, the page itself, has no URL."""

    label: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button: a link, a POST of an empty form, or the opener of the dialog with that id."""

    label: str
    url: str = ""
    icon: str = ""
    method: Literal["get", "post"] = "get"
    dialog: str = ""
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A key fact of a detail page; `value` may be markup that a filter has made."""

    label: str
    value: str
    url: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A tab of a detail page: each tab is a page with a URL of its own."""

    label: str
    url: str
    active: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The head of a page. `title` becomes its only h1."""

    title: str
    subtitle: str = ""
    crumbs: Sequence[Crumb] = ()
    status: str = ""
    primary: Action | None = None
    actions: Sequence[Action] = ()
    facts: Sequence[Fact] = ()
    tabs: Sequence[Tab] = ()
