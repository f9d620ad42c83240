"""The pages of commitments: agreements with levels, and which level is in force when."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Page
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.selectors import CommitmentFacts
from apps.rating.tasks import request_adoption
from apps.rating.web.forms import show_refusal
from apps.rating.web.tabs import here, price_tabs
from apps.rating.web.term_forms import LEVELS, CommitmentForm, LevelForm

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}
_COLUMNS: Final = (
    Column(key="name", label="Commitment", link="url"),
    Column(key="scope", label="For"),
    Column(key="measure", label="What is committed", wide=True),
    Column(key="levels", label="Levels", kind="quantity", wide=True),
    Column(key="now", label="In force now"),
)


class Commitments(PageMixin, TemplateView):
    """Lists the commitments."""

    template_name = "rating/list.html"
    scopes = _READ

    def page(self) -> Page:
        new = Action(label="Add a commitment", url=reverse("rating:new_commitment"), icon="plus")
        return Page(
            title="Commitments",
            subtitle="Commit so much a month, and get that price or discount. The level in force "
            "prices usage; what is missing at the end of a month is shown as shortfall.",
            crumbs=[here()],
            primary=new if self.actor.may(Scope.PRICES_WRITE) else None,
            tabs=price_tabs(self.actor, "Commitments"),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = DataList(
            key="commitments",
            caption="Commitments",
            columns=_COLUMNS,
            rows=[_row(one) for one in selectors.commitments()],
            state=ListState.of(self.request),
            empty=Empty(
                title="No commitments",
                text="An agreement with levels stands here, and how you stand against it.",
                icon="scale",
            ),
        )
        return super().get_context_data(list=shown, outdated=selectors.is_outdated(), **kwargs)


def _row(one: CommitmentFacts) -> dict[str, Any]:
    now = timezone.now()
    in_force = [t for t in one.terms if t.valid_from <= now and (t.valid_to or now) >= now]
    return {
        "name": one.name,
        "url": f"/prices/commitments/{one.id}/",
        "scope": selectors.in_words(one.scope),
        "measure": "spend a month" if one.measure == "spend" else "quantity a month",
        "levels": len(one.levels),
        "now": selectors.level_in_words(in_force[0].level, one) if in_force else "no level",
    }


class NewCommitment(PageMixin, FormView):  # type: ignore[type-arg]
    """Records a commitment with its levels."""

    template_name = "rating/commitment_form.html"
    form_class = CommitmentForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(title="Add a commitment", crumbs=[here(), _crumb()])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("rating:commitments"), **kwargs)

    def form_valid(self, form: CommitmentForm) -> HttpResponse:
        try:
            made = services.record_commitment(
                draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            _show(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "The commitment is recorded. Put a level in force.")
        return HttpResponseRedirect(f"/prices/commitments/{made}/")


def _show(form: CommitmentForm, refusal: Refusal) -> None:
    """Put what is wrong with a level beside that level's field."""
    for wrong in refusal.errors:
        parts = wrong.field.split(".")
        place: str | None = wrong.field
        if parts[0] == "levels" and len(parts) > 1:
            name = {"unit_size": "size"}.get(parts[-1], parts[-1])
            place = f"{name if len(parts) > 2 else 'percent'}_{min(int(parts[1]), LEVELS - 1) + 1}"
        form.add_error(place if place in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


class PutLevelInForce(PageMixin, FormView):  # type: ignore[type-arg]
    """Says which level is in force over which time."""

    template_name = "rating/price_end.html"
    form_class = LevelForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Put a level in force",
            subtitle=f"{self._commitment.name}. Levels in force at that time keep their time "
            "before and after it.",
            crumbs=[here(), _crumb()],
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        found = self._commitment
        choices = [
            (str(level.position), selectors.level_in_words(level, found)) for level in found.levels
        ]
        return {**super().get_form_kwargs(), "levels": choices}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        back = f"/prices/commitments/{self.kwargs['commitment']}/"
        return super().get_context_data(cancel_url=back, submit="Put it in force", **kwargs)

    def form_valid(self, form: LevelForm) -> HttpResponse:
        try:
            services.put_level_in_force(
                commitment=self.kwargs["commitment"],
                **form.cleaned_data,
                actor=self.actor,
                now=timezone.now(),
            )
        except Missing:
            raise
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        request_adoption()
        messages.success(self.request, "The level is in force; open months are being re-rated.")
        return HttpResponseRedirect(f"/prices/commitments/{self.kwargs['commitment']}/")

    @property
    def _commitment(self) -> CommitmentFacts:
        return selectors.commitment(self.kwargs["commitment"])


class WithdrawLevel(PageMixin, View):
    """Withdraws a level that was put in force in error."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.PRICES_WRITE}

    def post(self, request: HttpRequest, commitment: UUID, term: UUID) -> HttpResponse:
        try:
            services.withdraw_level(
                term=selectors.term_of(commitment=commitment, term=term),
                reason=request.POST.get("reason", ""),
                actor=self.actor,
                now=timezone.now(),
            )
        except services.CommitmentNotValid as refusal:
            messages.error(request, refusal.message)
        else:
            request_adoption()
            messages.success(request, "The level is withdrawn; open months are being re-rated.")
        return HttpResponseRedirect(f"/prices/commitments/{commitment}/")


def _crumb() -> Crumb:
    return Crumb("Commitments", reverse("rating:commitments"))
