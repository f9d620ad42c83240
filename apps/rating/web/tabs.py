"""What the pages about prices share: their tabs, and percentages to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.urls import reverse

from apps.core import presentation
from apps.core.domain.access import Actor, Scope
from apps.core.web.page import Crumb, Tab

_PAGES: Final = (
    ("Prices", "rating:prices", Scope.COSTS_READ),
    ("Discounts", "rating:discounts", Scope.COSTS_READ),
    ("Commitments", "rating:commitments", Scope.COSTS_READ),
    ("Self-hosted", "rating:cost_models", Scope.COSTS_READ),
    ("Sheet", "rating:sheet", Scope.PRICES_WRITE),
)
_ELSEWHERE: Final = (("What if", "/prices/what-if/", Scope.COSTS_READ),)


def exact_percent(percent: Decimal) -> str:
    """Return a percentage with every digit it has, at least two: 33.333333%."""
    decimals = -int(percent.normalize().as_tuple().exponent)
    return presentation.percent(percent.scaleb(-2), digits=max(2, decimals))


def price_tabs(actor: Actor, active: str) -> list[Tab]:
    """Return the tabs that the actor may open; `active` is the label of the present one."""
    own = [(label, reverse(name), scope) for label, name, scope in _PAGES]
    return [
        Tab(label=label, url=url, active=label == active)
        for label, url, scope in (*own, *_ELSEWHERE)
        if actor.may(scope)
    ]


def here() -> Crumb:
    """Return the crumb that leads back to the prices."""
    return Crumb("Prices", reverse("rating:prices"))
