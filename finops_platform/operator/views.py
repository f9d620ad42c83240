"""The operator's pages. Making a schema takes seconds and the owner's role: a worker does it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, TemplateView, View
from django_tenants.utils import schema_context

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.accounts.web.forms import LimitsForm, show_refusal
from apps.audit import selectors as audit
from apps.audit.domain.words import words
from apps.core.domain.access import Scope
from apps.core.domain.errors import Conflict, Unprocessable
from apps.core.domain.limits import MOST_PER_SECOND, Limits
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.tenants import selectors as tenants
from apps.tenants import services
from finops_platform.operator.forms import ProvisionForm, SuspendForm
from finops_platform.provisioning import draft_of, host_of
from finops_platform.tasks import provision_registered_tenant

OPERATORS: dict[str, Scope | None] = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}


class Tenants(PageMixin, TemplateView):
    """Lists all tenants."""

    template_name = "operator/tenants.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.ADMIN}

    def page(self) -> Page:
        provision = Action(label="Provision a tenant", url=reverse("operator:new"), icon="plus")
        return Page(
            title="Tenants",
            subtitle="Each organization lives in a schema, a host and a set of keys of its own.",
            primary=provision,
            actions=[Action(label="Administration", url=reverse("operator_admin:index"))],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = [_row(one) for one in tenants.every()]
        shown = DataList(
            key="tenants",
            caption="Tenants",
            columns=_COLUMNS,
            rows=rows,
            state=ListState.of(self.request),
            empty=Empty(title="No tenants yet", text="Provision the first one.", icon="building"),
        )
        return super().get_context_data(list=shown, **kwargs)


_COLUMNS = [
    Column(key="name", label="Name", link="url"),
    Column(key="slug", label="Slug", kind="code"),
    Column(key="status", label="State", kind="badge"),
    Column(key="currency", label="Currency"),
    Column(key="timezone", label="Timezone", wide=True),
]


def _row(one: tenants.TenantFacts) -> dict[str, Any]:
    return {
        "name": one.name,
        "slug": one.slug,
        "status": one.status.value,
        "currency": one.currency,
        "timezone": one.timezone.key,
        "url": reverse("operator:tenant", args=[one.slug]),
    }


class NewTenant(PageMixin, FormView):  # type: ignore[type-arg]
    """Registers a tenant and lets a worker make its schema."""

    template_name = "operator/new.html"
    form_class = ProvisionForm
    scopes = OPERATORS

    def page(self) -> Page:
        crumbs = [Crumb("Tenants", reverse("operator:tenants"))]
        return Page(title="Provision a tenant", crumbs=crumbs)

    def form_valid(self, form: ProvisionForm) -> HttpResponse:
        try:
            with transaction.atomic():
                draft = draft_of(**form.cleaned_data)
                services.register(
                    actor=self.actor, draft=draft, host=host_of(draft.slug), now=timezone.now()
                )
                provision_registered_tenant.delay_on_commit(
                    slug=draft.slug, operator=self.actor.label
                )
        except (Unprocessable, Conflict) as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        return HttpResponseRedirect(reverse("operator:tenant", args=[draft.slug]))


class TenantPage(PageMixin, TemplateView):
    """One tenant: where it is, in which state, and what was done to it."""

    template_name = "operator/tenant.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.ADMIN}

    def page(self) -> Page:
        one = self._tenant()
        return Page(
            title=one.name,
            status=one.status.value,
            crumbs=[Crumb("Tenants", reverse("operator:tenants"))],
            facts=[
                Fact("Slug", one.slug),
                Fact("Schema", one.schema),
                Fact("Currency", one.currency),
                Fact("Timezone", one.timezone.key),
                Fact("Limits", _limits(one)),
            ],
            actions=_actions(one),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        one = self._tenant()
        history = audit.history(subject="tenant", subject_id=one.slug)
        entries = [
            Entry(
                at=row.at,
                actor=row.actor,
                text=words(row.action),
                detail=str(row.detail.get("reason", "")),
                mark=row.hash[:8],
            )
            for row in reversed(history)
        ]
        return super().get_context_data(
            tenant=one,
            reason=tenants.status_reason(slug=one.slug),
            address=tenants.base_url(slug=one.slug),
            entries=entries,
            **kwargs,
        )

    def _tenant(self) -> tenants.TenantFacts:
        return tenants.fresh(slug=self.kwargs["slug"])


def _actions(one: tenants.TenantFacts) -> list[Action]:
    if one.status is tenants.TenantStatus.PROVISIONING:
        return [_posting("Start provisioning again", "operator:retry", one.slug)]
    if one.status is tenants.TenantStatus.SUSPENDED:
        return [_posting("Resume", "operator:resume", one.slug)]
    return [
        _posting("Show an invitation link", "operator:invitation", one.slug),
        Action(label="Limits", url=reverse("operator:limits", args=[one.slug])),
        Action(label="Suspend", dialog="suspend", danger=True),
    ]


def _limits(one: tenants.TenantFacts) -> str:
    limits = account_services.tenant_limits(one.limits)
    return (
        f"{limits.requests_per_second:,} requests and {limits.events_per_second:,} events a second"
    )


def _posting(label: str, name: str, slug: str) -> Action:
    return Action(label=label, url=reverse(name, args=[slug]), method="post")


class Limit(PageMixin, FormView):  # type: ignore[type-arg]
    """Holds a tenant's keys together to other limits."""

    template_name = "operator/limits.html"
    form_class = LimitsForm
    scopes = OPERATORS

    def page(self) -> Page:
        one = tenants.fresh(slug=self.kwargs["slug"])
        back = reverse("operator:tenant", args=[one.slug])
        return Page(
            title=f"Limits of {one.name}",
            subtitle="What all keys of the organization may send together.",
            crumbs=[Crumb("Tenants", reverse("operator:tenants")), Crumb(one.name, back)],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        back = reverse("operator:tenant", args=[self.kwargs["slug"]])
        return super().get_context_data(back=back, **kwargs)

    def get_form(self, form_class: type[LimitsForm] | None = None) -> LimitsForm:
        form: LimitsForm = super().get_form(form_class)
        form.hint(
            account_services.default_limits("TENANT"), most=Limits(MOST_PER_SECOND, MOST_PER_SECOND)
        )
        return form

    def get_initial(self) -> dict[str, Any]:
        return asdict(tenants.fresh(slug=self.kwargs["slug"]).limits)

    def form_valid(self, form: LimitsForm) -> HttpResponse:
        slug = self.kwargs["slug"]
        services.limit(actor=self.actor, slug=slug, limits=form.to_limits(), now=timezone.now())
        messages.success(self.request, "These limits hold within 30 seconds in every process.")
        return HttpResponseRedirect(reverse("operator:tenant", args=[slug]))


class Posting(PageMixin, View):
    """A change of one tenant that leads back to its page."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        try:
            messages.success(request, self.change(slug))
        except (Unprocessable, Conflict) as refusal:
            messages.error(request, refusal.message)
        return HttpResponseRedirect(reverse("operator:tenant", args=[slug]))

    def change(self, slug: str) -> str:
        """Do it and return the sentence that says so."""
        raise NotImplementedError


class Suspend(Posting):
    """Stops serving a tenant."""

    def change(self, slug: str) -> str:
        form = SuspendForm(self.request.POST)
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        services.suspend(actor=self.actor, slug=slug, reason=reason, now=timezone.now())
        return "Suspended. Its pages and its API answer 403; nothing was deleted."


class Resume(Posting):
    """Serves a tenant again."""

    def change(self, slug: str) -> str:
        services.resume(actor=self.actor, slug=slug, now=timezone.now())
        return "Served again."


class Retry(Posting):
    """Starts a provisioning that broke off again."""

    def change(self, slug: str) -> str:
        services.restart(actor=self.actor, slug=slug, now=timezone.now())
        provision_registered_tenant.delay_on_commit(slug=slug, operator=self.actor.label)
        return "Started again."


@method_decorator(never_cache, name="dispatch")
class Invitation(PageMixin, View):
    """Shows, once, a link for an owner who has never signed in: for when mail does not arrive."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        with schema_context(tenants.fresh(slug=slug).schema):
            waiting = [one for one in accounts.owners() if one.last_login_at is None]
            if not waiting:
                messages.error(request, "Every owner has signed in already; they invite others.")
                return HttpResponseRedirect(reverse("operator:tenant", args=[slug]))
            link = account_services.issue_invitation(
                actor=self.actor, person=waiting[0].public_id, now=timezone.now()
            )
        page = Page(title="Invitation link", crumbs=[Crumb("Tenants", reverse("operator:tenants"))])
        context = {"page": page, "url": link.url, "email": link.email}
        return render(request, "operator/invitation.html", context)
