"""The pages of backfills: the list, opening one, its progress and what closing it would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.catalog.domain.meters import meter_facts, plural
from apps.core import presentation
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Kpi
from apps.core.web.views import PageMixin
from apps.ingest import selectors
from apps.ingest.services import backfill_close, backfill_revert, backfills
from apps.ingest.web import links
from apps.ingest.web.solve import show
from apps.usage import services as usage
from apps.usage.domain.normalize import REQUESTS

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_READ}
_CORRECT: Final[dict[str, Scope | None]] = {
    "GET": Scope.USAGE_CORRECT,
    "POST": Scope.USAGE_CORRECT,
}
_SHOWN_AT_ONCE: Final = 5_000
"""Posted events up to which the page shows unasked what closing would do."""
_COLUMNS: Final = (
    Column(key="source", label="Source", link="url"),
    Column(key="state", label="State", kind="badge"),
    Column(key="starts_at", label="From", kind="when"),
    Column(key="ends_at", label="Until", kind="when"),
    Column(key="posted", label="Posted", kind="quantity"),
    Column(key="reason", label="Reason", wide=True),
    Column(key="opened_by", label="Opened by", wide=True),
)


class BackfillsPage(PageMixin, TemplateView):
    """Lists backfills, the newest first."""

    template_name = "ingest/list.html"
    scopes = _READ

    def page(self) -> Page:
        new = Action(label="Open a backfill", url=reverse("usage:backfill_new"), icon="plus")
        return Page(
            title="Backfills",
            subtitle="Usage of one source and time, replaced at once by what is posted again.",
            crumbs=[Crumb("Usage", links.log_url())],
            primary=new if self.actor.may(Scope.USAGE_CORRECT) else None,
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = DataList(
            key="backfills",
            caption="Backfills, the newest first",
            columns=_COLUMNS,
            rows=[_row(each) for each in selectors.backfills(actor=self.actor)],
            state=ListState.of(self.request),
            empty=Empty(
                title="Nothing was backfilled",
                text="Open a backfill when a source counted wrongly for some time.",
                icon="history",
            ),
        )
        return super().get_context_data(list=shown, **kwargs)


def _moment(label: str) -> forms.DateTimeField:
    widget = forms.DateTimeInput(
        attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
    )
    return forms.DateTimeField(label=label, widget=widget)


class BackfillForm(forms.Form):
    """Which usage is to be replaced, and why."""

    source = forms.CharField(
        max_length=200, help_text="As the events name it.", widget=forms.TextInput()
    )
    starts_at = _moment("Used from")
    ends_at = _moment("Used before")
    tag = forms.CharField(
        required=False,
        max_length=330,
        label="Only with the tag",
        help_text="Such as team=search. Empty: whatever the tags.",
    )
    reason = forms.CharField(max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))

    def clean_tag(self) -> dict[str, str]:
        """Read one tag, key=value."""
        text = self.cleaned_data["tag"].strip()
        key, sign, value = text.partition("=")
        if text and not (sign and key.strip() and value.strip()):
            raise forms.ValidationError("Write the tag as key=value.")
        return {key.strip(): value.strip()} if text else {}

    def to_draft(self) -> backfills.BackfillDraft:
        """Return the scope as the service takes it."""
        entered = dict(self.cleaned_data)
        return backfills.BackfillDraft(tags=entered.pop("tag"), **entered)


class NewBackfill(PageMixin, FormView):  # type: ignore[type-arg]
    """Opens a backfill."""

    template_name = "ingest/backfill_new.html"
    form_class = BackfillForm
    scopes = _CORRECT

    def page(self) -> Page:
        return Page(
            title="Open a backfill",
            subtitle="Nothing changes before you close it.",
            crumbs=_crumbs(),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=links.backfills_url(), **kwargs)

    def form_valid(self, form: BackfillForm) -> HttpResponse:
        try:
            opened = backfills.open_backfill(
                draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            show(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "The backfill is open. Post its events, then close it.")
        return HttpResponseRedirect(links.backfill_url(opened))


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A meter of a SKU before and after."""

    sku: str
    meter: str
    unit: str
    before: Decimal
    after: Decimal
    cost_before: str
    cost_after: str


class BackfillPage(PageMixin, TemplateView):
    """Shows a backfill: what was posted, what closing would do, what it did."""

    template_name = "ingest/backfill.html"
    scopes = _READ

    @cached_property
    def found(self) -> selectors.BackfillFacts:
        """Return the backfill.

        :raises Missing: when there is none.
        """
        return selectors.backfill(id=self.kwargs["backfill"], actor=self.actor)

    def page(self) -> Page:
        found = self.found
        tags = ", ".join(f"{key}={value}" for key, value in found.tags.items())
        return Page(
            title=f"Backfill of {found.source}",
            subtitle=found.reason,
            crumbs=_crumbs(),
            status=found.state,
            actions=self._actions(),
            facts=[
                Fact("Used from", presentation.moment(found.starts_at)),
                Fact("Used before", presentation.moment(found.ends_at)),
                *([Fact("With", tags)] if tags else []),
                Fact("Opened", f"{presentation.moment(found.opened_at)}, {found.opened_by}"),
                *_settled(found),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = self.found
        may = self.actor.may(Scope.USAGE_CORRECT)
        seen = self._foreseen() if may else None
        shown = {
            "found": found,
            "kpis": _kpis(found, seen),
            "seen": seen,
            "meters": [] if seen is None else [_meter(each) for each in seen.meters],
            "may_correct": may,
            "is_open": found.state == "open",
            "preview_url": f"{links.backfill_url(found.id)}?preview=yes",
            "events_url": self.request.build_absolute_uri(
                f"/api/v1/usage/backfills/{found.id}/events"
            ),
        }
        return super().get_context_data(**{**kwargs, **shown})

    def _foreseen(self) -> backfill_close.BackfillForesight | None:
        asked = self.request.GET.get("preview") == "yes"
        if self.found.state != "open" or not (asked or self.found.posted <= _SHOWN_AT_ONCE):
            return None
        return backfill_close.foresee_close(
            backfill=self.found.id, actor=self.actor, now=timezone.now()
        )

    def _actions(self) -> list[Action]:
        if not self.actor.may(Scope.USAGE_CORRECT):
            return []
        if self.found.state == "open":
            return [
                Action(label="Close it", icon="check", dialog="close"),
                Action(label="Abandon it", icon="ban", dialog="abandon", danger=True),
            ]
        if self.found.state == "closed":
            return [Action(label="Revert it", icon="arrow-back-up", dialog="revert", danger=True)]
        return []


class _Deed(PageMixin, TemplateView):
    """Does one thing to a backfill and goes back to its page; a refusal is said there."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.USAGE_CORRECT}
    said = ""
    do: Callable[..., None]

    def post(self, request: HttpRequest, backfill: UUID) -> HttpResponse:
        reason = request.POST.get("reason", "").replace("\x00", "")[:1000]
        try:
            type(self).do(backfill, reason, self.actor, timezone.now())
        except Missing:
            raise
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, self.said)
        return HttpResponseRedirect(links.backfill_url(backfill))


class CloseBackfill(_Deed):
    """Makes a backfill effective."""

    said = "The backfill is closed. What was posted counts, and nothing else of its scope."

    @staticmethod
    def do(backfill: UUID, reason: str, actor: Actor, now: datetime) -> None:
        """Call the one service; its reason is that of the backfill."""
        backfill_close.close_backfill(backfill=backfill, actor=actor, now=now)


class AbandonBackfill(_Deed):
    """Gives a backfill up."""

    said = "The backfill is abandoned. Nothing of it ever counted."

    @staticmethod
    def do(backfill: UUID, reason: str, actor: Actor, now: datetime) -> None:
        """Call the one service."""
        backfills.abandon_backfill(backfill=backfill, actor=actor, now=now)


class RevertBackfill(_Deed):
    """Undoes a backfill."""

    said = "The backfill is reverted. Everything is again what it was before."

    @staticmethod
    def do(backfill: UUID, reason: str, actor: Actor, now: datetime) -> None:
        """Call the one service."""
        backfill_revert.revert_backfill(backfill=backfill, reason=reason, actor=actor, now=now)


def _crumbs() -> list[Crumb]:
    return [Crumb("Usage", links.log_url()), Crumb("Backfills", links.backfills_url())]


def _row(found: selectors.BackfillFacts) -> dict[str, Any]:
    return {
        "source": found.source,
        "url": links.backfill_url(found.id),
        "state": found.state,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
        "posted": Decimal(found.posted),
        "reason": found.reason,
        "opened_by": found.opened_by,
    }


def _settled(found: selectors.BackfillFacts) -> list[Fact]:
    facts = []
    if found.settled_at is not None:
        word = "Abandoned" if found.state == "abandoned" else "Closed"
        facts.append(Fact(word, f"{presentation.moment(found.settled_at)}, {found.settled_by}"))
    if found.reverted_at is not None:
        text = f"{presentation.moment(found.reverted_at)}, {found.reverted_by}"
        facts.append(Fact("Reverted", f"{text}: {found.revert_reason}"))
    return facts


def _kpis(
    found: selectors.BackfillFacts, seen: backfill_close.BackfillForesight | None
) -> list[Kpi]:
    counts = seen or (None if found.state in ("open", "abandoned") else found)
    posted = Kpi(label="Events posted", value=Decimal(found.posted), kind="quantity")
    if counts is None:
        return [posted]
    tense = "would be" if seen is not None else "were"
    notes = {
        "kept": "stay as they stand",
        "added": f"{tense} added",
        "amended": f"{tense} amended",
        "voided": f"{tense} voided: not posted again",
    }
    return [
        posted,
        *(
            Kpi(
                label=name.capitalize(),
                value=Decimal(getattr(counts, name)),
                kind="quantity",
                note=note,
            )
            for name, note in notes.items()
        ),
    ]


def _meter(each: usage.MeterChange) -> MeterRow:
    facts = meter_facts(each.meter)
    return MeterRow(
        sku=each.sku.label,
        meter=facts.label,
        unit=plural(facts.unit),
        before=each.before,
        after=each.after,
        cost_before=_cost(each, each.before, each.cost_before),
        cost_after=_cost(each, each.after, each.cost_after),
    )


def _cost(each: usage.MeterChange, quantity: Decimal, cost: Decimal | None) -> str:
    if not quantity:
        return "nothing"
    if cost is not None:
        return presentation.exact_money(cost, each.currency)
    return "not charged" if each.meter == REQUESTS else "unpriced"
