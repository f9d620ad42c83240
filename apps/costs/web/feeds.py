"""The pages of feeds: what each tells side by side, and the choice of which one counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.catalog.domain.meters import meter_facts
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Crumb, Page
from apps.core.web.views import PageMixin
from apps.costs import selectors, services
from apps.costs.domain.accounts import Feed
from apps.costs.domain.feeds import FeedChange, FeedRow
from apps.costs.web.bills import source_tabs
from apps.costs.web.forms import show_refusal
from apps.costs.web.months import month_asked, month_filter
from apps.periods import selectors as periods

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_WRITE, "POST": Scope.BILLING_WRITE}
_FEEDS: Final = {"request": "single requests", "bucket": "provider's totals"}
_SAID: Final = {
    "model": "said of the model",
    "account": "said of the account",
    "nothing": "nobody said",
}
_COLUMNS: Final = (
    Column(key="model", label="Model"),
    Column(key="account", label="Account", wide=True),
    Column(key="meter", label="Meter"),
    Column(key="requests", label="Single requests", kind="quantity"),
    Column(key="buckets", label="Provider's totals", kind="quantity"),
    Column(
        key="difference",
        label="Difference",
        kind="pct",
        help="How far the requests are from the provider's totals.",
    ),
    Column(key="counted", label="What counts"),
)
_CHANGE: Final = Column(key="change", label="Choice", link="change_url")


@dataclass(frozen=True, slots=True)
class Row:
    """A meter of a model, as each feed tells it."""

    model: str
    account: str
    meter: str
    requests: Decimal | None
    buckets: Decimal | None
    difference: Decimal | None
    counted: str
    change: str
    change_url: str


class FeedsPage(PageMixin, TemplateView):
    """Lists what each feed tells of a month, and which one counts."""

    template_name = "costs/list.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Feeds",
            subtitle="Single requests and the provider's totals tell of the same usage. Of each "
            "account and model one counts; the other is kept, and compared.",
            crumbs=[Crumb("Sources")],
            tabs=source_tabs("feeds"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="feeds")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        month = month_asked(state)
        words = state.get("q").lower()
        may_change = self.actor.may(Scope.BILLING_WRITE) and not state.export
        rows = [_row(each) for each in selectors.feeds(month=month)]
        return DataList(
            key="feeds",
            caption=f"Usage by feed in {presentation.month(str(month))}",
            columns=(*_COLUMNS, _CHANGE) if may_change else _COLUMNS,
            rows=[row for row in rows if words in row.model.lower()],
            state=state,
            search="Search a model or provider",
            filters=[month_filter()],
            exports=("csv", "xlsx"),
            empty=Empty(title="No usage in this month", icon="cloud"),
        )


class FeedForm(forms.Form):
    """Which feed counts for a model of an account, or for all of it, from when on, and why."""

    account = forms.CharField(max_length=64, widget=forms.HiddenInput)
    model = forms.CharField(
        max_length=200,
        required=False,
        help_text="Empty: the whole account.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    feed = forms.ChoiceField(
        label="What counts",
        choices=[
            (Feed.REQUEST.value, "Single requests"),
            (Feed.BUCKET.value, "Provider's totals"),
            ("account", "What is said of the account"),
        ],
    )
    since = forms.ChoiceField(label="From", help_text="Closed months keep what they had.")
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["since"].choices = [  # type: ignore[attr-defined]
            (str(month), presentation.month(str(month))) for month in periods.open_months()
        ]

    def clean(self) -> dict[str, Any]:
        """Refuse to leave a whole account to itself."""
        entered = super().clean() or {}
        if entered.get("feed") == "account" and not entered.get("model"):
            self.add_error("feed", "Choose requests or totals for the whole account.")
        return entered

    @property
    def chosen(self) -> Feed | None:
        """Return the feed; None leaves the model to its account."""
        feed = self.cleaned_data["feed"]
        return None if feed == "account" else Feed(feed)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What the choice changes in a month."""

    month: str
    before: str
    after: str


class ChangeFeed(PageMixin, TemplateView):
    """Shows what another choice would change, and makes it."""

    template_name = "costs/feed_form.html"
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="What counts",
            subtitle=f"Of the provider account {self._code}.",
            crumbs=[Crumb("Sources"), Crumb("Feeds", reverse("costs:feeds"))],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked = request.GET.get("preview") == "yes"
        form = FeedForm(request.GET) if asked else FeedForm(initial=self._initial)
        return self.render_to_response(self._context(form, asked=asked))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = FeedForm(request.POST)
        if form.is_valid():
            try:
                self._say(form)
            except Refusal as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, "The choice is in force; closed months keep theirs.")
                return HttpResponseRedirect(reverse("costs:feeds"))
        return self.render_to_response(self._context(form, asked=False), status=422)

    @cached_property
    def _code(self) -> str:
        asked: Mapping[str, str] = self.request.POST or self.request.GET
        return asked.get("account", "").replace("\x00", "")[:64]

    @property
    def _initial(self) -> dict[str, str]:
        months = periods.open_months()
        return {
            "account": self._code,
            "model": self.request.GET.get("model", "").replace("\x00", ""),
            "since": str(months[0]) if months else "",
        }

    def _say(self, form: FeedForm) -> None:
        entered, since = form.cleaned_data, Month.parse(form.cleaned_data["since"])
        if entered["model"]:
            services.say_model_feed(
                code=entered["account"],
                model=entered["model"],
                feed=form.chosen,
                since=since,
                reason=entered["reason"],
                actor=self.actor,
                now=timezone.now(),
            )
            return
        account = selectors.accounts(since).by_code(entered["account"])
        if account is None or form.chosen is None:
            raise services.AccountRefused("Choose a declared account.", code="account")
        services.change_truth(
            code=account.code,
            truth=account.truth,
            feed=form.chosen,
            since=since,
            actor=self.actor,
            now=timezone.now(),
        )

    def _context(self, form: FeedForm, *, asked: bool) -> dict[str, Any]:
        return self.get_context_data(
            form=form,
            changes=self._foreseen(form) if asked else None,
            cancel_url=reverse("costs:feeds"),
        )

    def _foreseen(self, form: FeedForm) -> list[ChangeRow] | None:
        if not form.is_valid():
            return None
        entered = form.cleaned_data
        try:
            found = selectors.foresee_feed(
                code=entered["account"],
                model=entered["model"],
                feed=form.chosen,
                since=Month.parse(entered["since"]),
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return None
        return [_change(each) for each in found]


def _row(row: FeedRow) -> Row:
    query = urlencode({"account": row.code, "model": row.model})
    return Row(
        model=f"{row.provider} {row.model}".strip(),
        account=row.account,
        meter=meter_facts(row.meter).label,
        requests=row.requests,
        buckets=row.buckets,
        difference=row.difference,
        counted=f"{_FEEDS[row.counted]}, {_SAID[row.said_of]}",
        change="Change" if row.code else "Declare its account",
        change_url=f"{reverse('costs:change_feed')}?{query}"
        if row.code
        else reverse("costs:new_account"),
    )


def _change(change: FeedChange) -> ChangeRow:
    return ChangeRow(str(change.month), _sums(change.before), _sums(change.after))


def _sums(sums: Mapping[str, Decimal]) -> str:
    if not sums:
        return "no cost"
    return ", ".join(presentation.exact_money(amount, code) for code, amount in sums.items())
