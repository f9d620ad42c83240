"""The pages about prices, among which those of insights stand."""

from __future__ import annotations

from typing import Final

from django.urls import reverse

from apps.core.domain.access import Actor, Scope
from apps.core.web.page import Crumb, Tab

_PAGES: Final = (
    ("Prices", "rating:prices", Scope.COSTS_READ),
    ("Discounts", "rating:discounts", Scope.COSTS_READ),
    ("Commitments", "rating:commitments", Scope.COSTS_READ),
    ("Self-hosted", "rating:cost_models", Scope.COSTS_READ),
    ("Sheet", "rating:sheet", Scope.PRICES_WRITE),
    ("What if", "insights:what_if", Scope.COSTS_READ),
)


def price_tabs(actor: Actor) -> list[Tab]:
    """Return the tabs that the actor may open, with the what-if page as the present one."""
    return [
        Tab(label=label, url=reverse(name), active=label == "What if")
        for label, name, scope in _PAGES
        if actor.may(scope)
    ]


def prices() -> Crumb:
    """Return the crumb that leads back to the prices."""
    return Crumb("Prices", reverse("rating:prices"))
