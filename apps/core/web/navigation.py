"""The left navigation: which pages there are, and which of them an actor may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.urls import is_valid_path

from apps.core.domain.access import Actor, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page of the navigation, known by its stable path; shown once a URL answers there."""

    label: str
    path: str
    icon: str = ""
    scope: Scope | None = None
    children: Sequence[Place] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A link of the navigation as the template draws it."""

    label: str
    url: str
    icon: str
    active: bool
    children: Sequence[Item] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A group of links; the first one needs no label."""

    label: str
    items: Sequence[Item]


_USAGE: Final = (
    Place(label="Events", path="/usage/", scope=Scope.USAGE_READ),
    Place(label="Imports", path="/usage/imports/", scope=Scope.USAGE_WRITE),
    Place(label="Unpriced", path="/usage/unpriced/", scope=Scope.USAGE_READ),
    Place(label="Backfills", path="/usage/backfills/", scope=Scope.USAGE_CORRECT),
    Place(label="Outcomes", path="/usage/outcomes/", scope=Scope.USAGE_READ),
)
_BUDGETS: Final = (
    Place(label="Budgets", path="/budgets/", scope=Scope.BUDGETS_READ),
    Place(label="Experiments", path="/experiments/", scope=Scope.BUDGETS_READ),
    Place(label="Approvals", path="/approvals/", scope=Scope.BUDGETS_READ),
    Place(label="Guardrails", path="/guardrails/", scope=Scope.BUDGETS_READ),
)
_MONTH: Final = (
    Place(label="Periods", path="/month/", scope=Scope.BILLING_READ),
    Place(label="Allocation", path="/month/rules/", scope=Scope.BILLING_READ),
    Place(label="Drivers", path="/month/drivers/", scope=Scope.BILLING_READ),
    Place(label="Runs", path="/month/runs/", scope=Scope.BILLING_READ),
    Place(label="Adjustments", path="/month/adjustments/", scope=Scope.BILLING_READ),
    Place(label="Statements", path="/statements/", scope=Scope.COSTS_READ),
    Place(label="Journals", path="/journals/", scope=Scope.BILLING_READ),
    Place(label="Exports", path="/exports/", scope=Scope.BILLING_READ),
)
_CUSTOMERS: Final = (
    Place(label="Customers", path="/customers/", scope=Scope.BILLING_READ),
    Place(label="Plans", path="/plans/", scope=Scope.BILLING_READ),
    Place(label="Invoices", path="/invoices/", scope=Scope.BILLING_READ),
    Place(label="Payments", path="/payments/", scope=Scope.BILLING_READ),
)
_SOURCES: Final = (
    Place(label="Connectors", path="/sources/", scope=Scope.BILLING_READ),
    Place(label="Bills", path="/sources/bills/", scope=Scope.BILLING_READ),
    Place(label="Feeds", path="/sources/feeds/", scope=Scope.BILLING_READ),
    Place(label="Reconciliation", path="/reconciliation/", scope=Scope.BILLING_READ),
    Place(label="Shadow AI", path="/shadow-ai/", scope=Scope.BILLING_READ),
)
_SETTINGS: Final = (
    Place(label="Organization", path="/settings/organization/", scope=Scope.COSTS_READ),
    Place(label="Tags and attribution", path="/settings/attribution/", scope=Scope.DIRECTORY_WRITE),
    Place(label="Event mappings", path="/settings/event-mappings/", scope=Scope.USAGE_CORRECT),
    Place(label="Exchange rates", path="/settings/fx/", scope=Scope.COSTS_READ),
    Place(label="People and access", path="/settings/people/", scope=Scope.ADMIN),
    Place(label="API keys", path="/settings/api-keys/"),
    Place(label="Notifications", path="/settings/notifications/", scope=Scope.BILLING_WRITE),
    Place(label="Branding", path="/settings/branding/", scope=Scope.ADMIN),
    Place(label="Audit", path="/settings/audit/", scope=Scope.ADMIN),
)

TENANT: Final[Sequence[tuple[str, Sequence[Place]]]] = (
    (
        "",
        (
            Place(label="Home", path="/", icon="home"),
            Place(label="Explore", path="/explore/", icon="chart-bar", scope=Scope.COSTS_READ),
        ),
    ),
    (
        "Spend",
        (
            Place(label="Usage", path="/usage/", icon="activity", children=_USAGE),
            Place(label="Budgets", path="/budgets/", icon="wallet", children=_BUDGETS),
        ),
    ),
    (
        "Finance",
        (
            Place(label="Month", path="/month/", icon="calendar-month", children=_MONTH),
            Place(label="Customers", path="/customers/", icon="users", children=_CUSTOMERS),
            Place(label="Sources", path="/sources/", icon="plug", children=_SOURCES),
            Place(label="Prices", path="/prices/", icon="tag", scope=Scope.COSTS_READ),
        ),
    ),
    ("Set-up", (Place(label="Settings", path="/settings/", icon="settings", children=_SETTINGS),)),
)
"""The navigation of a tenant's site (`ui.md`); a place without a page is left out."""

OPERATOR: Final[Sequence[tuple[str, Sequence[Place]]]] = (
    (
        "",
        (
            Place(label="Tenants", path="/", icon="building", scope=Scope.ADMIN),
            Place(label="Prices", path="/prices/", icon="tag", scope=Scope.ADMIN),
            Place(label="Administration", path="/admin/", icon="settings", scope=Scope.ADMIN),
        ),
    ),
)
"""The navigation of the operator's site, on the bare host."""


def navigation(
    *,
    actor: Actor,
    path: str,
    urlconf: str | None = None,
    places: Sequence[tuple[str, Sequence[Place]]] = TENANT,
) -> list[Section]:
    """Return the sections that this actor may use; empty sections are left out.

    A place with children leads to the first child that the actor may use.
    """
    allowed = [
        (label, [_item(place, actor, path, urlconf) for place in section])
        for label, section in places
    ]
    shown = [(label, [item for item in items if item is not None]) for label, items in allowed]
    active = _active_url(shown, path)
    return [
        Section(label=label, items=[_marked(item, active) for item in items])
        for label, items in shown
        if items
    ]


def _item(place: Place, actor: Actor, path: str, urlconf: str | None) -> Item | None:
    children = [_item(child, actor, path, urlconf) for child in place.children]
    usable = [child for child in children if child is not None]
    if place.children:
        if not usable:
            return None
        return Item(
            label=place.label, url=usable[0].url, icon=place.icon, active=False, children=usable
        )
    if place.scope is not None and not actor.may(place.scope):
        return None
    if not is_valid_path(place.path, urlconf):
        return None
    return Item(label=place.label, url=place.path, icon=place.icon, active=False)


def _active_url(shown: Sequence[tuple[str, Sequence[Item]]], path: str) -> str:
    """Return the longest URL of the navigation under which the path lies."""
    urls = [leaf.url for _, items in shown for item in items for leaf in (item.children or [item])]
    covering = [url for url in urls if path == url or (url != "/" and path.startswith(url))]
    return max(covering, key=len, default="")


def _marked(item: Item, active: str) -> Item:
    children = [_marked(child, active) for child in item.children]
    own = item.url == active if not children else any(child.active for child in children)
    return Item(label=item.label, url=item.url, icon=item.icon, active=own, children=children)
