"""The pages of budgets: budget against actual, the tree, one budget with its burn-down, forms."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView
from django.views.generic.base import View

from apps.audit import selectors as trail
from apps.budgets import selectors, services
from apps.budgets.domain.scope import KEYS
from apps.budgets.selectors import Foreseen, Standing
from apps.budgets.web import figures
from apps.budgets.web.forms import BudgetForm, RaiseForm, SnoozeForm, kept_budget, new_budget
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.directory import selectors as directory
from apps.tenants import selectors as tenants

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BUDGETS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.BUDGETS_WRITE, "POST": Scope.BUDGETS_WRITE}
_ROOT: Final = Crumb("Budgets", "/budgets/")
_STATES: Final = (
    ("ok", "Within limit"),
    ("near", "Near the limit"),
    ("forecast_over", "Forecast over the limit"),
    ("over", "Over"),
)
_NEW: Final = Action(label="New budget", icon="plus", url="/budgets/new/")
_EMPTY: Final = Empty(
    title="No budgets yet",
    text="A budget limits what a team, a model, a feature or any combination of them may spend.",
    icon="wallet",
)
_COLUMNS: Final = (
    Column(key="name", label="Budget", link="url", sortable=True),
    Column(key="state", label="State", kind="badge"),
    Column(key="limit", label="Limit", kind="money", currency_key="currency", sortable=True),
    Column(key="spent", label="Spent", kind="money", currency_key="currency", sortable=True),
    Column(
        key="left",
        label="Left",
        kind="money",
        currency_key="currency",
        sortable=True,
        help="What is neither spent nor held by authorizations that are not settled yet.",
    ),
    Column(key="used", label="Used", kind="pct", sortable=True),
    Column(
        key="forecast",
        label="Forecast",
        kind="money",
        currency_key="currency",
        wide=True,
        help="What will have been spent at the end of the window; of rolling days, what they will "
        "hold at most.",
    ),
    Column(key="about", label="Scope and window", wide=True),
)


def today() -> date:
    """Return the present day in the tenant's timezone."""
    return local_day(timezone.now(), tenants.current().timezone)


class Budgets(PageMixin, TemplateView):
    """Lists the budgets against what was spent, as a table or along the tree of cost centers."""

    template_name = "budgets/list.html"
    scopes = _READ

    def page(self) -> Page:
        is_tree = self._state.get("view") == "tree"
        return Page(
            title="Budgets",
            subtitle="Budget against actual, live to the last event.",
            crumbs=[],
            primary=_NEW if self.actor.may(Scope.BUDGETS_WRITE) else None,
            tabs=[
                Tab(label="Table", url="/budgets/", active=not is_tree),
                Tab(label="By team", url="/budgets/?view=tree", active=is_tree),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self._state.export:
            return list_response(self._list(), filename="budgets")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if self._state.get("view") == "tree":
            return super().get_context_data(branches=self._tree(), empty=_EMPTY, **kwargs)
        return super().get_context_data(list=self._list(), **kwargs)

    @cached_property
    def _state(self) -> ListState:
        return ListState.of(self.request)

    @cached_property
    def _standings(self) -> list[Standing]:
        is_retired = self._state.get("state") == "retired"
        return selectors.standings(actor=self.actor, on=today(), with_retired=is_retired)

    @cached_property
    def _rows(self) -> list[figures.Row]:
        ahead = selectors.foreseen(standings=self._standings, today=today())
        return [figures.row_of(one, ahead.get(one.budget.key)) for one in self._standings]

    def _list(self) -> DataList:
        state = self._state
        words, wanted = state.get("q").lower(), state.get("state")
        rows = [
            row
            for row in self._rows
            if words in f"{row.name} {row.about}".lower() and wanted in ("", row.state)
        ]
        return DataList(
            key="budgets",
            caption="Budgets in their present windows",
            columns=_COLUMNS,
            rows=_sorted(rows, state.sort),
            state=state,
            search="Search a name or a code",
            filters=[
                Filter(key="state", label="State", options=(*_STATES, ("retired", "Retired")))
            ],
            exports=("csv", "xlsx"),
            empty=_EMPTY,
        )

    def _tree(self) -> list[figures.Branch]:
        on = today()
        centers = {one.code: (one.name, one.parent) for one in directory.cost_centers(on)}
        teams = {one.code: one.cost_center for one in directory.teams(on)}
        scopes = {
            str(one.budget.id): one.budget.scope.get("cost_center", "") for one in self._standings
        }
        return figures.tree(self._rows, centers=centers, centers_of_teams=teams, scopes=scopes)


class BudgetPage(PageMixin, TemplateView):
    """Shows one budget: its counters, its burn-down with the forecast, holds, alerts, history."""

    template_name = "budgets/budget.html"
    scopes = _READ

    def page(self) -> Page:
        budget = self._standing.budget
        may = self.actor.may(Scope.BUDGETS_WRITE) and budget.is_live and not budget.is_grant
        return Page(
            title=budget.name,
            crumbs=[_ROOT],
            status=selectors.state_of(self._standing, self._ahead),
            primary=Action(label="Edit", icon="edit", url=f"{self._url}edit/") if may else None,
            actions=[
                Action(label="Raise for a while", icon="plus", dialog="raise"),
                Action(label="Snooze alerts", icon="clock", dialog="snooze"),
                Action(label="Retire", icon="trash", dialog="retire", danger=True),
            ]
            if may
            else [],
            facts=[
                Fact("Scope", budget.label),
                Fact("Window", figures.window_text(self._standing)),
                Fact("At the limit", "refuse" if budget.is_hard else "warn"),
                Fact("Owners", ", ".join(budget.owners) or "finance"),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        one, on, now = self._standing, today(), timezone.now()
        ahead = self._ahead
        return super().get_context_data(
            standing=one,
            kpis=figures.kpis(one, ahead),
            chart=figures.burn(one, ahead, on),
            holds=selectors.held_in(budget=one.budget),
            alerts=selectors.alerts_of(budget=one.budget),
            raises=selectors.raises(budget=one.budget),
            windows=selectors.windows(budget=one.budget)[:12],
            snoozed=selectors.snoozed_until(budget=one.budget, now=now),
            entries=[
                Entry(at=entry.at, actor=entry.actor, text=entry.action.replace(".", " "))
                for entry in trail.history(subject="budget", subject_id=str(one.budget.id))
            ],
            raise_form=RaiseForm(auto_id="raise-%s"),
            snooze_form=SnoozeForm(auto_id="snooze-%s"),
            currency=one.budget.currency,
            now=now,
            **kwargs,
        )

    @cached_property
    def _standing(self) -> Standing:
        return selectors.standing(budget=self.kwargs["budget"], actor=self.actor, on=today())

    @cached_property
    def _ahead(self) -> Foreseen:
        found = selectors.foreseen(standings=[self._standing], today=today())
        return found[self._standing.budget.key]

    @property
    def _url(self) -> str:
        return reverse("budgets:budget", args=[self.kwargs["budget"]])


class _Write(PageMixin, TemplateView):
    """A form of a budget."""

    template_name = "budgets/form.html"
    scopes = _WRITE
    submit: ClassVar[str]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._shown(BudgetForm(initial=self.initial()))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = BudgetForm(request.POST)
        if form.is_valid():
            try:
                return HttpResponseRedirect(self.keep(form))
            except Refusal as refusal:
                show(form, refusal)
        return self._shown(form, status=422)

    def initial(self) -> dict[str, Any]:
        """Return what the form begins with."""
        raise NotImplementedError

    def keep(self, form: BudgetForm) -> str:
        """Keep what was entered; return where to go."""
        raise NotImplementedError

    def _shown(self, form: BudgetForm, status: int = 200) -> HttpResponse:
        context = self.get_context_data(
            form=form, codes=codes(), submit=self.submit, cancel_url="/budgets/"
        )
        return self.render_to_response(context, status=status)

    def warn(self, form: BudgetForm) -> None:
        """Tell which codes nobody registered."""
        for text in selectors.warnings_of(scope=form.scope, on=today()):
            messages.warning(self.request, text)


class NewBudget(_Write):
    """Sets a budget."""

    submit = "Set the budget"

    def page(self) -> Page:
        return Page(
            title="New budget",
            subtitle="What was spent in its window already counts from the first moment on.",
            crumbs=[_ROOT],
        )

    def initial(self) -> dict[str, Any]:
        return new_budget(tenants.current().currency)

    def keep(self, form: BudgetForm) -> str:
        made = services.create(draft=form.to_draft(), actor=self.actor, now=timezone.now())
        self.warn(form)
        messages.success(self.request, "The budget is set.")
        return reverse("budgets:budget", args=[made])


class EditBudget(_Write):
    """Changes a budget from its present window on."""

    submit = "Save the budget"

    def page(self) -> Page:
        return Page(
            title=f"Edit {self._standing.budget.name}",
            subtitle="Past windows keep their limit. Window, first day and currency stay.",
            crumbs=[_ROOT, Crumb(self._standing.budget.name, self._url)],
        )

    def initial(self) -> dict[str, Any]:
        return kept_budget(self._standing.budget)

    def keep(self, form: BudgetForm) -> str:
        services.change(
            budget=self.kwargs["budget"],
            draft=form.to_draft(),
            actor=self.actor,
            now=timezone.now(),
        )
        self.warn(form)
        messages.success(self.request, "The budget is saved.")
        return self._url

    @cached_property
    def _standing(self) -> Standing:
        return selectors.standing(budget=self.kwargs["budget"], actor=self.actor, on=today())

    @property
    def _url(self) -> str:
        return reverse("budgets:budget", args=[self.kwargs["budget"]])


class _Deed(PageMixin, View):
    """A deed on a budget, posted from its page."""

    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.BUDGETS_WRITE}
    done: ClassVar[str]

    def post(self, request: HttpRequest, budget: UUID) -> HttpResponse:
        """Do it, and go back to the page with what came of it."""
        try:
            self.do(budget)
        except Refusal as refusal:
            messages.error(request, _in_words(refusal))
        else:
            messages.success(request, self.done)
        return HttpResponseRedirect(reverse("budgets:budget", args=[budget]))

    def do(self, budget: UUID) -> None:
        """Do it."""
        raise NotImplementedError


class RaiseBudget(_Deed):
    """Raises a limit for a while."""

    done = "The limit is raised until then."

    def do(self, budget: UUID) -> None:
        form = RaiseForm(self.request.POST)
        if not form.is_valid():
            raise services.BudgetRefused(first_error(form))
        services.raise_limit(
            budget=budget, **form.cleaned_data, actor=self.actor, now=timezone.now()
        )


class SnoozeBudget(_Deed):
    """Holds back alerts for a while."""

    done = "Its alerts are held back until then."

    def do(self, budget: UUID) -> None:
        form = SnoozeForm(self.request.POST)
        if not form.is_valid():
            raise services.BudgetRefused(first_error(form))
        services.snooze(budget=budget, **form.cleaned_data, actor=self.actor, now=timezone.now())


class RetireBudget(_Deed):
    """Takes a budget out of force."""

    done = "The budget is retired; its figures stay."

    def do(self, budget: UUID) -> None:
        services.retire(budget=budget, actor=self.actor, now=timezone.now())


def _in_words(refusal: Refusal) -> str:
    """Return a refusal with its fields by the labels that people see."""
    labels = {"amount": "Amount", "expires_at": "Until", "until": "Until", "reason": "Reason"}
    said = [f"{labels.get(one.field, one.field)}: {one.message}" for one in refusal.errors]
    return " ".join(said) or refusal.message


def first_error(form: Any) -> str:
    """Return the first thing that is wrong with a form, in words."""
    field, errors = next(iter(form.errors.items()))
    return f"{form.fields[field].label or field.replace('_', ' ').capitalize()}: {errors[0]}"


def show(form: Any, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        name = wrong.field.replace("scope.", "scope_").replace("rollover.", "")
        name = name.removeprefix("rules.")
        name = "unused_cap" if name == "rollover" else name
        form.add_error(name if name in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


def codes() -> dict[str, list[str]]:
    """Return the registered codes by key of scopes, for suggestions."""
    on = today()
    found = {
        "team": [one.code for one in directory.teams(on)],
        "cost_center": [one.code for one in directory.cost_centers(on)],
        "product": [one.code for one in directory.products(on)],
        "feature": [one.code for one in directory.features(on)],
        "customer": [one.code for one in directory.customers(on)],
        "environment": ["production", "staging", "development"],
    }
    return {key: found.get(key, []) for key in KEYS}


def _sorted(rows: list[figures.Row], sort: str) -> list[figures.Row]:
    key = sort.lstrip("-")
    if key not in {"name", "limit", "spent", "left", "used"}:
        return rows
    known = [row for row in rows if getattr(row, key) is not None]
    rest = [row for row in rows if getattr(row, key) is None]
    return sorted(known, key=lambda row: getattr(row, key), reverse=sort.startswith("-")) + rest
