"""The month pages: all periods, and the cockpit of one close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView, View

from apps.allocation import selectors as allocation
from apps.closing import selectors, services
from apps.closing.selectors import CloseRunFacts, RunState
from apps.closing.tasks import enqueue, enqueue_refresh
from apps.closing.web import parts
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.domain.months import Month
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.directory import selectors as directory
from apps.periods import selectors as periods
from apps.periods.domain.calendar import PeriodFacts, State
from apps.tenants import selectors as tenants

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_RUN: Final[dict[str, Scope | None]] = {"POST": Scope.CLOSE_RUN}
_DECIDE: Final[dict[str, Scope | None]] = {"POST": Scope.APPROVALS_DECIDE}

_COLUMNS: Final = (
    Column(key="name", label="Month", link="url"),
    Column(key="state", label="State", kind="badge"),
    Column(key="cost", label="Allocated cost", kind="money", currency_key="currency"),
    Column(key="closed_at", label="Closed", kind="when", wide=True),
    Column(key="closed_by", label="Prepared by", wide=True),
    Column(key="approved_by", label="Approved by", wide=True),
)


class Periods(PageMixin, TemplateView):
    """Lists the accounting months up to the present one, newest first."""

    template_name = "closing/periods.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Months",
            subtitle="A month is frozen, checked, allocated, approved by a second person and "
            "locked. A closed month never changes.",
            crumbs=[Crumb("Months")],
            actions=[
                Action(label="Schedule and checks", url=reverse("closing:policy"), icon="clock")
            ]
            if self.actor.may(Scope.CLOSE_RUN)
            else [],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="months")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        closes = selectors.latest_of_each()
        sums = allocation.published_sums()
        now = timezone.now()
        begun = [period for period in periods.calendar().periods if period.starts_at <= now]
        return DataList(
            key="months",
            caption="Accounting months",
            columns=_COLUMNS,
            rows=[
                _period_row(period, closes.get(period.month), sums.get(period.month))
                for period in reversed(begun)
            ],
            state=ListState.of(self.request),
            exports=("csv", "xlsx"),
            empty=Empty(title="No months yet", text="The calendar of this organization is empty."),
        )


def _period_row(
    period: PeriodFacts, close: CloseRunFacts | None, sums: allocation.Amounts | None
) -> dict[str, Any]:
    state = period.state.value
    if close is not None and close.is_live:
        state = "in review" if close.state is RunState.WAITING else close.state.value
    return {
        "id": str(period.month),
        "name": presentation.month(period.month),
        "url": reverse("closing:month", args=[period.month]),
        "state": state,
        "cost": sums.effective if sums is not None else None,
        "currency": tenants.current().currency,
        "closed_at": period.closed_at,
        "closed_by": period.closed_by,
        "approved_by": period.approved_by,
    }


class MonthPage(PageMixin, TemplateView):
    """The cockpit of one month: where its close stands and what it waits for."""

    template_name = "closing/month.html"
    scopes = _READ

    @property
    def month(self) -> Month:
        """Return the month of the address."""
        return Month.parse(self.kwargs["month"])

    def page(self) -> Page:
        period = periods.period(self.month)
        name = presentation.month(self.month)
        run = selectors.latest(self.month)
        return Page(
            title=name,
            crumbs=[Crumb("Months", reverse("closing:periods")), Crumb(name)],
            status=period.state.value,
            primary=self._primary(period, run),
            actions=self._actions(period, run),
            facts=[*_facts(period, run), *_planned(period)],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        month = self.month
        run = selectors.latest(month)
        published = allocation.published_or_none(month)
        reopen = selectors.pending_reopen(month)
        names = {center.code: center.name for center in directory.cost_centers()}
        shown: dict[str, Any] = {
            "month": month,
            "month_name": presentation.month(month),
            "run": run,
            "published": published,
            "history": parts.history_of(month),
            "reopen": reopen,
            "reopened": run is not None
            and run.state is RunState.FINISHED
            and periods.period(month).state is not State.CLOSED,
            "may_run": self.actor.may(Scope.CLOSE_RUN),
            "may_agree": reopen is not None
            and self.actor.may(Scope.APPROVALS_DECIDE)
            and self.actor.label != reopen.requested_by,
            "currency": tenants.current().currency,
        }
        if run is not None:
            shown |= {
                "work": parts.work_of(run),
                "checks": parts.checks_of(run),
                "consequences": parts.approval_consequences(run, shown["month_name"]),
                "seen": {"result_hash": run.result_hash},
            }
        if published is not None:
            shown |= {
                "receivers": parts.receivers_of(published, names),
                "proofs": parts.proofs_of(published),
            }
        return super().get_context_data(**(kwargs | shown))

    def _primary(self, period: PeriodFacts, run: CloseRunFacts | None) -> Action | None:
        """Return the one thing to do next, if this person may do it."""
        may_run = self.actor.may(Scope.CLOSE_RUN)
        live = run if run is not None and run.is_live else None
        if live is not None and live.state is RunState.WAITING:
            prepared = self.actor.user_id == live.prepared_by_user
            if self.actor.may(Scope.APPROVALS_DECIDE) and not prepared:
                return Action(label="Approve the close", icon="check", dialog="approve")
            return None
        if live is not None and live.state is RunState.FAILED and may_run:
            return Action(label="Try again", icon="refresh", dialog="start")
        if live is None and period.state is not State.CLOSED and may_run:
            begun = period.starts_at <= timezone.now()
            return Action(label="Close the month", icon="lock", dialog="start") if begun else None
        return None

    def _actions(self, period: PeriodFacts, run: CloseRunFacts | None) -> list[Action]:
        if not self.actor.may(Scope.CLOSE_RUN):
            return []
        found: list[Action] = []
        if run is not None and run.is_live and period.state is not State.CLOSED:
            if run.state in (RunState.WAITING, RunState.FAILED):
                found.append(Action(label="Prepare again", icon="refresh", dialog="again"))
            found.append(Action(label="Cancel the close", dialog="cancel", danger=True))
        latest = periods.latest_closed()
        can_reopen = latest is not None and latest.month == period.month
        if can_reopen and selectors.pending_reopen(period.month) is None:
            found.append(Action(label="Reopen", dialog="reopen", danger=True))
        return found


def _planned(period: PeriodFacts) -> list[Fact]:
    """Return what the schedule says of a month that is not closed."""
    plan = None if period.state is State.CLOSED else selectors.plan_of(period.month)
    if plan is None:
        return []
    return [
        Fact("Begins by itself", presentation.moment(plan.starts_at)),
        Fact("Due", presentation.moment(plan.due_at)),
    ]


def _facts(period: PeriodFacts, run: CloseRunFacts | None) -> list[Fact]:
    facts = [
        Fact("Begins", presentation.moment(period.starts_at)),
        Fact("Ends", presentation.moment(period.ends_at)),
    ]
    if period.frozen_at is not None:
        facts.append(Fact("Frozen", presentation.moment(period.frozen_at)))
    if period.closed_at is not None:
        facts.append(Fact("Closed", presentation.moment(period.closed_at)))
        facts.append(Fact("Approved by", period.approved_by))
    if run is not None:
        facts.append(Fact("Prepared by", run.prepared_by))
    return facts


class Progress(PageMixin, View):
    """Answers with the steps of the newest close, for a page that watches it."""

    scopes = _READ

    def get(self, request: HttpRequest, month: str) -> HttpResponse:
        run = selectors.latest(Month.parse(month))
        if run is None:
            raise Missing(f"The close of {month} has not been started.", code="close_not_found")
        answer = render(request, "components/steps.html", {"work": parts.work_of(run)})
        if run.state is not RunState.RUNNING and request.headers.get("HX-Request"):
            answer["HX-Refresh"] = "true"
        return answer


class _Deed(PageMixin, View):
    """Does one thing to a month and goes back to its page; a refusal is said there."""

    http_method_names = ["post", "options"]
    said = ""

    def post(self, request: HttpRequest, month: str) -> HttpResponse:
        parsed = Month.parse(month)
        try:
            self.do(parsed)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, self.said)
        return HttpResponseRedirect(reverse("closing:month", args=[parsed]))

    def do(self, month: Month) -> None:
        """Call the one service."""
        raise NotImplementedError

    def reason(self) -> str:
        """Return the reason that was typed."""
        return self.request.POST.get("reason", "").replace("\x00", "")[:2000]

    def live(self, month: Month) -> CloseRunFacts:
        """Return the newest close of the month.

        :raises Missing: when there is none.
        """
        run = selectors.latest(month)
        if run is None:
            raise Missing(f"The close of {month} has not been started.", code="close_not_found")
        return run


class Start(_Deed):
    """Starts the close, or takes it up."""

    scopes = _RUN
    said = "The close is running. This page follows it."

    def do(self, month: Month) -> None:
        enqueue(services.start_close(month=month, actor=self.actor, now=timezone.now()).id)


class Approve(_Deed):
    """Approves a waiting close."""

    scopes = _DECIDE
    said = "Approved. The statements are being numbered and sealed."

    def do(self, month: Month) -> None:
        run = services.approve(
            run=self.live(month).id,
            approver=self.actor,
            comment=self.reason(),
            now=timezone.now(),
            seen=self.request.POST.get("result_hash", ""),
        )
        enqueue(run.id)


class PrepareAgain(_Deed):
    """Makes the preview anew."""

    scopes = _RUN
    said = "The close is being prepared again."

    def do(self, month: Month) -> None:
        run = services.prepare_again(run=self.live(month).id, actor=self.actor, now=timezone.now())
        enqueue(run.id)


class Cancel(_Deed):
    """Gives a close up."""

    scopes = _RUN
    said = "The close is cancelled; the month takes entries again."

    def do(self, month: Month) -> None:
        services.cancel(
            run=self.live(month).id, actor=self.actor, reason=self.reason(), now=timezone.now()
        )
        enqueue_refresh(month)


class RequestReopen(_Deed):
    """Asks to reopen a closed month."""

    scopes = _RUN
    said = "Asked. Another person has to agree before the month opens."

    def do(self, month: Month) -> None:
        services.request_reopen(
            month=month, reason=self.reason(), actor=self.actor, now=timezone.now()
        )


class AgreeToReopen(_Deed):
    """Reopens a month as the second person."""

    scopes = _DECIDE
    said = "The month is open again."

    def do(self, month: Month) -> None:
        services.reopen(month=month, actor=self.actor, now=timezone.now())
        enqueue_refresh(month)


class WithdrawReopen(_Deed):
    """Takes the request to reopen back."""

    scopes = _RUN
    said = "The request is withdrawn; the month stays closed."

    def do(self, month: Month) -> None:
        services.withdraw_reopen(month=month, actor=self.actor, now=timezone.now())


DEEDS: Final[dict[str, Callable[..., Any]]] = {
    "close": Start.as_view(),
    "approve": Approve.as_view(),
    "prepare-again": PrepareAgain.as_view(),
    "cancel": Cancel.as_view(),
    "reopen": RequestReopen.as_view(),
    "reopen/agree": AgreeToReopen.as_view(),
    "reopen/withdraw": WithdrawReopen.as_view(),
}
