"""The tab of a statement on which it is accepted, disputed and decided."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView
from django.views.generic.base import View

from apps.allocation.selectors import AdjustmentFacts
from apps.chargeback import selectors, services
from apps.chargeback.domain.acceptance import Acceptance, AcceptanceState, ResponseFacts
from apps.chargeback.web import links
from apps.chargeback.web.answer_forms import DisputeForm, ResolveForm, show_refusal
from apps.chargeback.web.views import StatementPage
from apps.chargeback.web.wording import detail_of, what_of
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.page import Action, Crumb, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin

_ANSWER: Mapping[str, Scope | None] = {"GET": Scope.COSTS_READ, "POST": Scope.COSTS_READ}
_DECIDE: Mapping[str, Scope | None] = {"GET": Scope.BILLING_WRITE, "POST": Scope.BILLING_WRITE}


class AcceptanceTab(StatementPage):
    """Shows where a statement stands with its reader, and what can be done about it."""

    template_name = "chargeback/acceptance.html"
    tab = "acceptance"

    @cached_property
    def found(self) -> Acceptance:
        """Return everything that was said to the statement."""
        return selectors.acceptance(self.detail.facts.id, actor=self.actor, now=timezone.now())

    def page(self) -> Page:
        page = super().page()
        return Page(
            title=page.title,
            subtitle=page.subtitle,
            crumbs=page.crumbs,
            status=self.found.state.value,
            facts=page.facts,
            tabs=page.tabs,
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = self.found
        answers_for = selectors.may_respond(found, actor=self.actor)
        settled = found.state not in _ANSWERABLE
        return super().get_context_data(
            found=found,
            sentence=sentence_of(found),
            disputes=[self._dispute(one) for one in found.responses if one.verdict == "disputed"],
            entries=[entry for one in reversed(found.responses) for entry in _entries(one)],
            may_accept=answers_for and not settled and not found.open_disputes,
            may_dispute=answers_for and found.state in _DISPUTABLE,
            accept_url=self._url("accept"),
            dispute_url=self._url("dispute"),
            **kwargs,
        )

    def _dispute(self, one: ResponseFacts) -> dict[str, Any]:
        facts = self.detail.facts
        return {
            "facts": one,
            "line_url": links.line_url(facts.month, facts.cost_center, one.position)
            if one.position
            else "",
            "files": [
                (file, reverse("dispute_file", kwargs={"id": facts.id, "file": file.id}))
                for file in one.attachments
            ],
            "may_withdraw": one.is_open and one.by_user_id == self.actor.user_id,
            "may_resolve": one.is_open
            and self.actor.may(Scope.BILLING_WRITE)
            and one.by_user_id != self.actor.user_id,
            "withdraw_url": self._url("withdraw", one.id),
            "resolve_url": self._url("resolve", one.id),
        }

    def _url(self, deed: str, dispute: UUID | None = None) -> str:
        facts = self.detail.facts
        return answer_url(facts.month, facts.cost_center, deed, dispute)


_ANSWERABLE = (AcceptanceState.AWAITING, AcceptanceState.OVERDUE, AcceptanceState.DISPUTED)
_DISPUTABLE = (AcceptanceState.AWAITING, AcceptanceState.DISPUTED)


def answer_url(month: Any, cost_center: str, deed: str, dispute: UUID | None = None) -> str:
    """Return where one thing is done to a statement."""
    named: dict[str, Any] = {"month": str(month), "cost_center": cost_center}
    if dispute is not None:
        named["dispute"] = dispute
    return reverse(f"chargeback:{deed}", kwargs=named)


def sentence_of(found: Acceptance) -> str:
    """Say in a sentence where a statement stands and what comes next."""
    owner = found.owner_name or "the owner"
    due = presentation.moment(found.due_at) if found.due_at else ""
    return {
        AcceptanceState.DRAFT: "This is a draft; it can be answered once it is issued.",
        AcceptanceState.AWAITING: f"Waiting for {owner} until {due}.",
        AcceptanceState.OVERDUE: f"{owner} has not answered by {due}; it can still be accepted.",
        AcceptanceState.DISPUTED: "Finance has to end the open disputes before it can be accepted.",
        AcceptanceState.ACCEPTED: "Accepted. Later changes are adjustments of an open month.",
        AcceptanceState.LAPSED: f"Nobody objected until {due}, which counts as accepted.",
        AcceptanceState.REPLACED: "A newer statement took its place; answer that one.",
    }[found.state]


def _entries(one: ResponseFacts) -> list[Entry]:
    about = f"line {one.position}, {one.line}" if one.position else "the statement"
    text = {"accepted": "accepted the statement", "lapsed": "let the days pass"}.get(
        one.verdict, f"disputed {about}"
    )
    said = Entry(at=one.at, actor=one.by, text=text, detail=one.comment, icon=_ICONS[one.verdict])
    ended = one.resolution
    if ended is None:
        return [said]
    booked = f" Booked by {ended.reference} in {presentation.month(ended.booked_in)}."
    detail = ended.reason + (booked if ended.reference else "")
    end = Entry(at=ended.at, actor=ended.by, text=f"{_ENDED[ended.outcome]} {about}", detail=detail)
    return [end, said]


_ICONS = {"accepted": "check", "disputed": "alert-triangle", "lapsed": "clock"}
_ENDED = {
    "rejected": "rejected the dispute of",
    "corrected": "agreed to correct",
    "withdrawn": "withdrew the dispute of",
}


class DisputePage(PageMixin, FormView):  # type: ignore[type-arg]
    """Takes a dispute: what is wrong, on which line, with files."""

    template_name = "chargeback/dispute.html"
    form_class = DisputeForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _ANSWER

    @cached_property
    def detail(self) -> selectors.StatementDetail:
        """Return the statement of the address."""
        return _statement(self)

    def page(self) -> Page:
        facts = self.detail.facts
        return Page(
            title="Dispute this statement",
            subtitle="Finance is told, and answers with a correction in the open month or with a "
            "reason. The statement itself never changes.",
            crumbs=_crumbs(facts),
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        currency = self.detail.facts.currency
        lines = [
            (
                line["position"],
                f"{line['position']}: {what_of(line)}, {detail_of(line)}, "
                f"{presentation.money(line['amount'], currency)}",
            )
            for line in self.detail.payload["lines"]
        ]
        return {**super().get_form_kwargs(), "lines": lines, "currency": currency}

    def get_initial(self) -> dict[str, Any]:
        return {"line": self.request.GET.get("line", "")[:6]}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=_back(self.detail.facts), **kwargs)

    def form_valid(self, form: DisputeForm) -> HttpResponse:
        facts = self.detail.facts
        try:
            services.dispute(
                id=facts.id, draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "Disputed. Finance will answer on this page.")
        return HttpResponseRedirect(_back(facts))


class ResolvePage(PageMixin, FormView):  # type: ignore[type-arg]
    """Takes finance's decision of a dispute."""

    template_name = "chargeback/dispute.html"
    form_class = ResolveForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _DECIDE

    @cached_property
    def detail(self) -> selectors.StatementDetail:
        """Return the statement of the address."""
        return _statement(self)

    def page(self) -> Page:
        return Page(
            title="Decide the dispute",
            subtitle="A correction is an adjustment of the open month that a second person has "
            "approved; name it here.",
            crumbs=_crumbs(self.detail.facts),
            actions=[self._ask] if self.actor.may(Scope.ALLOCATION_WRITE) else [],
        )

    @property
    def _ask(self) -> Action:
        asked = urlencode({"reference": self.detail.facts.number})
        address = f"{reverse('allocation:adjustment_new')}?{asked}"
        return Action(label="Ask for an adjustment", url=address, icon="arrows-split")

    def get_form_kwargs(self) -> dict[str, Any]:
        found = selectors.corrections(
            since=self.detail.facts.month, cost_center=self.detail.facts.cost_center
        )
        return super().get_form_kwargs() | {
            "adjustments": [(one.code, _told(one)) for one in found]
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        facts = self.detail.facts
        found = selectors.acceptance(facts.id, actor=self.actor, now=timezone.now())
        wanted = UUID(self.kwargs["dispute"])
        about = next((one for one in found.responses if one.id == wanted), None)
        return super().get_context_data(
            about=about, cancel_url=_back(facts), submit="Record the decision", **kwargs
        )

    def form_valid(self, form: ResolveForm) -> HttpResponse:
        facts = self.detail.facts
        try:
            services.resolve(
                id=facts.id,
                dispute=UUID(self.kwargs["dispute"]),
                decision=form.to_decision(),
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "Decided. The owner sees it on the statement.")
        return HttpResponseRedirect(_back(facts))


def _told(one: AdjustmentFacts) -> str:
    moved = presentation.money(one.amount, one.currency)
    return f"{one.code}: {moved} from {one.sender} to {one.receiver}, {one.month}"


class _Deed(PageMixin, View):
    """Does one thing to a statement and goes back to its page; a refusal is said there."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.COSTS_READ}
    said = ""

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        facts = _statement(self).facts
        try:
            self.do(facts.id)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, self.said)
        return HttpResponseRedirect(_back(facts))

    def do(self, id: UUID) -> None:
        """Call the one service."""
        raise NotImplementedError

    def words(self) -> str:
        """Return the comment or reason that was typed."""
        return self.request.POST.get("reason", "").replace("\x00", "")


class AcceptDeed(_Deed):
    """Accepts the statement."""

    said = "Accepted."

    def do(self, id: UUID) -> None:
        services.accept(id=id, comment=self.words(), actor=self.actor, now=timezone.now())


class WithdrawDeed(_Deed):
    """Withdraws one's own dispute."""

    said = "Withdrawn."

    def do(self, id: UUID) -> None:
        services.withdraw(
            id=id,
            dispute=UUID(self.kwargs["dispute"]),
            reason=self.words(),
            actor=self.actor,
            now=timezone.now(),
        )


def _statement(view: Any) -> selectors.StatementDetail:
    return selectors.statement_of(
        month=links.month_of(view.kwargs["month"]),
        cost_center=view.kwargs["cost_center"],
        actor=view.actor,
    )


def _back(facts: selectors.StatementFacts) -> str:
    return links.statement_url(facts.month, facts.cost_center, "acceptance")


def _crumbs(facts: selectors.StatementFacts) -> list[Crumb]:
    return [
        Crumb(links.HOME, "/statements/"),
        Crumb(presentation.month(facts.month), links.month_url(facts.month)),
        Crumb(facts.name, _back(facts)),
    ]
