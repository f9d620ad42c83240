"""Describes lists: columns, search, filters, sorting, totals, cursor paging and exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.http import HttpRequest, QueryDict

from apps.core.web.page import Action, Tab

Kind = Literal[
    "text",
    "code",
    "owner",
    "badge",
    "money",
    "cost",
    "exact",
    "quantity",
    "tokens",
    "pct",
    "unit_price",
    "when",
    "day",
    "month",
]

NUMERIC: Final = frozenset({"money", "cost", "exact", "quantity", "tokens", "pct", "unit_price"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `key` names the row's attribute or item, `kind` how it is shown.

    `currency` is a code, or the key of the row's own currency when `currency_key` is set. `link`
    is the key of the row's URL. `wide` hides the column below 992 px, `prose` keeps sentences from
    standing a word a line.
    """

    key: str
    label: str
    kind: Kind = "text"
    currency: str = ""
    currency_key: str = ""
    unit: str = ""
    link: str = ""
    sortable: bool = False
    wide: bool = False
    prose: bool = False
    help: str = ""

    @property
    def numeric(self) -> bool:
        """Tell whether the column is right-aligned."""
        return self.kind in NUMERIC

    def value(self, row: object) -> Any:
        """Return the row's value, the same for the page and for the export."""
        return read(row, self.key)

    def currency_of(self, row: object) -> str:
        """Return the currency in which the row's value is."""
        return str(read(row, self.currency_key)) if self.currency_key else self.currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter kept in the query string; with options a choice, without them a text or a day."""

    key: str
    label: str
    options: Sequence[tuple[str, str]] = ()
    kind: Literal["text", "date"] = "text"
    unset: str = "all"
    """What holds when nothing is chosen."""

    def label_of(self, value: str) -> str:
        """Return the words of a chosen value."""
        return dict(self.options).get(value, value)


@dataclass(frozen=True, slots=True)
class ListState:
    """The query string of a list, read once; URLs of the next state are made from it."""

    path: str
    params: QueryDict

    @classmethod
    def of(cls, request: HttpRequest) -> ListState:
        """Read the state of a list from its request."""
        return cls(request.path, request.GET)

    def get(self, key: str) -> str:
        """Return one parameter, empty when it is not given. NUL characters are dropped."""
        return (self.params.get(key) or "").replace("\x00", "").strip()

    @property
    def sort(self) -> str:
        """Return the key of the sorted column, a minus before it when descending."""
        return self.get("sort")

    @property
    def export(self) -> str:
        """Return `csv` or `xlsx` when a file is asked for."""
        return self.get("format")

    def url(self, **changes: str) -> str:
        """Return the list's URL with some parameters changed; an empty value removes one."""
        params = self.params.copy()
        for key in ("cursor", "format"):
            params.pop(key, None)
        for key, value in changes.items():
            params.pop(key, None)
            if value:
                params[key] = value
        query = params.urlencode()
        return f"{self.path}?{query}" if query else self.path


@dataclass(frozen=True, slots=True)
class Header:
    """A column head with the URL that sorts by it."""

    column: Column
    sort_url: str = ""
    direction: Literal["ascending", "descending", "none"] = "none"


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force and the URL that lifts it."""

    label: str
    value: str
    url: str


@dataclass(frozen=True, slots=True)
class FilterField:
    """A filter's control with its present value."""

    filter: Filter
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Where the reader is: `text` such as "1 to 50 of 2,310 events", and the cursors."""

    text: str = ""
    next_cursor: str = ""
    previous_cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """What a list without rows says: what it is for and what to do first."""

    title: str = "Nothing here yet"
    text: str = ""
    icon: str = "inbox"
    action: Action | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataList:
    """Everything the component `data_list.html` shows.

    `totals` maps column keys to figures. `row_template` draws a `<tr>` of its own instead of the
    cells. `bulk` are POST actions on the checked rows, whose ids (`row_key`) arrive as `selected`.
    `unmatched` is what a list says whose filters no row can match, in place of lifting them.
    """

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[object]
    state: ListState
    search: str = ""
    filters: Sequence[Filter] = ()
    views: Sequence[Tab] = ()
    totals: Mapping[str, Any] = field(default_factory=dict)
    totals_label: str = "Total"
    paging: Paging = field(default_factory=Paging)
    exports: Sequence[Literal["csv", "xlsx"]] = ()
    empty: Empty = field(default_factory=Empty)
    unmatched: Empty | None = None
    row_template: str = ""
    row_key: str = "id"
    bulk: Sequence[Action] = ()

    @property
    def query(self) -> str:
        """Return what was searched for."""
        return self.state.get("q")

    @property
    def headers(self) -> list[Header]:
        """Return the column heads; sorting again by the same column turns it round."""
        return [self._header(column) for column in self.columns]

    @property
    def fields(self) -> list[FilterField]:
        """Return the filters' controls."""
        return [FilterField(one, self.state.get(one.key)) for one in self.filters]

    @property
    def chips(self) -> list[Chip]:
        """Return the filters in force, the search first."""
        searched = [Chip("Search", self.query, self.state.url(q=""))] if self.query else []
        return searched + [
            Chip(
                one.filter.label,
                one.filter.label_of(one.value),
                self.state.url(**{one.filter.key: ""}),
            )
            for one in self.fields
            if one.value
        ]

    @property
    def clear_url(self) -> str:
        """Return the URL that lifts the search and every filter."""
        return self.state.url(q="", **{one.key: "" for one in self.filters})

    @property
    def next_url(self) -> str:
        """Return the URL of the next page, empty on the last one."""
        cursor = self.paging.next_cursor
        return self.state.url(cursor=cursor) if cursor else ""

    @property
    def previous_url(self) -> str:
        """Return the URL of the page before, empty on the first one."""
        cursor = self.paging.previous_cursor
        return self.state.url(cursor=cursor) if cursor else ""

    @property
    def export_links(self) -> list[tuple[str, str]]:
        """Return the kinds of file and the URLs that download exactly this list."""
        return [(kind, self.state.url(format=kind)) for kind in self.exports]

    @property
    def totals_cells(self) -> list[tuple[Column, Any]]:
        """Return a figure, or None, for every column after the first."""
        return [(column, self.totals.get(column.key)) for column in self.columns[1:]]

    @property
    def width(self) -> int:
        """Return how many columns the table has."""
        return len(self.columns) + bool(self.bulk)

    def _header(self, column: Column) -> Header:
        if not column.sortable:
            return Header(column)
        sort = self.state.sort
        first = f"-{column.key}" if column.numeric else column.key
        second = column.key if column.numeric else f"-{column.key}"
        url = self.state.url(sort=second if sort == first else first)
        if sort.lstrip("-") != column.key:
            return Header(column, url)
        return Header(column, url, "descending" if sort.startswith("-") else "ascending")


def read(row: object, key: str) -> Any:
    """Return an item of a mapping or an attribute of an object.

    :raises AttributeError: when an object has no such attribute.
    """
    return row.get(key) if isinstance(row, Mapping) else getattr(row, key)
