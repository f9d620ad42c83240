"""API keys: list, create (the text is shown once), revoke."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, TemplateView, View

from apps.accounts import selectors, services
from apps.accounts.selectors import KeyFacts
from apps.accounts.web.forms import KeyForm, LimitsForm, show_refusal
from apps.core.domain.access import Scope
from apps.core.domain.errors import Forbidden, Unprocessable
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Page
from apps.core.web.views import PageMixin

_HERE = "API keys"


class Keys(PageMixin, TemplateView):
    """Lists the keys that the reader may see: owners all, others their own."""

    template_name = "accounts/keys.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": None}

    def page(self) -> Page:
        create = Action(label="Create a key", url=reverse("accounts:key_new"), icon="plus")
        return Page(
            title=_HERE,
            subtitle="Programs send usage and read costs with a key.",
            crumbs=[Crumb("Settings")],
            primary=create,
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        keys = selectors.api_keys(actor=self.actor)
        rows = [
            {"key": key, "state": key.state(now), "limits": self.actor.may(Scope.ADMIN)}
            for key in keys
        ]
        shown = DataList(
            key="keys",
            caption=_HERE,
            columns=_COLUMNS,
            rows=rows,
            state=ListState.of(self.request),
            row_template="accounts/key_row.html",
            empty=Empty(
                title="No keys yet",
                text="Create one to send usage from a gateway, an app or a script.",
                icon="key",
            ),
        )
        live = [key for key in keys if key.state(now) == "active"]
        return super().get_context_data(list=shown, live=live, **kwargs)


_COLUMNS = [
    Column(key="name", label="Name"),
    Column(key="prefix", label="Prefix", kind="code"),
    Column(key="owner", label="Acts as"),
    Column(key="scopes", label="Scopes", wide=True),
    Column(key="state", label="State", kind="badge"),
    Column(key="last_used_at", label="Last used", kind="when", wide=True),
    Column(key="expires_at", label="Expires", kind="when", wide=True),
    Column(key="revoke", label=""),
]


@method_decorator(never_cache, name="dispatch")
class NewKey(PageMixin, FormView):  # type: ignore[type-arg]
    """Creates a key and shows its text on the answer to this very request, never again."""

    template_name = "accounts/key_new.html"
    form_class = KeyForm
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": None, "POST": None}

    def page(self) -> Page:
        crumbs = [Crumb("Settings"), Crumb(_HERE, reverse("accounts:keys"))]
        return Page(title="Create an API key", crumbs=crumbs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "actor": self.actor}

    def form_valid(self, form: KeyForm) -> HttpResponse:
        try:
            issued = services.issue_key(
                actor=self.actor, request=form.to_request(), now=timezone.now()
            )
        except (Unprocessable, Forbidden) as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        return self.render_to_response(self.get_context_data(form=None, issued=issued))


class LimitKey(PageMixin, FormView):  # type: ignore[type-arg]
    """Holds a key to other limits."""

    template_name = "accounts/key_limits.html"
    form_class = LimitsForm
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}

    def page(self) -> Page:
        crumbs = [Crumb("Settings"), Crumb(_HERE, reverse("accounts:keys"))]
        return Page(
            title=f"Limits of {self._key().name}",
            subtitle="Requests beyond them are answered 429 and told when to come again.",
            crumbs=crumbs,
        )

    def get_form(self, form_class: type[LimitsForm] | None = None) -> LimitsForm:
        form: LimitsForm = super().get_form(form_class)
        form.hint_of_key()
        return form

    def get_initial(self) -> dict[str, Any]:
        limits = self._key().limits
        return {
            "requests_per_second": limits.requests_per_second,
            "events_per_second": limits.events_per_second,
        }

    def form_valid(self, form: LimitsForm) -> HttpResponse:
        try:
            facts = services.limit_key(
                actor=self.actor,
                key=self.kwargs["key"],
                limits=form.to_limits(),
                now=timezone.now(),
            )
        except Unprocessable as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, f"{facts.name} has new limits, within 15 seconds.")
        return HttpResponseRedirect(reverse("accounts:keys"))

    def _key(self) -> KeyFacts:
        return selectors.api_key(key=self.kwargs["key"])


class RevokeKey(PageMixin, View):
    """Revokes a key for good."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": None}

    def post(self, request: HttpRequest, key: UUID) -> HttpResponse:
        facts: KeyFacts = services.revoke_key(actor=self.actor, key=key, now=timezone.now())
        messages.success(request, f"{facts.name} is revoked; it opens nothing any more.")
        return HttpResponseRedirect(reverse("accounts:keys"))
