"""The pages of drivers: values by receiver and month that rules split cost by."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.generic import FormView, TemplateView

from apps.allocation import selectors, services
from apps.allocation.domain.driver_rows import DriverRows, RowProblem
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.sight import require_everything
from apps.allocation.selectors import DriverFacts, DriverMissing, DriverVersion
from apps.allocation.web.driver_forms import DriverForm
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Invalid, Refusal
from apps.core.domain.months import Month, local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[dict[str, Scope | None]] = {
    "GET": Scope.ALLOCATION_WRITE,
    "POST": Scope.ALLOCATION_WRITE,
}
_AXES: Final = {Axis.TEAM: "teams", Axis.CUSTOMER: "customers"}
_COLUMNS: Final = (
    Column(key="code", label="Driver", link="url"),
    Column(key="month", label="Month", kind="month"),
    Column(key="over", label="Over"),
    Column(
        key="receivers",
        label="Receivers",
        kind="quantity",
        help="Receivers with a value; zero withdraws one.",
    ),
    Column(key="total", label="Total", kind="quantity", help="In the driver's own unit."),
    Column(key="entered_at", label="Entered", kind="when"),
    Column(key="entered_by", label="By"),
)
_VALUE_COLUMNS: Final = (
    Column(key="receiver", label="Receiver"),
    Column(key="value", label="Value", kind="quantity", help="In the driver's own unit."),
    Column(key="share", label="Share", kind="pct", help="Of the total of all receivers."),
    Column(key="before", label="Version before", kind="quantity", wide=True),
)
_PROBLEM_COLUMNS: Final = (
    Column(key="where", label="Where"),
    Column(key="text", label="Row", kind="code"),
    Column(key="remedy", label="What to do", prose=True),
)


class _DriverMixin(PageMixin):
    """Closes the page to whoever may see only some of the cost, as the API does."""

    def _require(self, method: str) -> None:
        super()._require(method)
        require_everything(self.actor)

    def _enter(self, label: str, **initial: str) -> Action | None:
        if not self.actor.may(Scope.ALLOCATION_WRITE):
            return None
        query = f"?{urlencode(initial)}" if initial else ""
        return Action(label=label, url=reverse("allocation:driver_new") + query, icon="upload")


class Drivers(_DriverMixin, TemplateView):
    """Lists the drivers that were entered, the newest month first."""

    template_name = "allocation/drivers.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Drivers",
            subtitle="Values by receiver and month, such as headcount, that rules split shared "
            "cost by. Tokens, requests, cost and outcomes are measured and need no entry.",
            crumbs=_crumbs()[:-1],
            primary=self._enter("Enter values"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="drivers")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        state, found = ListState.of(self.request), selectors.drivers()
        wanted = {key: state.get(key) for key in ("month", "axis")}
        rows = [
            _row(one)
            for one in found
            if wanted["month"] in ("", str(one.month))
            and wanted["axis"] in ("", one.axis.value)
            and state.get("q").casefold() in one.code
        ]
        return DataList(
            key="drivers",
            caption="Drivers",
            columns=_COLUMNS,
            rows=rows,
            state=state,
            search="Search driver" if found else "",
            filters=_filters(found) if found else (),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No drivers yet",
                text="Enter values such as headcount by team; then a rule that is proportional "
                "can name them as its driver.",
                icon="scale",
                action=self._enter("Enter values"),
            ),
        )


class DriverPage(_DriverMixin, TemplateView):
    """Shows the values of a driver in a month, as they stand or as an earlier version had them."""

    template_name = "allocation/driver.html"
    scopes = _READ

    def page(self) -> Page:
        code, shown = self.kwargs["code"], self._shown
        rules = [
            one.rule.name or one.rule.code
            for one in selectors.standing(self._month)
            if not one.is_ended and (one.rule.driver, one.rule.axis) == (code, self._axis)
        ]
        return Page(
            title=f"{code} in {presentation.month(self._month)}",
            crumbs=_crumbs(),
            primary=self._change() if self._month in _months() else None,
            facts=[
                Fact("Over", _AXES[self._axis]),
                Fact("Receivers", str(sum(1 for value in shown.values.values() if value))),
                Fact("Total", presentation.quantity(_total(shown.values))),
                Fact("Version", f"{shown.number} of {len(self._versions)}"),
                Fact("Entered by", shown.entered_by),
                Fact("Used by", ", ".join(rules) or "no rule of this month"),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename=f"driver-{self.kwargs['code']}-{self._month}")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(versions=self._versions, shown=self._shown, **kwargs)

    def _list(self) -> DataList:
        values, total = self._shown.values, _total(self._shown.values)
        before = {one.number: one.values for one in self._versions}.get(self._shown.number - 1, {})
        rows = [
            {
                "receiver": receiver,
                "value": value.normalize(),
                "share": value / total if total else None,
                "before": before[receiver].normalize() if receiver in before else None,
            }
            for receiver, value in sorted(values.items())
        ]
        return DataList(
            key="values",
            caption="Values by receiver",
            columns=_VALUE_COLUMNS,
            rows=rows,
            state=ListState.of(self.request),
            totals={"value": total},
            exports=("csv", "xlsx"),
        )

    def _change(self) -> Action | None:
        return self._enter(
            "Change values",
            code=self.kwargs["code"],
            month=str(self._month),
            axis=self._axis.value,
        )

    @cached_property
    def _month(self) -> Month:
        try:
            return Month.parse(self.kwargs["month"][:16])
        except Invalid as refusal:
            raise DriverMissing(refusal.message) from None

    @cached_property
    def _axis(self) -> Axis:
        try:
            return Axis(self.kwargs["axis"])
        except ValueError:
            raise DriverMissing("Drivers are over team or customer.") from None

    @cached_property
    def _versions(self) -> list[DriverVersion]:
        return selectors.driver_versions(
            code=self.kwargs["code"], axis=self._axis, month=self._month
        )

    @cached_property
    def _shown(self) -> DriverVersion:
        wanted = self.request.GET.get("version", "")
        if not wanted:
            return self._versions[0]
        for one in self._versions:
            if str(one.number) == wanted:
                return one
        raise DriverMissing(f"There is no version {wanted[:16]} of this driver in {self._month}.")


class EnterDriver(_DriverMixin, FormView):  # type: ignore[type-arg]
    """Enters values: tries the rows first when asked to, and stores all of them or none."""

    template_name = "allocation/driver_form.html"
    form_class = DriverForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Enter driver values",
            subtitle="Receivers that you do not name keep their value; zero withdraws one.",
            crumbs=_crumbs(),
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "months": _months()}

    def get_initial(self) -> dict[str, Any]:
        """Fill in what a link names, with the values that stand there."""
        asked = {name: self.request.GET.get(name, "")[:64] for name in ("code", "month", "axis")}
        month = next((one for one in _months() if str(one) == asked["month"]), _months()[0])
        found = {**asked, "month": str(month), "axis": asked["axis"] or Axis.TEAM.value}
        if asked["code"] and found["axis"] in {one.value for one in Axis}:
            values = selectors.uploaded(month, Axis(found["axis"])).get(asked["code"], {})
            lines = [f"{code},{plain_decimal(value)}" for code, value in sorted(values.items())]
            found["lines"] = "\n".join(lines)
        return found

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("allocation:drivers"), **kwargs)

    def form_valid(self, form: DriverForm) -> HttpResponse:
        asked = {
            "code": form.cleaned_data["code"],
            "axis": Axis(form.cleaned_data["axis"]),
            "month": Month.parse(form.cleaned_data["month"]),
            "values": form.rows.values,
        }
        problems = _problems(form, services.driver_errors(**asked))
        if form.errors or problems:
            return self._again(form, list=self._listed(problems) if problems else None)
        if "preview" in self.request.POST:
            return self._again(form, preview=_preview(form.rows, asked))
        try:
            changed = services.set_driver_values(**asked, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            return self.form_invalid(form)
        self._say(changed)
        names = ("month", "axis", "code")
        return HttpResponseRedirect(
            reverse("allocation:driver", args=[form.cleaned_data[name] for name in names])
        )

    def _again(self, form: DriverForm, **shown: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form, **shown))

    def _listed(self, problems: list[RowProblem]) -> DataList:
        return DataList(
            key="problems",
            caption="Rows to mend",
            columns=_PROBLEM_COLUMNS,
            rows=[
                {"where": f"Line {one.line:,}", "text": one.text, "remedy": one.remedy}
                for one in problems
            ],
            state=ListState.of(self.request),
            row_key="where",
        )

    def _say(self, changed: int) -> None:
        if changed:
            word = "value is" if changed == 1 else "values are"
            messages.success(self.request, f"{presentation.quantity(changed)} {word} entered.")
        else:
            messages.info(self.request, "Nothing changed: these values stand already.")


def _problems(form: DriverForm, errors: list[Any]) -> list[RowProblem]:
    """Return every wrong row by its line; what is wrong with the code goes beside its field."""
    problems = list(form.rows.problems)
    for error in errors:
        receiver = error.field.removeprefix("values.")
        if receiver not in form.rows.rows or error.field == "code":
            form.add_error("code", error.message)
            continue
        remedy = error.message
        if error.code == "unknown_receiver":
            remedy += " Write the code of one that is, or register it in the organization first."
        problems.append(form.rows.problem(receiver, remedy))
    if problems:
        rows = "1 row is" if len(problems) == 1 else f"{len(problems):,} rows are"
        form.add_error("lines", f"{rows} wrong, so nothing is stored; each is listed by its line.")
    return sorted(problems)


def _preview(rows: DriverRows, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what storing would change, and the totals before and after."""
    values = rows.values
    before = selectors.uploaded(asked["month"], asked["axis"]).get(asked["code"], {})
    after = {**before, **values}
    new = sum(1 for code in values if code not in before)
    changed = sum(1 for code, value in values.items() if before.get(code, value) != value)
    kept = sum(1 for code, value in before.items() if value and code not in values)
    return {
        "counts": f"{new:,} new, {changed:,} changed, {len(values) - new - changed:,} as they are, "
        f"{kept:,} not named and kept",
        "totals": [
            ("Total of these rows", _total(values)),
            ("Total of the month now", _total(before)),
            ("Total of the month then", _total(after)),
            ("Receivers with a value then", sum(1 for value in after.values() if value)),
        ],
    }


def _total(values: Mapping[str, Decimal]) -> Decimal:
    return Decimal(plain_decimal(sum(values.values(), Decimal(0))))


def _row(one: DriverFacts) -> dict[str, Any]:
    names = ("code", "month", "receivers", "entered_at", "entered_by")
    return {
        **{name: getattr(one, name) for name in names},
        "id": f"{one.month}/{one.axis.value}/{one.code}",
        "over": _AXES[one.axis],
        "total": Decimal(plain_decimal(one.total)),
        "url": reverse("allocation:driver", args=[one.month, one.axis.value, one.code]),
    }


def _filters(found: list[DriverFacts]) -> tuple[Filter, ...]:
    months = sorted({one.month for one in found}, reverse=True)
    return (
        Filter(
            key="month",
            label="Month",
            options=[(str(month), presentation.month(month)) for month in months],
        ),
        Filter(
            key="axis",
            label="Over",
            options=[(axis.value, words.capitalize()) for axis, words in _AXES.items()],
        ),
    )


def _crumbs() -> list[Crumb]:
    return [
        Crumb("Months", "/month/"),
        Crumb("Allocation rules", reverse("allocation:rules")),
        Crumb("Drivers", reverse("allocation:drivers")),
    ]


def _months() -> list[Month]:
    """Return the months that take values: the present one first, earlier ones, then the next."""
    today = Month.of(local_day(timezone.now(), tenants.current().timezone))
    found = [
        period.month
        for period in periods.calendar().periods
        if period.state.value != "closed" and period.month <= today + 1
    ]
    past = sorted((month for month in found if month <= today), reverse=True)
    return [*past, *(month for month in found if month > today)] or [today]
