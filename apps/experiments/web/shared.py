"""Addresses, tabs and words that the pages of experiments share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.urls import reverse

from apps.core.domain.access import Actor, Scope
from apps.core.web.lists import Column, ListState
from apps.core.web.page import Crumb, Tab

READ: Final[Mapping[str, Scope | None]] = {"GET": Scope.BUDGETS_READ}
WRITE: Final[Mapping[str, Scope | None]] = {
    "GET": Scope.EXPERIMENTS_WRITE,
    "POST": Scope.EXPERIMENTS_WRITE,
}
DECIDE: Final[Mapping[str, Scope | None]] = {"POST": Scope.APPROVALS_DECIDE}

SAID: Final = {
    "experiment.created": "wrote it",
    "experiment.edited": "changed it",
    "experiment.submitted": "submitted it",
    "experiment.amended": "asked for more",
    "experiment.approved": "approved it",
    "experiment.rejected": "rejected it",
    "experiment.changes_requested": "asked for changes",
    "experiment.started": "started it",
    "experiment.withdrawn": "took it back",
    "experiment.expired": "let it lapse",
    "experiment.revoked": "revoked the approval",
    "experiment.completed": "completed it",
    "experiment.restated": "restated the report",
    "experiment.lessons_added": "added what was learned",
    "experiment.file_added": "added a file",
    "amendment.withdrawn": "took the amendment back",
    "amendment.expired": "let the amendment lapse",
    "approval.reminded": "reminded the approvers",
    "approval.escalated": "passed a late decision on",
}


def page_of(id: UUID) -> str:
    """Return the address of a request's page."""
    return reverse("experiments:experiment", args=[id])


def decision_page_of(id: UUID) -> str:
    """Return the address of the page on which a request is decided."""
    return reverse("experiments:decision", args=[id])


def crumbs(*more: Crumb) -> list[Crumb]:
    """Return the trail of a page of experiments."""
    return [Crumb("Experiments", reverse("experiments:list")), *more]


def approval_crumbs() -> list[Crumb]:
    """Return the trail of a page of approvals."""
    return [Crumb("Approvals", reverse("experiments:inbox"))]


def approval_tabs(active: str, actor: Actor) -> list[Tab]:
    """Return the tabs of approvals that an actor may open."""
    places = [
        ("inbox", "Inbox", Scope.BUDGETS_READ),
        ("commitments", "Commitments", Scope.BUDGETS_READ),
        ("exceptions", "Exceptions", Scope.BUDGETS_READ),
        ("policy", "Policy", Scope.BUDGETS_READ),
        ("away", "Stand-ins", Scope.APPROVALS_DECIDE),
    ]
    return [
        Tab(label=label, url=reverse(f"experiments:{name}"), active=name == active)
        for name, label, scope in places
        if actor.may(scope)
    ]


def spender(state: ListState) -> Column:
    """Return the column of who spends the money: short on the page, the address in files."""
    return Column(key="owner" if state.export else "who", label="Spends it", wide=True)
