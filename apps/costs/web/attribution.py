"""The pages of attribution: what wants an owner, the rules, and what a rule would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.audit import selectors as audit
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Refusal
from apps.core.domain.months import Month
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Page
from apps.core.web.parts import Entry, Kpi
from apps.core.web.views import PageMixin
from apps.costs import selectors
from apps.costs.domain.unowned import Coverage, LooseValue
from apps.costs.web.forms import MappingForm, show_refusal
from apps.costs.web.months import month_asked, month_tabs
from apps.costs.web.rule_form import RuleForm, field_of, initial_of
from apps.directory import selectors as directory
from apps.directory import services
from apps.directory.domain.entries import is_code
from apps.directory.domain.rules import Rule
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.tenants import selectors as tenants

_TITLE: Final = "Tags and attribution"
_MOST: Final = 100
_WRITE: Final[dict[str, Scope | None]] = {
    "GET": Scope.DIRECTORY_WRITE,
    "POST": Scope.DIRECTORY_WRITE,
}
_POST: Final[dict[str, Scope | None]] = {"POST": Scope.DIRECTORY_WRITE}
_RULES: Final = (
    Column(key="name", label="Rule", link="url"),
    Column(key="priority", label="Priority", kind="quantity"),
    Column(key="match", label="When", kind="code"),
    Column(key="sets", label="Then", kind="code"),
    Column(key="valid_from", label="Valid from", kind="day", wide=True),
    Column(key="valid_to", label="Valid to", kind="day", wide=True),
    Column(key="version", label="Version", kind="quantity", wide=True),
)
_LOOSE: Final = (
    Column(key="what", label="What"),
    Column(key="value", label="Value", kind="code"),
    Column(key="effective", label="Cost", kind="money", currency_key="currency"),
    Column(key="act", label="Belongs to"),
)
_MOVES: Final = (
    Column(key="dimension", label="What"),
    Column(key="before", label="From", kind="code"),
    Column(key="after", label="To", kind="code"),
    Column(key="effective", label="Cost", kind="money", currency_key="currency"),
    Column(key="lines", label="Lines", kind="quantity"),
)


class Attribution(PageMixin, TemplateView):
    """Shows how much cost has an owner, what has none, and the rules."""

    template_name = "costs/attribution.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.DIRECTORY_WRITE}

    def page(self) -> Page:
        new = Action(label="New rule", url=reverse("costs:new_rule"), icon="plus")
        return Page(
            title=_TITLE,
            subtitle="Six tags name the owner by themselves: team, product, feature, customer, "
            "experiment, environment. Rules come first, the lowest priority before the others.",
            crumbs=[Crumb("Settings")],
            primary=new,
            tabs=month_tabs(ListState.of(self.request)),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        state = ListState.of(self.request)
        month = month_asked(state)
        coverage, loose = selectors.loose_values(month=month, actor=self.actor)
        currency = tenants.current().currency
        return super().get_context_data(
            kpis=_kpis(coverage, currency),
            list=_loose_list(loose, state, currency),
            rules=_rule_list(state),
            targets=_targets(month),
            is_closed=periods.period(month).state is State.CLOSED,
            **kwargs,
        )


class MapValue(PageMixin, View):
    """Lets a value that senders use stand for a registered code."""

    http_method_names = ["post"]
    scopes = _POST

    def post(self, request: HttpRequest) -> HttpResponse:
        form = MappingForm(request.POST)
        if not form.is_valid():
            raise Invalid("Choose to whom the value belongs.", code="mapping")
        try:
            services.map_tag_value(**form.cleaned_data, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            value, target = form.cleaned_data["value"], form.cleaned_data["target"]
            messages.success(request, f"{value} now belongs to {target}.")
        return HttpResponseRedirect(reverse("costs:attribution"))


class PreviewRule(PageMixin, View):
    """Answers with what a rule would change in the present month."""

    http_method_names = ["post"]
    scopes = _POST

    def post(self, request: HttpRequest) -> HttpResponse:
        form = RuleForm(_named(request))
        moved: DataList | None = None
        wrong = ""
        if form.is_valid():
            try:
                rule = form.to_rule()
                services.check_rule(rule=rule)
                moved = _moved(rule, ListState.of(request), self.actor)
            except Refusal as refusal:
                is_empty = [error.field for error in refusal.errors] == ["sets"]
                wrong = "" if is_empty else refusal.message
        return render(request, "costs/rule_preview.html", {"list": moved, "wrong": wrong})


class _RulePage(PageMixin, FormView):  # type: ignore[type-arg]
    template_name = "costs/rule_form.html"
    form_class = RuleForm
    scopes = _WRITE

    @property
    def crumbs(self) -> list[Crumb]:
        """Return the way to this page."""
        return [Crumb("Settings"), Crumb(_TITLE, reverse("costs:attribution"))]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("costs:attribution"), **kwargs)

    def form_valid(self, form: RuleForm) -> HttpResponse:
        try:
            self.save(form.to_rule())
        except Refusal as refusal:
            show_refusal(form, refusal, field_of)
            return self.form_invalid(form)
        messages.success(self.request, "The rule is in force; open months follow it at once.")
        return HttpResponseRedirect(reverse("costs:attribution"))

    def save(self, rule: Rule) -> None:
        """Call the service."""
        raise NotImplementedError


class NewRule(_RulePage):
    """Puts a new rule in force."""

    def page(self) -> Page:
        return Page(title="New rule", crumbs=self.crumbs)

    def save(self, rule: Rule) -> None:
        services.add_rule(rule=rule, actor=self.actor, now=timezone.now())


class EditRule(_RulePage):
    """Records a new version of a rule."""

    def page(self) -> Page:
        rule = self._rule
        return Page(
            title=rule.name,
            subtitle=f"Version {rule.version}. What you save is a new version; the earlier ones "
            "stay on record, and closed months keep them.",
            crumbs=self.crumbs,
            actions=[Action(label="Retire it", dialog="retire", danger=True)],
        )

    def get_initial(self) -> dict[str, Any]:
        return initial_of(self._rule)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "fixed_name": self._rule.name}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(rule=self._rule, entries=_told(self._rule), **kwargs)

    def save(self, rule: Rule) -> None:
        services.revise_rule(rule=rule, actor=self.actor, now=timezone.now())

    @property
    def _rule(self) -> Rule:
        return directory.rule(public_id=str(self.kwargs["public_id"]))


class RetireRule(PageMixin, View):
    """Lets a rule hold no longer, for every day that is not closed."""

    http_method_names = ["post"]
    scopes = _POST

    def post(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        rule = directory.rule(public_id=str(public_id))
        services.retire_rule(name=rule.name, on=None, actor=self.actor, now=timezone.now())
        messages.success(request, "The rule is retired; open months follow at once.")
        return HttpResponseRedirect(reverse("costs:attribution"))


def _kpis(coverage: Coverage, currency: str) -> list[Kpi]:
    return [
        Kpi(
            label="Cost with an owner",
            value=coverage.share,
            kind="pct",
            help="Effective cost of the month whose cost center is not the unallocated one.",
        ),
        Kpi(label="Without an owner", value=coverage.unowned, currency=currency),
        Kpi(
            label="With an unregistered value",
            value=coverage.unregistered,
            currency=currency,
            help="A team, product, feature or customer that is in no register.",
        ),
    ]


def _loose_list(loose: Sequence[LooseValue], state: ListState, currency: str) -> DataList:
    return DataList(
        key="loose",
        caption="Values that lead to no entry, the dearest first",
        columns=_LOOSE,
        rows=[
            {
                "what": _what(each),
                "dimension": each.dimension,
                "tag": each.tag,
                "value": each.value,
                "may_register": each.tag == each.dimension and is_code(each.value),
                "effective": each.effective,
                "currency": currency,
                "number": number,
            }
            for number, each in enumerate(loose[:_MOST])
        ],
        state=state,
        row_template="costs/loose_row.html",
        empty=Empty(
            title="Everything has an owner",
            text="Every value that senders used this month is registered.",
            icon="circle-check",
        ),
    )


def _what(loose: LooseValue) -> str:
    if not loose.tag:
        return "No team, and nothing to tell it by"
    if loose.tag == loose.dimension:
        return f"Unregistered {loose.dimension}"
    return f"No team, {loose.tag}"


def _rule_list(state: ListState) -> DataList:
    rows = [
        {
            "name": rule.name,
            "url": reverse("costs:rule", args=[rule.public_id]),
            "priority": rule.priority,
            "match": _in_words(rule.match.as_json()) or "everything",
            "sets": _in_words(rule.sets_as_json()),
            "valid_from": rule.valid_from,
            "valid_to": rule.valid_to,
            "version": rule.version,
        }
        for rule in directory.rules()
    ]
    return DataList(
        key="rules",
        caption="Rules in the order in which they are asked",
        columns=_RULES,
        rows=rows,
        state=state,
        empty=Empty(
            title="No rules yet",
            text="Without rules the tags name the owner by themselves.",
            icon="git-branch",
        ),
    )


def _in_words(written_form: Mapping[str, object]) -> str:
    parts = []
    for key, value in written_form.items():
        if isinstance(value, Mapping):
            parts += [f"{name}={_listed(inner)}" for name, inner in value.items()]
        else:
            parts.append(f"{key}={_listed(value)}")
    return ", ".join(parts)


def _listed(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _targets(month: Month) -> dict[str, list[tuple[str, str]]]:
    on = month.last_day
    return {
        "team": [(each.code, each.name) for each in directory.teams(on)],
        "product": [(each.code, each.name) for each in directory.products(on)],
        "feature": [(each.code, each.name) for each in directory.features(on)],
        "customer": [(each.code, each.name) for each in directory.customers(on)],
    }


def _moved(rule: Rule, state: ListState, actor: Any) -> DataList:
    currency = tenants.current().currency
    moved = selectors.preview_rule(month=month_asked(state), rule=rule, actor=actor)
    return DataList(
        key="moves",
        caption="What this month's cost would do",
        columns=_MOVES,
        rows=[
            {
                "dimension": move.dimension.replace("_", " "),
                "before": move.before or "nobody",
                "after": move.after or "nobody",
                "effective": move.effective,
                "currency": currency,
                "lines": move.lines,
            }
            for move in moved[:_MOST]
        ],
        state=state,
        empty=Empty(
            title="Nothing would move",
            text="No line of this month changes its owner.",
            icon="check",
        ),
    )


def _named(request: HttpRequest) -> Any:
    """Return the form's data; a field that the browser does not send is the rule's own name."""
    entered = request.POST.copy()
    if not entered.get("name"):
        entered["name"] = request.GET.get("name", "preview")[:120] or "preview"
    return entered


def _told(rule: Rule) -> list[Entry]:
    history = audit.history(subject="attribution_rule", subject_id=str(rule.public_id))
    return [
        Entry(
            at=one.at,
            actor=one.actor,
            text=_DEEDS.get(one.action, one.action),
            detail=f"version {one.detail['version']}" if "version" in one.detail else "",
            mark=one.hash[:12],
        )
        for one in reversed(history)
    ]


_DEEDS: Final = {
    "attribution_rule.added": "put it in force",
    "attribution_rule.changed": "changed it",
    "attribution_rule.retired": "retired it",
}
