"""Settings, Notifications: channels and what they are told of, deliveries and their state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView
from django.views.generic.base import View

from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Page, Tab
from apps.core.web.views import PageMixin
from apps.notifications import selectors, services
from apps.notifications.domain.channels import ChannelDraft, Kind
from apps.notifications.domain.topics import WORDS, Topic
from apps.notifications.selectors import DeliveryFacts

_READ: Final[Mapping[str, Scope | None]] = {"GET": Scope.BILLING_WRITE}
_CHANGE: Final[Mapping[str, Scope | None]] = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}
_KINDS: Final = ((Kind.EMAIL.value, "E-mail"), (Kind.WEBHOOK.value, "Webhook"))
_STATES: Final = (("queued", "Queued"), ("sent", "Sent"), ("failed", "Failed"))
_PAGE: Final = 50


class ChannelForm(forms.Form):
    """A channel to add."""

    kind = forms.ChoiceField(label="Kind", choices=_KINDS)
    name = forms.CharField(label="Name", max_length=100)
    address = forms.CharField(
        label="Address",
        max_length=500,
        help_text="An e-mail address, or the https URL of a webhook.",
    )
    topics = forms.MultipleChoiceField(
        label="Told of",
        widget=forms.CheckboxSelectMultiple,
        choices=[(topic.value, words) for topic, words in WORDS.items()],
    )

    def to_draft(self) -> ChannelDraft:
        """Return the channel as the service takes it."""
        asked = self.cleaned_data
        return ChannelDraft(
            kind=Kind(asked["kind"]),
            name=asked["name"],
            address=asked["address"],
            topics=frozenset(Topic(topic) for topic in asked["topics"]),
        )


class Channels(PageMixin, TemplateView):
    """Lists the channels in use."""

    template_name = "notifications/channels.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = _READ

    def page(self) -> Page:
        add = Action(label="Add a channel", url=reverse("notifications:new"), icon="plus")
        return Page(
            title="Notifications",
            subtitle="Owners of cost centers are always told of their statements. Channels are "
            "told besides.",
            primary=add if self.actor.may(Scope.ADMIN) else None,
            tabs=tabs("channels"),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = [
            {
                "facts": one,
                "topics": ", ".join(WORDS[topic].lower() for topic in one.topics),
                "is_webhook": one.kind is Kind.WEBHOOK,
            }
            for one in selectors.channels(actor=self.actor)
        ]
        return super().get_context_data(
            channels=rows, may_change=self.actor.may(Scope.ADMIN), **kwargs
        )


def tabs(active: str) -> list[Tab]:
    """Return the two pages as tabs."""
    return [
        Tab(label=label, url=reverse(f"notifications:{name}"), active=name == active)
        for name, label in (("channels", "Channels"), ("deliveries", "Deliveries"))
    ]


class NewChannel(PageMixin, FormView):  # type: ignore[type-arg]
    """Adds a channel; a webhook's secret is shown once."""

    template_name = "notifications/channel_new.html"
    form_class = ChannelForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _CHANGE

    def page(self) -> Page:
        return Page(
            title="Add a channel",
            subtitle="A mailbox, or a webhook whose deliveries are signed and tried again until "
            "they are taken.",
            crumbs=[Crumb("Notifications", reverse("notifications:channels"))],
        )

    def form_valid(self, form: ChannelForm) -> HttpResponse:
        try:
            added = services.add_channel(
                draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            for wrong in refusal.errors:
                form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
            return self.form_invalid(form)
        if added.secret:
            return self.render_to_response(self.get_context_data(form=form, secret=added.secret))
        messages.success(self.request, "Added.")
        return HttpResponseRedirect(reverse("notifications:channels"))


class Renew(PageMixin, TemplateView):
    """Renews a webhook's secret and shows it once."""

    http_method_names = ["post", "options"]
    template_name = "notifications/channel_new.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.ADMIN}

    def page(self) -> Page:
        return Page(
            title="A new secret",
            subtitle="Deliveries are signed with it from now on.",
            crumbs=[Crumb("Notifications", reverse("notifications:channels"))],
        )

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        try:
            added = services.renew_secret(id=id, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(reverse("notifications:channels"))
        return self.render_to_response(self.get_context_data(secret=added.secret))


class Retire(PageMixin, View):
    """Retires a channel."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        try:
            services.retire_channel(id=id, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, "Retired: it is told nothing any more.")
        return HttpResponseRedirect(reverse("notifications:channels"))


class Deliveries(PageMixin, TemplateView):
    """Lists what was told to whom, and how far that has come."""

    template_name = "notifications/deliveries.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = _READ

    def page(self) -> Page:
        return Page(
            title="Notifications",
            subtitle="What failed for a day is given up; choose it to try again.",
            tabs=tabs("deliveries"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = ListState.of(request)
        shown = _list(self._found(state), state)
        if state.export:
            return list_response(shown, filename="deliveries")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _found(self, state: ListState) -> tuple[list[DeliveryFacts], int | None]:
        cursor = state.get("cursor")
        return selectors.outbox(
            state=state.get("state"),
            kind=state.get("kind"),
            before=int(cursor) if cursor.isascii() and cursor.isdigit() else None,
            limit=5000 if state.export else _PAGE,
            actor=self.actor,
        )


def _list(found: tuple[Sequence[DeliveryFacts], int | None], state: ListState) -> DataList:
    deliveries, more = found
    return DataList(
        key="deliveries",
        caption="Deliveries",
        state=state,
        filters=(
            Filter(key="state", label="State", options=_STATES),
            Filter(key="kind", label="Kind", options=_KINDS),
        ),
        rows=[_row(one) for one in deliveries],
        columns=(
            Column(key="subject", label="Subject"),
            Column(key="recipient", label="Recipient"),
            Column(key="state", label="State", kind="badge"),
            Column(key="attempts", label="Attempts", kind="quantity", wide=True),
            Column(key="created_at", label="Queued", kind="when", wide=True),
            Column(key="sent_at", label="Sent", kind="when", wide=True),
            Column(key="last_error", label="Last error"),
        ),
        exports=("csv", "xlsx"),
        paging=Paging(next_cursor=str(more) if more is not None else ""),
        bulk=[Action(label="Try again", url=reverse("notifications:retry"), icon="refresh")],
        empty=Empty(
            title="Nothing was sent yet",
            text="Owners are told when statements are issued.",
            icon="mail",
        ),
    )


def _row(one: DeliveryFacts) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "subject": one.subject,
        "recipient": one.recipient,
        "state": one.state,
        "attempts": one.attempts,
        "created_at": one.created_at,
        "sent_at": one.sent_at,
        "last_error": one.last_error[:200] or None,
    }


class Retry(PageMixin, View):
    """Queues chosen deliveries again."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.BILLING_WRITE}

    def post(self, request: HttpRequest) -> HttpResponse:
        queued = 0
        for text in request.POST.getlist("selected")[:_PAGE]:
            try:
                services.retry(id=UUID(text), actor=self.actor, now=timezone.now())
            except (Refusal, ValueError) as refused:
                messages.error(request, str(refused))
            else:
                queued += 1
        if queued:
            messages.success(request, f"{queued} queued; they go out within a minute.")
        return HttpResponseRedirect(reverse("notifications:deliveries"))
