"""Everybody's access: invite, role and teams, deactivate; owners only."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.accounts import selectors, services
from apps.accounts.selectors import Person
from apps.accounts.tasks import send_invitation
from apps.accounts.web.forms import AccessForm, InviteForm, show_refusal
from apps.audit import selectors as audit
from apps.audit.domain.words import words
from apps.core.domain.access import Scope
from apps.core.domain.errors import Conflict, Unprocessable
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin

OWNERS: dict[str, Scope | None] = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}
_HERE = "People and access"


class People(PageMixin, TemplateView):
    """Lists everybody who can sign in."""

    template_name = "accounts/people.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.ADMIN}

    def page(self) -> Page:
        invite = Action(label="Invite a person", url=reverse("accounts:person_new"), icon="plus")
        return Page(
            title=_HERE,
            subtitle="Who can sign in, and what they may see and do.",
            crumbs=[Crumb("Settings")],
            primary=invite,
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        state = ListState.of(self.request)
        query = state.get("q").lower()
        found = (one for one in selectors.people() if query in f"{one.name} {one.email}".lower())
        people = DataList(
            key="people",
            caption=_HERE,
            columns=_COLUMNS,
            rows=[_row(one) for one in found],
            state=state,
            search="Search by name or e-mail address",
            empty=Empty(title="Nobody here yet", text="Invite the first person."),
        )
        return super().get_context_data(list=people, **kwargs)


_COLUMNS = [
    Column(key="name", label="Name", link="url"),
    Column(key="email", label="E-mail address"),
    Column(key="role", label="Role"),
    Column(key="teams", label="Teams", wide=True),
    Column(key="state", label="State", kind="badge"),
    Column(key="last_login_at", label="Last sign-in", kind="when", wide=True),
]


def _row(one: Person) -> dict[str, Any]:
    return {
        "name": one.name or one.email,
        "email": one.email,
        "role": one.role.value,
        "teams": ", ".join(one.teams),
        "state": "active" if one.is_active else "deactivated",
        "last_login_at": one.last_login_at,
        "url": reverse("accounts:person", args=[one.public_id]),
    }


class NewPerson(PageMixin, FormView):  # type: ignore[type-arg]
    """Invites somebody and mails them a link to choose a password."""

    template_name = "accounts/person_new.html"
    form_class = InviteForm
    scopes = OWNERS

    def page(self) -> Page:
        crumbs = [Crumb("Settings"), Crumb(_HERE, reverse("accounts:people"))]
        return Page(title="Invite a person", crumbs=crumbs)

    def form_valid(self, form: InviteForm) -> HttpResponse:
        try:
            person = services.invite(
                actor=self.actor,
                email=form.cleaned_data["email"],
                name=form.cleaned_data["name"],
                role=form.to_role(),
                teams=form.to_teams(),
                now=timezone.now(),
            )
        except (Unprocessable, Conflict) as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        send_invitation(person)
        messages.success(self.request, f"An invitation is on its way to {person.email}.")
        return HttpResponseRedirect(reverse("accounts:people"))


class PersonPage(PageMixin, FormView):  # type: ignore[type-arg]
    """One person: role and teams, what happened to their access, and how to end it."""

    template_name = "accounts/person.html"
    form_class = AccessForm
    scopes = OWNERS

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.public_id: UUID = kwargs["person"]

    def page(self) -> Page:
        one = self._person()
        name = one.name or one.email
        leave = Action(label="Deactivate", dialog="deactivate", danger=True)
        back = Action(
            label="Reactivate",
            url=reverse("accounts:person_reactivate", args=[one.public_id]),
            method="post",
        )
        return Page(
            title=name,
            status="active" if one.is_active else "deactivated",
            crumbs=[Crumb("Settings"), Crumb(_HERE, reverse("accounts:people"))],
            facts=[Fact("E-mail address", one.email), Fact("Role", one.role.value)],
            actions=[leave if one.is_active else back],
        )

    def get_initial(self) -> dict[str, Any]:
        one = self._person()
        return {"role": one.role.value, "teams": ", ".join(one.teams)}

    def form_valid(self, form: AccessForm) -> HttpResponse:
        now = timezone.now()
        try:
            services.change_access(
                actor=self.actor,
                person=self.public_id,
                role=form.to_role(),
                teams=form.to_teams(),
                now=now,
            )
        except (Unprocessable, Conflict) as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "Saved. It holds from now on, for open sessions as well.")
        return HttpResponseRedirect(reverse("accounts:person", args=[self.public_id]))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        history = audit.history(subject="person", subject_id=str(self.public_id))
        entries = [
            Entry(at=one.at, actor=one.actor, text=words(one.action), mark=one.hash[:8])
            for one in reversed(history[-50:])
        ]
        return super().get_context_data(one=self._person(), entries=entries, **kwargs)

    def _person(self) -> Person:
        if not hasattr(self, "_found"):
            self._found = selectors.person_by_id(self.public_id)
        return self._found


class Deactivate(PageMixin, View):
    """Lets a person in no more."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, person: UUID) -> HttpResponse:
        services.deactivate(actor=self.actor, person=person, now=timezone.now())
        messages.success(request, "Deactivated. Open sessions and personal keys have ended.")
        return HttpResponseRedirect(reverse("accounts:person", args=[person]))


class Reactivate(PageMixin, View):
    """Lets a person in again."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, person: UUID) -> HttpResponse:
        services.reactivate(actor=self.actor, person=person, now=timezone.now())
        messages.success(request, "Active again, with the role and password from before.")
        return HttpResponseRedirect(reverse("accounts:person", args=[person]))
